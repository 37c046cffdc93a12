#include "int8/pairs.h"

#include <algorithm>
#include <cstdlib>

namespace pyq8::int8 {
namespace {

constexpr int kLargest = 128;  // sum of a pair of one sign: 255 * 128 fits INT16, 255 * 129 does not
constexpr int64_t kStep = kGroup * kOutputs;

bool is_safe(const int8_t* w, int64_t bytes) {
  int worst = 0;
  for (int64_t i = 0; i < bytes; i += 2) {
    const int a = w[i], b = w[i + 1];
    worst = std::max({worst, std::max(a, 0) + std::max(b, 0), -std::min(a, 0) - std::min(b, 0)});
  }
  return worst <= kLargest;
}

// Writes what flipped_step takes, and adds to the bias what its constants lack; they wrap as sums do.
void flip(const int8_t* w, int lanes, int8_t* to, int32_t* bias) {
  const int bytes = int(kGroup) * lanes;
  for (int i = 0; i < bytes; ++i) {
    to[i] = int8_t(uint8_t(std::abs(int(w[i]))));
    to[bytes + i] = int8_t(uint8_t(w[i] < 0 ? 0x7f : 0x80));
  }
  for (int lane = 0; lane < lanes; ++lane) {
    uint32_t lacking = 0;
    for (int i = lane * kGroup; i < (lane + 1) * kGroup; ++i) lacking += uint32_t(w[i] * (w[i] < 0 ? 127 : 128));
    bias[lane] = int32_t(uint32_t(bias[lane]) + lacking);
  }
}

}  // namespace

Paired pair_block(const int8_t* w, const int32_t* bias, const Taps& taps, int lanes) {
  const int64_t all = taps.count * taps.steps, vectors = kOutputs / lanes, bytes = kGroup * lanes;
  std::vector<char> safe;  // [all][vectors]
  for (int64_t i = 0; i < all * vectors; ++i) safe.push_back(is_safe(w + i * bytes, bytes));
  const int64_t flipped = std::count(safe.begin(), safe.end(), 0);
  if (flipped == 0) return {};
  Paired block{std::vector<Listed>(size_t(vectors)),
               std::vector<Listed::Step>(safe.size()),
               std::vector<int8_t>((safe.size() + size_t(flipped)) * size_t(bytes)),
               {bias, bias + kOutputs}};
  Listed::Step* step = block.steps.data();
  int8_t* to = block.w.data();
  for (int64_t v = 0; v < vectors; ++v) {
    Listed& listed = block.listed[size_t(v)];
    listed.steps = step, listed.w = to;
    for (const bool wanted : {true, false}) {
      for (int64_t i = 0; i < all; ++i) {
        if (bool(safe[size_t(i * vectors + v)]) != wanted) continue;
        *step++ = {int32_t(i / taps.steps), int32_t(i % taps.steps * kGroup)};
        const int8_t* const from = w + (i * vectors + v) * bytes;
        if (wanted) {
          to = std::copy(from, from + bytes, to);
        } else {
          flip(from, lanes, to, &block.bias[size_t(v * lanes)]);
          to += 2 * bytes;
        }
      }
      (wanted ? listed.unsafe : listed.end) = step;
    }
  }
  return block;
}

PairedLayers pair(const Isa& isa, const Spec& spec) {
  PairedLayers found(spec.layers.size());
  if (!isa.pairs.of[1]) return found;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const Layer& l = spec.layers[i];
    if (l.kind != kConv) continue;
    const Taps taps = taps_of(spec, l);
    const int64_t outputs = (l.mode == kToFloat ? l.more : spec.tensors[size_t(l.y)].channels) / l.groups;
    const auto* w = reinterpret_cast<const int8_t*>(spec.blob + l.weight);
    const int32_t* bias = spec.ints(l.bias);
    for (int64_t block = 0; block < l.groups * ((outputs + kOutputs - 1) / kOutputs); ++block) {
      found[i].push_back(pair_block(w, bias, taps, isa.lanes));
      w += taps.count * taps.steps * kStep, bias += kOutputs;
    }
  }
  return found;
}

}  // namespace pyq8::int8
