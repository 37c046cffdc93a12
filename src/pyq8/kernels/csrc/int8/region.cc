#include "int8/region.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>

namespace pyq8::int8 {
namespace {

constexpr size_t kPlans = 8;
constexpr int64_t kMemory = 24 << 20;    // of tensors; a batch that needs more is computed some images at a time
constexpr int64_t kWeights = 512 << 10;  // of layers that run together, which every task reads
constexpr int64_t kRows = 4;             // of a thread, below which layers run one by one, their outputs divided

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
    case kMove:
      return move(run, l);
    default:
      return elementwise(run, l);
  }
}

void run_alone(const Work& work, const Threads& threads) {
  Load load = work;
  if (work.joined) load.images = 1, load.height *= work.images;
  const Division cut(load, work.most_parts(), threads.count);
  threads.run(load.images * cut.bands * cut.parts, [&](int64_t task) {
    const int64_t first = task % cut.bands * cut.rows, i = task / cut.bands, part = i / load.images;
    work.rows(i % load.images, first, std::min(load.height, first + cut.rows), part, cut.parts);
  });
}

// Some rows through all layers before the next rows: what a layer reads was just written, and is in the cache.
void run_together(const std::vector<std::unique_ptr<Work>>& works, const Load& load, const Threads& threads) {
  const Division cut(load, 1, threads.count);
  threads.run(load.images * cut.bands, [&](int64_t task) {
    const int64_t first = task % cut.bands * cut.rows, image = task / cut.bands;
    for (const auto& work : works) work->rows(image, first, std::min(load.height, first + cut.rows), 0, 1);
  });
}

// Of all inputs; 1 if they differ: then they are not images of one batch.
int64_t images_of(const std::vector<Input>& inputs) {
  const int64_t images = inputs[0].shape[0];
  const auto same = [&](const Input& input) { return input.shape[0] == images; };
  return std::all_of(inputs.begin(), inputs.end(), same) ? images : 1;
}

int64_t image_bytes(const Shape& shape, bool bytes) {
  return std::accumulate(shape.begin() + 1, shape.end(), int64_t(bytes ? 1 : 4), std::multiplies<>());
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

void Region::run(const std::vector<Input>& inputs, const Allocate& allocate, const Threads& threads,
                 int64_t* nanoseconds) {
  if (int64_t(inputs.size()) != spec_.inputs) throw Error("it takes " + std::to_string(spec_.inputs) + " inputs");
  const std::shared_ptr<const Plan> whole = plan(inputs);
  std::vector<void*> outputs;
  for (int64_t i = 0; i < spec_.outputs; ++i) outputs.push_back(allocate(i, whole->outputs[size_t(i)]));
  if (nanoseconds) std::fill(nanoseconds, nanoseconds + spec_.layers.size(), 0);
  if (!whole->outputs[0][0]) return;  // an empty batch
  Memory::Loan loan(*memory_);
  const int64_t images = images_of(inputs), at_once = std::max<int64_t>(1, kMemory * images / whole->bytes);
  const int64_t groups = up(images, at_once);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = images * group / groups, count = images * (group + 1) / groups - first;
    std::vector<Input> some;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const int64_t step = image_bytes(inputs[i].shape, spec_.byte_input(int64_t(i)));
      some.push_back({static_cast<const char*>(inputs[i].data) + first * step, inputs[i].shape});
      if (groups > 1) some.back().shape[0] = count;
    }
    std::vector<void*> places;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const int64_t step = image_bytes(whole->outputs[i], spec_.byte_output(int64_t(i)));
      places.push_back(static_cast<char*>(outputs[i]) + first * step);
    }
    run_images(some, places, *loan, threads, nanoseconds);
  }
}

std::vector<int64_t> Region::products(const std::vector<Input>& inputs) {
  const std::shared_ptr<const Plan> plan = this->plan(inputs);
  std::vector<int64_t> found;
  for (const Layer& l : spec_.layers) {
    if (l.kind != kConv && l.kind != kDepthwise) {
      found.push_back(0);
      continue;
    }
    const Tensor& x = spec_.tensors[size_t(l.x)];
    if (l.mode == kToFloat && l.kind == kConv) {
      found.push_back(plan->places[size_t(root_of(spec_, l.x))].n * l.more * l.r * l.s * x.channels / l.groups);
      continue;
    }
    const Place& y = plan->places[size_t(root_of(spec_, l.y))];
    const int64_t of_output = l.r * l.s * (l.kind == kDepthwise ? 1 : x.channels / l.groups);
    found.push_back(y.n * y.h * y.w * spec_.tensors[size_t(l.y)].channels * of_output);
  }
  return found;
}

void Region::run_images(const std::vector<Input>& inputs, const std::vector<void*>& outputs, Buffer& buffer,
                        const Threads& threads, int64_t* nanoseconds) {
  const std::shared_ptr<const Plan> plan = this->plan(inputs);
  const Run run{isa_, spec_, paired_, *plan, buffer.of<uint8_t>(plan->bytes + 4096), inputs, outputs};
  for (const Plan::Chain& chain : plan->chains) {
    const auto begin = std::chrono::steady_clock::now();
    for (const int64_t tensor : chain.fill) fill_border(run, tensor);
    std::vector<std::unique_ptr<Work>> works;
    for (size_t i = chain.first; i < chain.last; ++i) works.push_back(work_of(run, spec_.layers[i]));
    Load all = *works[0];
    all.row_bytes = all.row_products = all.weight_bytes = 0;
    for (const auto& work : works) {
      all.row_bytes += work->row_bytes;
      all.row_products += work->row_products;
      all.weight_bytes += work->weight_bytes;
    }
    const bool enough = all.images * all.height >= kRows * threads.count;
    if (works.size() > 1 && enough && all.weight_bytes <= kWeights) {
      run_together(works, all, threads);
    } else {
      for (const auto& work : works) run_alone(*work, threads);
    }
    if (nanoseconds) {
      const auto spent = std::chrono::steady_clock::now() - begin;
      nanoseconds[chain.first] += std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
    }
  }
}

}  // namespace pyq8::int8
