#include "int8/loop.h"

namespace pyq8::int8 {
namespace {

// Of the threads' time, where layers run together. One by one their outputs are divided too.
constexpr double kMostIdle = 0.05;

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

}  // namespace

// Alone a layer is divided more finely.
Works works_of(const Run& run, size_t first, size_t last) {
  Works works;
  for (size_t i = first; i < last; ++i) works.push_back(work_of(run, run.spec.layers[i]));
  if (works.size() == 1) works[0]->flatten();
  return works;
}

Cost cost_of(const Works& works) {
  if (works.size() == 1) return [&](int64_t rows, int64_t units) { return works[0]->cost(rows, units); };
  return [&](int64_t rows, int64_t) {
    double sum = 0;
    for (const auto& work : works) sum += work->cost(rows, work->load.units);
    return sum;
  };
}

std::vector<Loop> loops_of(const Run& run, const Plan::Chain& chain, int threads, const Machine& machine) {
  const Works works = works_of(run, chain.first, chain.last);
  if (works.size() > 1) {
    Load all = works[0]->load;
    all.row_bytes = all.weight_bytes = 0, all.units = 1;
    for (const auto& work : works) {
      all.row_bytes += work->load.row_bytes;
      all.weight_bytes += work->load.weight_bytes;
    }
    const Division division(all, cost_of(works), run.isa.rate, threads, machine);
    // Every piece reads the weights of all layers: they are to stay in the cache, beside the rows.
    if (all.weight_bytes <= machine.l2 / 2 && division.idle() <= kMostIdle)
      return {{chain.first, chain.last, division}};
  }
  std::vector<Loop> loops;
  for (size_t i = chain.first; i < chain.last; ++i) {
    const Works alone = works_of(run, i, i + 1);
    loops.push_back({i, i + 1, Division(alone[0]->load, cost_of(alone), run.isa.rate, threads, machine)});
  }
  return loops;
}

}  // namespace pyq8::int8
