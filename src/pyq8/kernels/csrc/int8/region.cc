#include "region.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace pyq8::int8 {
namespace {

constexpr size_t kPlans = 8;

void fill_border(const Run& run, int64_t tensor) {
  const Place& p = run.place(tensor);
  const int zero = int(run.spec.tensors[size_t(tensor)].zero);
  uint8_t* to = run.memory + p.begin;
  for (int64_t image = 0; image < p.n; ++image, to += p.image()) {
    std::memset(to, zero, size_t(p.top * p.row() + p.left * p.channels));
    uint8_t* end = to + p.top * p.row() + (p.left + p.w) * p.channels;
    for (int64_t row = 0; row + 1 < p.h; ++row, end += p.row()) {
      std::memset(end, zero, size_t((p.left + p.right) * p.channels));
    }
    std::memset(end, zero, size_t(p.right * p.channels + p.bottom * p.row()));
  }
}

void one(const Run& run, size_t index) {
  const Layer& l = run.spec.layers[index];
  for (const int64_t tensor : run.plan.fill[index]) fill_border(run, tensor);
  switch (l.kind) {
    case kQuantize:
      return run_quantize(run, l);
    case kConv:
      return run_convolution(run, l);
    case kDepthwise:
      return run_depthwise(run, l);
    case kMaxPool:
    case kAveragePool:
      return run_pool(run, l);
    case kDequantize:
      return run_dequantize(run, l);
    default:
      return run_elementwise(run, l);
  }
}

}  // namespace

void Run::rows(const Place& place, const std::function<void(int64_t, int64_t)>& f) const {
  const int64_t all = place.n * place.h, tasks = std::min<int64_t>(all, 8 * threads.count);
  threads.run(tasks, [&](int64_t task) {
    for (int64_t i = all * task / tasks; i < all * (task + 1) / tasks; ++i) f(i / place.h, i % place.h);
  });
}

std::shared_ptr<const Plan> Region::plan(const std::vector<Input>& inputs) {
  std::vector<Shape> shapes;
  for (const Input& input : inputs) shapes.push_back(input.shape);
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (const auto& [known, plan] : plans_) {
      if (known == shapes) return plan;
    }
  }
  auto made = std::make_shared<const Plan>(spec_, shapes);
  const std::lock_guard<std::mutex> guard(mutex_);
  if (plans_.size() == kPlans) plans_.erase(plans_.begin());
  plans_.emplace_back(std::move(shapes), made);
  return made;
}

void Region::run(const std::vector<Input>& inputs, const Allocate& allocate, const Threads& threads) {
  profile(inputs, allocate, threads, nullptr);
}

void Region::profile(const std::vector<Input>& inputs, const Allocate& allocate, const Threads& threads,
                     int64_t* nanoseconds) {
  if (int64_t(inputs.size()) != spec_.inputs) throw Error("it takes " + std::to_string(spec_.inputs) + " inputs");
  const std::shared_ptr<const Plan> plan = this->plan(inputs);
  std::unique_ptr<Buffer> buffer;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (!memory_.empty()) {
      buffer = std::move(memory_.back());
      memory_.pop_back();
    }
  }
  if (!buffer) buffer = std::make_unique<Buffer>();
  std::vector<void*> outputs;
  for (int64_t i = 0; i < spec_.outputs; ++i) outputs.push_back(allocate(i, plan->outputs[size_t(i)]));
  const Run run{isa_, spec_, *plan, buffer->of<uint8_t>(plan->bytes + 4096), inputs, outputs, threads};
  for (size_t i = 0; i < spec_.layers.size(); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    one(run, i);
    if (nanoseconds) {
      nanoseconds[i] = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
    }
  }
  const std::lock_guard<std::mutex> guard(mutex_);
  memory_.push_back(std::move(buffer));
}

}  // namespace pyq8::int8
