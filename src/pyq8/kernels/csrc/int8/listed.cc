#include "int8/listed.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace pyq8::int8 {
namespace {

constexpr int kLargest = 128;         // sum of the weights of one sign, for uint8 codes
constexpr int kLargestFlipped = 255;  // of magnitudes, for int8 codes; two of -128 count as that too
constexpr int kTries = 16;            // to find a partner: nearly as many find one as with all

// What the weights of a step come to, pair by pair, of one sign and of the other.
struct Sums {
  uint8_t positive[2 * kOutputs] = {}, negative[2 * kOutputs] = {};
  int largest = 0;
};

Sums sums_of(const int8_t* w, int pairs, bool flipped) {
  Sums sums;
  for (int i = 0; i < pairs; ++i) {
    const int a = w[2 * i], b = w[2 * i + 1];
    const int positive = std::max(a, 0) + std::max(b, 0), negative = -std::min(a, 0) - std::min(b, 0);
    sums.positive[i] = uint8_t(std::min(flipped ? positive + negative : positive, 255));
    sums.negative[i] = uint8_t(flipped ? 0 : std::min(negative, 255));
    sums.largest = std::max({sums.largest, positive, negative});
  }
  return sums;
}

bool fit(const Sums& a, const Sums& b, int limit) {
  uint8_t beyond = 0;
  for (int i = 0; i < 2 * kOutputs; ++i) {
    beyond |= a.positive[i] > uint8_t(limit - b.positive[i]);
    beyond |= a.negative[i] > uint8_t(limit - b.negative[i]);
  }
  return !beyond;
}

struct Matched {
  std::vector<int64_t> doubles, singles;  // the two of a double follow one another
};

// By what they come to, the largest first.
std::vector<int64_t> in_order(const std::vector<int64_t>& steps, const std::vector<Sums>& sums) {
  std::array<size_t, 258> begin{};
  const auto rank = [&](int64_t step) { return size_t(256 - sums[size_t(step)].largest); };
  for (const int64_t step : steps) ++begin[rank(step) + 1];
  for (size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  std::vector<int64_t> ordered(steps.size());
  for (const int64_t step : steps) ordered[begin[rank(step)]++] = step;
  return ordered;
}

// The step with the largest sums goes with the smallest that it fits, and so on.
Matched match(const std::vector<int64_t>& all, const std::vector<Sums>& sums, int limit) {
  const std::vector<int64_t> steps = in_order(all, sums);
  Matched found;
  std::vector<char> taken(steps.size());
  size_t end = steps.size();
  for (size_t i = 0; i < end; ++i) {
    if (taken[i]) continue;
    size_t partner = 0;
    int tries = 0;
    for (size_t j = end - 1; j > i && tries < kTries && !partner; --j) {
      if (taken[j]) continue;
      ++tries;
      if (fit(sums[size_t(steps[i])], sums[size_t(steps[j])], limit)) partner = j;
    }
    if (!partner) {
      found.singles.push_back(steps[i]);
      continue;
    }
    found.doubles.insert(found.doubles.end(), {steps[i], steps[partner]});
    taken[partner] = true;
    while (taken[end - 1]) --end;
  }
  return found;
}

// Writes |w| and what codes are flipped with, and adds to the bias what the constants lack; they wrap as sums do.
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

ListedBlock list_block(const int8_t* w, const int32_t* bias, const Taps& taps, int lanes) {
  const int64_t all = taps.count * taps.steps, vectors = kOutputs / lanes, bytes = kGroup * lanes;
  ListedBlock block;
  block.bias.assign(bias, bias + kOutputs);
  block.vectors.resize(size_t(vectors));
  block.steps.reserve(size_t(all * vectors));
  block.w.reserve(size_t(2 * all * vectors * bytes));  // pointers into it stay
  for (int64_t v = 0; v < vectors; ++v) {
    const auto weights = [&](int64_t step) { return w + (step * vectors + v) * bytes; };
    std::vector<Sums> sums;
    std::vector<int64_t> safe, flipped;
    for (int64_t i = 0; i < all; ++i) {
      sums.push_back(sums_of(weights(i), 2 * lanes, false));
      const bool fits = sums.back().largest <= kLargest;
      (fits ? safe : flipped).push_back(i);
      if (!fits) sums.back() = sums_of(weights(i), 2 * lanes, true);
    }
    const Matched plain = match(safe, sums, kLargest), other = match(flipped, sums, kLargestFlipped);
    Listed& listed = block.vectors[size_t(v)];
    listed = {block.steps.data() + block.steps.size(), block.w.data() + block.w.size(),
              int64_t(plain.doubles.size() / 2),       int64_t(plain.singles.size()),
              int64_t(other.doubles.size() / 2),       int64_t(other.singles.size())};
    for (const auto* some : {&plain.doubles, &plain.singles, &other.doubles, &other.singles}) {
      for (const int64_t i : *some) {
        block.steps.push_back({int32_t(i / taps.steps), int32_t(i % taps.steps * kGroup)});
        const size_t at = block.w.size();
        if (some == &plain.doubles || some == &plain.singles) {
          block.w.insert(block.w.end(), weights(i), weights(i) + bytes);
        } else {
          block.w.resize(at + size_t(2 * bytes));
          flip(weights(i), lanes, &block.w[at], &block.bias[size_t(v * lanes)]);
        }
      }
    }
  }
  return block;
}

ListedLayers list(const Isa& isa, const Spec& spec) {
  ListedLayers found(spec.layers.size());
  if (!isa.listed) return found;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const Layer& l = spec.layers[i];
    if (l.kind != kConv) continue;
    const Taps taps = taps_of(spec, l);
    const int64_t outputs = (l.mode == kToFloat ? l.more : spec.tensors[size_t(l.y)].channels) / l.groups;
    const auto* w = reinterpret_cast<const int8_t*>(spec.blob + l.weight);
    const int32_t* bias = spec.ints(l.bias);
    for (int64_t block = 0; block < l.groups * ((outputs + kOutputs - 1) / kOutputs); ++block) {
      found[i].push_back(list_block(w, bias, taps, isa.lanes));
      w += taps.count * taps.steps * kGroup * kOutputs, bias += kOutputs;
    }
  }
  return found;
}

}  // namespace pyq8::int8
