// Runs a region: one layer after the other, each in parallel.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "../memory.h"
#include "isa8.h"
#include "plan.h"

namespace pyq8::int8 {

// Who runs loops in parallel.
struct Threads {
  int count = 1;
  std::function<void(int64_t tasks, const std::function<void(int64_t)>&)> run;
};

struct Input {
  const void* data;
  Shape shape;
};

// Memory of output i, once its shape is known.
using Allocate = std::function<void*(int64_t output, const Shape& shape)>;

class Region {
 public:
  Region(const Isa& isa, Spec spec) : isa_(isa), spec_(std::move(spec)) {}

  // Any number of threads may call it at once.
  void run(const std::vector<Input>& inputs, const Allocate& allocate, const Threads& threads);

  // As `run`, and the nanoseconds of every layer.
  void profile(const std::vector<Input>& inputs, const Allocate& allocate, const Threads& threads, int64_t* nanoseconds);

  const Spec& spec() const { return spec_; }

 private:
  std::shared_ptr<const Plan> plan(const std::vector<Input>& inputs);

  const Isa& isa_;
  const Spec spec_;
  std::mutex mutex_;
  std::vector<std::pair<std::vector<Shape>, std::shared_ptr<const Plan>>> plans_;  // the latest shapes
  std::vector<std::unique_ptr<Buffer>> memory_;                                     // that nobody uses now
};

// One layer, for region.cc.
struct Run {
  const Isa& isa;
  const Spec& spec;
  const Plan& plan;
  uint8_t* memory;
  const std::vector<Input>& inputs;
  const std::vector<void*>& outputs;
  const Threads& threads;

  const Place& place(int64_t tensor) const { return plan.places[size_t(root_of(spec, tensor))]; }
  // Where pixel (0, 0) of image 0 is.
  uint8_t* pixels(int64_t tensor) const {
    const Place& p = place(tensor);
    const Tensor& t = spec.tensors[size_t(tensor)];
    return memory + p.begin + p.top * p.row() + p.left * p.channels + (t.parent < 0 ? 0 : t.offset);
  }
  // All rows of all images of a place, a task each.
  void rows(const Place& place, const std::function<void(int64_t image, int64_t row)>& f) const;
};

inline Sum sum_of(const float* f) { return {f[0], f[1], f[2], f[3], f[4] != 0}; }

void run_convolution(const Run& run, const Layer& layer);
void run_depthwise(const Run& run, const Layer& layer);
void run_pool(const Run& run, const Layer& layer);
void run_elementwise(const Run& run, const Layer& layer);
void run_quantize(const Run& run, const Layer& layer);
void run_dequantize(const Run& run, const Layer& layer);

}  // namespace pyq8::int8
