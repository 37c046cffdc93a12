// Runs a region: one layer after the other, each in parallel.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "int8/loop.h"
#include "int8/memory.h"

namespace pyq8::int8 {

// Who runs loops in parallel.
struct Threads {
  int count = 1;
  std::function<void(int64_t tasks, const std::function<void(int64_t)>&)> run;
};

// Memory of output i, once its shape is known.
using Allocate = std::function<void*(int64_t output, const Shape& shape)>;

// For one plan, the loops of every chain.
struct Divided {
  int threads;
  Machine machine;
  std::vector<std::vector<Loop>> chains;
};

// A loop, and what its pieces cost in the order in which they are handed out.
struct Planned {
  size_t first, last;
  std::vector<double> costs;
};

class Region {
 public:
  Region(const Isa& isa, Spec spec) : isa_(isa), spec_(std::move(spec)), listed_(list(isa_, spec_)) {}
  ~Region() { memory_->shrink(); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Any number of threads may call it at once. Null, or for the nanoseconds of every layer; of layers that run together, in
  // the place of the first.
  void run(const std::vector<Input>& inputs, const Allocate& allocate, const Threads& threads,
           int64_t* nanoseconds = nullptr);

  // Multiply-adds of every layer.
  std::vector<int64_t> products(const std::vector<Input>& inputs);

  // The parallel loops of a run with inputs of these shapes, in order.
  std::vector<Planned> planned(const std::vector<Shape>& shapes, int threads);

  const Spec& spec() const { return spec_; }

 private:
  struct Known {
    std::vector<Shape> shapes;
    std::shared_ptr<const Plan> plan;
    std::shared_ptr<const Divided> divided;  // for the latest number of threads, or null
  };

  std::shared_ptr<const Plan> plan(const std::vector<Input>& inputs);
  std::shared_ptr<const Divided> divided(const Run& run, int threads);
  void run_images(const std::vector<Input>& inputs, const std::vector<void*>& outputs, Buffer& buffer,
                  const Threads& threads, int64_t* nanoseconds);

  const Isa& isa_;
  const Spec spec_;
  const ListedLayers listed_;
  std::mutex mutex_;
  std::vector<Known> known_;  // the latest shapes
  const std::shared_ptr<Memory> memory_ = Memory::shared();
};

}  // namespace pyq8::int8
