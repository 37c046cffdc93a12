#include "int8/region.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>

#include "int8/border.h"

namespace pyq8::int8 {
namespace {

constexpr size_t kPlans = 8;

// Of all inputs; 1 if they differ: then they are not images of one batch.
int64_t images_of(const std::vector<Input>& inputs) {
  const int64_t images = inputs[0].shape[0];
  const auto same = [&](const Input& input) { return input.shape[0] == images; };
  return std::all_of(inputs.begin(), inputs.end(), same) ? images : 1;
}

int64_t image_bytes(const Shape& shape, bool bytes) {
  return std::accumulate(shape.begin() + 1, shape.end(), int64_t(bytes ? 1 : 4), std::multiplies<>());
}

// Images first ... last - 1 of a batch.
struct Group {
  int64_t first, last;
};

// As many at once as have their tensors in the caches of all threads.
std::vector<Group> groups_of(const Plan& whole, int64_t images, int threads) {
  const Machine machine = pyq8::machine();
  const int64_t memory = threads * (machine.l2 + machine.l3);
  const Parts parts{images, up(images, std::max<int64_t>(1, memory * images / whole.bytes))};
  std::vector<Group> groups;
  for (int64_t i = 0; i < parts.parts; ++i) groups.push_back({parts.begin(i), parts.begin(i + 1)});
  return groups;
}

}  // namespace

std::shared_ptr<const Plan> Region::plan(const std::vector<Input>& inputs) {
  std::vector<Shape> shapes;
  for (const Input& input : inputs) shapes.push_back(input.shape);
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (const Known& known : known_) {
      if (known.shapes == shapes) return known.plan;
    }
  }
  auto made = std::make_shared<const Plan>(spec_, shapes);
  const std::lock_guard<std::mutex> guard(mutex_);
  if (known_.size() == kPlans) known_.erase(known_.begin());
  known_.push_back({std::move(shapes), made, nullptr});
  return made;
}

std::shared_ptr<const Divided> Region::divided(const Run& run, int threads) {
  const Machine machine = pyq8::machine();
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (const Known& known : known_) {
      if (known.plan.get() != &run.plan || !known.divided) continue;
      const Divided& latest = *known.divided;
      const bool same = latest.machine.l2 == machine.l2 && latest.machine.l3 == machine.l3;
      if (latest.threads == threads && same) return known.divided;
    }
  }
  auto made = std::make_shared<Divided>(Divided{threads, machine, {}});
  for (const Plan::Chain& chain : run.plan.chains) made->chains.push_back(loops_of(run, chain, threads, machine));
  const std::lock_guard<std::mutex> guard(mutex_);
  for (Known& known : known_) {
    if (known.plan.get() == &run.plan) known.divided = made;
  }
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
  const std::vector<Group> groups = groups_of(*whole, images_of(inputs), threads.count);
  for (const auto& [first, last] : groups) {
    std::vector<Input> some;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const int64_t step = image_bytes(inputs[i].shape, spec_.byte_input(int64_t(i)));
      some.push_back({static_cast<const char*>(inputs[i].data) + first * step, inputs[i].shape});
      if (groups.size() > 1) some.back().shape[0] = last - first;
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
  const Run run{isa_, spec_, listed_, *plan, buffer.of<uint8_t>(plan->bytes + 4096), inputs, outputs};
  const std::shared_ptr<const Divided> divided = this->divided(run, threads.count);
  for (size_t i = 0; i < plan->chains.size(); ++i) {
    const Plan::Chain& chain = plan->chains[i];
    const auto begin = std::chrono::steady_clock::now();
    const Borders borders(run, chain.fill, threads.count);
    for (const Loop& loop : divided->chains[i]) {
      const Works works = works_of(run, loop.first, loop.last);
      const int64_t pieces = loop.division.pieces(), more = loop.first == chain.first ? borders.pieces() : 0;
      threads.run(pieces + more, [&](int64_t index) {
        if (index >= pieces) return borders.fill(index - pieces);
        const Piece piece = loop.division.piece(index);
        for (const auto& work : works) work->compute(piece, {work->load.units, loop.division.units().parts});
      });
    }
    if (nanoseconds) {
      const auto spent = std::chrono::steady_clock::now() - begin;
      nanoseconds[chain.first] += std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
    }
  }
}

std::vector<Planned> Region::planned(const std::vector<Shape>& shapes, int threads) {
  std::vector<Input> inputs;
  for (const Shape& shape : shapes) inputs.push_back({nullptr, shape});
  const std::vector<void*> outputs(size_t(spec_.outputs), nullptr);
  std::vector<Planned> found;
  Memory::Loan loan(*memory_);
  for (const auto& [first, last] : groups_of(*plan(inputs), images_of(inputs), threads)) {
    for (Input& input : inputs) input.shape[0] = last - first;
    const std::shared_ptr<const Plan> plan = this->plan(inputs);
    const Run run{isa_, spec_, listed_, *plan, (*loan).of<uint8_t>(plan->bytes + 4096), inputs, outputs};
    const std::shared_ptr<const Divided> divided = this->divided(run, threads);
    for (size_t i = 0; i < plan->chains.size(); ++i) {
      const Plan::Chain& chain = plan->chains[i];
      for (const Loop& loop : divided->chains[i]) {
        const Works works = works_of(run, loop.first, loop.last);
        const Cost cost = cost_of(works);
        Planned planned{loop.first, loop.last, {}};
        for (int64_t piece = 0; piece < loop.division.pieces(); ++piece) {
          planned.costs.push_back(loop.division.cost_of(loop.division.piece(piece), cost));
        }
        const Borders borders(run, chain.fill, threads);
        for (int64_t piece = 0; loop.first == chain.first && piece < borders.pieces(); ++piece) {
          planned.costs.push_back(borders.cost(piece));
        }
        found.push_back(std::move(planned));
      }
    }
  }
  return found;
}

}  // namespace pyq8::int8
