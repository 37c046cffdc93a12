// What calibration counts of a tensor's values, in plain C++: each instruction set's file compiles it for itself.
#pragma once

#include <cstdint>
#include <cstring>

#include "int16/isa.h"

namespace {

// Bits of floats in the order of the numbers; NaN is beyond the infinities. Its own inverse.
inline int32_t ordered(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

inline void ends_plain(const float* x, int64_t n, float* low_high) {
  int32_t low = INT32_MAX, high = INT32_MIN;
  for (int64_t i = 0; i < n; ++i) {
    int32_t bits;
    std::memcpy(&bits, x + i, 4);
    bits = ordered(bits);
    low = low < bits ? low : bits;
    high = high > bits ? high : bits;
  }
  low = ordered(low);
  high = ordered(high);
  std::memcpy(low_high, &low, 4);
  std::memcpy(low_high + 1, &high, 4);
}

// Equal values follow each other (zeros behind a ReLU): a counter of each of kTables in turn never waits for itself.
inline void bins_plain(const float* x, int64_t n, float scale, int64_t* counts) {
  constexpr int kTables = 4, kChunk = 512;
  uint32_t tables[kTables][2 * kBins] = {};
  int32_t bins[kChunk];
  for (int64_t first = 0; first < n; first += kChunk) {
    const int size = int(n - first < kChunk ? n - first : kChunk);
    for (int i = 0; i < size; ++i) {
      const float scaled = x[first + i] * scale;
      int32_t bin = int32_t(scaled);
      bin -= scaled < float(bin);
      bin = x[first + i] < 0 && bin > -1 ? -1 : bin;  // the product of a tiny negative value may have vanished
      bins[i] = bin + kBins;
    }
    int i = 0;
    for (; i + kTables <= size; i += kTables) {
      for (int t = 0; t < kTables; ++t) ++tables[t][bins[i + t]];
    }
    for (; i < size; ++i) ++tables[0][bins[i]];
  }
  for (int bin = 0; bin < 2 * kBins; ++bin) {
    for (int t = 0; t < kTables; ++t) counts[bin] += tables[t][bin];
  }
}

}  // namespace
