// Runs a region: one layer after the other, each in parallel.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "int8/division.h"
#include "int8/isa.h"
#include "int8/memory.h"
#include "int8/pairs.h"
#include "int8/plan.h"

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
  Region(const Isa& isa, Spec spec) : isa_(isa), spec_(std::move(spec)), paired_(pair(isa_, spec_)) {}
  ~Region() { memory_->shrink(); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Any number of threads may call it at once. Null, or for the nanoseconds of every layer; of layers that run together, in
  // the place of the first.
  void run(const std::vector<Input>& inputs, const Allocate& allocate, const Threads& threads,
           int64_t* nanoseconds = nullptr);

  // Multiply-adds of every layer.
  std::vector<int64_t> products(const std::vector<Input>& inputs);

  const Spec& spec() const { return spec_; }

 private:
  std::shared_ptr<const Plan> plan(const std::vector<Input>& inputs);
  void run_images(const std::vector<Input>& inputs, const std::vector<void*>& outputs, Buffer& buffer,
                  const Threads& threads, int64_t* nanoseconds);

  const Isa& isa_;
  const Spec spec_;
  const PairedLayers paired_;
  std::mutex mutex_;
  std::vector<std::pair<std::vector<Shape>, std::shared_ptr<const Plan>>> plans_;  // the latest shapes
  const std::shared_ptr<Memory> memory_ = Memory::shared();
};

// What the layers of one run share.
struct Run {
  const Isa& isa;
  const Spec& spec;
  const PairedLayers& paired;
  const Plan& plan;
  uint8_t* memory;
  const std::vector<Input>& inputs;
  const std::vector<void*>& outputs;

  const std::vector<Paired>& paired_of(const Layer& layer) const { return paired[size_t(&layer - spec.layers.data())]; }
  const Place& place(int64_t tensor) const { return plan.places[size_t(root_of(spec, tensor))]; }
  // Where pixel (0, 0) of image 0 is.
  uint8_t* pixels(int64_t tensor) const {
    const Place& p = place(tensor);
    const Tensor& t = spec.tensors[size_t(tensor)];
    return memory + p.begin + p.top * p.row() + p.left * p.channels + (t.parent < 0 ? 0 : t.offset);
  }
};

// A layer, ready to compute any rows of its result.
class Work : public Load {
 public:
  virtual ~Work() = default;
  // Some rows of an image; of the outputs the part `part` of `parts`.
  virtual void rows(int64_t image, int64_t first, int64_t last, int64_t part, int64_t parts) const = 0;
  // Into how many parts its outputs can be divided.
  virtual int64_t most_parts() const { return 1; }

  bool joined = false;  // images follow one another without a gap: rows go on beyond the first one
};

std::unique_ptr<Work> convolution(const Run& run, const Layer& layer);
std::unique_ptr<Work> depthwise(const Run& run, const Layer& layer);
std::unique_ptr<Work> pool(const Run& run, const Layer& layer);
std::unique_ptr<Work> elementwise(const Run& run, const Layer& layer);
std::unique_ptr<Work> move(const Run& run, const Layer& layer);
std::unique_ptr<Work> quantize(const Run& run, const Layer& layer);
std::unique_ptr<Work> dequantize(const Run& run, const Layer& layer);

// Calls f for every row.
template <class F>
class RowWork : public Work {
 public:
  RowWork(const Place& place, int64_t bytes, F f) : f_(std::move(f)) {
    images = place.n, height = place.h, row_bytes = row_products = bytes;
  }
  void rows(int64_t image, int64_t first, int64_t last, int64_t, int64_t) const override {
    for (int64_t row = first; row < last; ++row) f_(image, row);
  }

 private:
  const F f_;
};

template <class F>
std::unique_ptr<Work> row_work(const Place& place, int64_t bytes, F f) {
  return std::make_unique<RowWork<F>>(place, bytes, std::move(f));
}

inline Sum sum_of(const float* f) { return {f[0], f[1], f[2], f[3], f[4] != 0}; }

}  // namespace pyq8::int8
