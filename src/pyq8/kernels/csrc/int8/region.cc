#include "region.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace pyq8::int8 {
namespace {

constexpr size_t kPlans = 8;
constexpr int64_t kCache = 256 << 10;  // bytes that the layers of a task go through before they return to the first
constexpr int64_t kWeights = 512 << 10;  // of layers that run together, which every task reads
constexpr int64_t kRows = 4;             // of a thread, below which layers run one by one, their outputs divided
constexpr int64_t kTasks = 6;          // of a thread, at least where there is that much

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

std::unique_ptr<Work> work_of(const Run& run, const Layer& l) {
  switch (l.kind) {
    case kQuantize:
      return quantize(run, l);
    case kConv:
      return convolution(run, l);
    case kDepthwise:
      return depthwise(run, l);
    case kMaxPool:
    case kAveragePool:
      return pool(run, l);
    case kDequantize:
      return dequantize(run, l);
    default:
      return elementwise(run, l);
  }
}

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Bands of rows, as many as keep all threads busy and small enough for the cache; where rows are few, outputs are
// divided too.
void run_alone(const Work& work, const Threads& threads) {
  const int64_t wanted = kTasks * threads.count, fit = std::max<int64_t>(1, kCache / work.row_bytes);
  const int64_t images = work.joined ? 1 : work.images, height = work.images * work.height / images;
  const int64_t band = std::clamp<int64_t>(images * height / wanted, 1, std::min(fit, height));
  const int64_t bands = up(height, band), parts = std::min(work.most_parts(), up(wanted, images * bands));
  threads.run(images * bands * parts, [&](int64_t task) {
    const int64_t part = task % parts, i = task / parts % bands, image = task / parts / bands;
    work.rows(image, height * i / bands, height * (i + 1) / bands, part, parts);
  });
}

// Some rows through all layers before the next rows: what a layer reads was just written, and is in the cache.
void run_together(const std::vector<std::unique_ptr<Work>>& works, const Threads& threads) {
  int64_t row_bytes = 0;
  for (const auto& work : works) row_bytes += work->row_bytes;
  const int64_t images = works[0]->images, height = works[0]->height;
  const int64_t fit = std::max<int64_t>(1, kCache / row_bytes), wanted = kTasks * threads.count;
  const int64_t band = std::clamp<int64_t>(images * height / wanted, 1, std::min(fit, height));
  const int64_t bands = up(height, band);
  threads.run(images * bands, [&](int64_t task) {
    const int64_t i = task % bands, image = task / bands;
    for (const auto& work : works) work->rows(image, height * i / bands, height * (i + 1) / bands, 0, 1);
  });
}

}  // namespace

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
  const Run run{isa_, spec_, *plan, buffer->of<uint8_t>(plan->bytes + 4096), inputs, outputs};
  for (const Plan::Chain& chain : plan->chains) {
    const auto begin = std::chrono::steady_clock::now();
    for (const int64_t tensor : chain.fill) fill_border(run, tensor);
    std::vector<std::unique_ptr<Work>> works;
    for (size_t i = chain.first; i < chain.last; ++i) works.push_back(work_of(run, spec_.layers[i]));
    int64_t weights = 0;
    for (const auto& work : works) weights += work->weight_bytes;
    const bool enough = works[0]->images * works[0]->height >= kRows * threads.count;
    if (works.size() > 1 && enough && weights <= kWeights) {
      run_together(works, threads);
    } else {
      for (const auto& work : works) run_alone(*work, threads);
    }
    if (nanoseconds) {
      const auto spent = std::chrono::steady_clock::now() - begin;
      nanoseconds[chain.first] = std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
      std::fill(nanoseconds + chain.first + 1, nanoseconds + chain.last, 0);
    }
  }
  const std::lock_guard<std::mutex> guard(mutex_);
  memory_.push_back(std::move(buffer));
}

}  // namespace pyq8::int8
