#include "int8/pairs.h"

#include <algorithm>

namespace pyq8::int8 {
namespace {

constexpr int kLargest = 128;  // sum of a pair of one sign: 255 * 128 fits INT16, 255 * 129 does not
constexpr int64_t kStep = kGroup * kOutputs;
constexpr double kMostExcess = 0.6;  // of excess, of all vectors of weights: beyond, the other tiles are faster

// What must go from the first or the second weight of a pair.
int beyond(int a, int b) {
  if (a > 0 && b > 0) return std::max(a + b - kLargest, 0);
  return a < 0 && b < 0 ? std::min(a + b + kLargest, 0) : 0;
}

bool is_safe(const int8_t* w, int64_t bytes) {
  int worst = 0;
  for (int64_t i = 0; i < bytes; i += 2) {
    const int a = w[i], b = w[i + 1];
    worst = std::max({worst, std::max(a, 0) + std::max(b, 0), -std::min(a, 0) - std::min(b, 0)});
  }
  return worst <= kLargest;
}

Paired pair_block(const int8_t* w, const Taps& taps, int lanes) {
  Paired found;
  const int64_t steps = taps.count * taps.steps, vectors = kOutputs / lanes, bytes = kGroup * lanes;
  found.excess.resize(size_t(vectors));
  if (is_safe(w, steps * kStep)) {
    found.w = w;
    return found;
  }
  found.changed.assign(w, w + steps * kStep);
  double excesses = 0;
  for (int64_t i = 0; i < steps * vectors; ++i) {
    int8_t* const some = &found.changed[size_t(i * bytes)];
    if (is_safe(some, bytes)) continue;
    if (++excesses > kMostExcess * double(steps * vectors)) return {};
    const int64_t step = i / vectors;
    Excess& excess = found.excess[size_t(i % vectors)].emplace_back(Excess{step / taps.steps, step % taps.steps, {}});
    for (int64_t k = 0; k < bytes; k += 2) {
      const int e = beyond(some[k], some[k + 1]);
      const int64_t larger = k + (std::abs(some[k + 1]) > std::abs(some[k]));
      some[larger] = int8_t(some[larger] - e);
      excess.w[larger] = int8_t(e);
    }
  }
  found.w = found.changed.data();
  return found;
}

}  // namespace

PairedLayers pair(const Isa& isa, const Spec& spec) {
  PairedLayers found(spec.layers.size());
  if (!isa.pairs.of[1]) return found;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const Layer& l = spec.layers[i];
    if (l.kind != kConv) continue;
    const Taps taps = taps_of(spec, l);
    const int64_t outputs = (l.mode == kToFloat ? l.more : spec.tensors[size_t(l.y)].channels) / l.groups;
    const auto* w = reinterpret_cast<const int8_t*>(spec.blob + l.weight);
    for (int64_t block = 0; block < l.groups * ((outputs + kOutputs - 1) / kOutputs); ++block) {
      found[i].push_back(pair_block(w, taps, isa.lanes));
      w += taps.count * taps.steps * kStep;
    }
  }
  return found;
}

}  // namespace pyq8::int8
