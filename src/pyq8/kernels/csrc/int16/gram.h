// Sums of products of every two of K columns, in whole numbers: G^T G of rows of codes less their zero point.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/unroll.h"
#include "int16/isa.h"

namespace {

constexpr int kGramRows = 12;  // sums of a tile: as many vectors stay in registers

// sums[i][lane] = sum over steps of dot(x[step][i], y[step][lane]); a step is a pair of rows.
template <class Dot>
void gram_tile(const int32_t* const* x, const int32_t* y, int64_t steps, int32_t* sums) {
  constexpr int kLanes = Dot::kLanes;
  typename Dot::Sum sum[kGramRows];
  PYQ8_UNROLL
  for (int i = 0; i < kGramRows; ++i) sum[i] = Dot::zero();
  for (int64_t step = 0; step < steps; ++step) {
    const typename Dot::Sum column = Dot::operand(y + step * kLanes);
    PYQ8_UNROLL
    for (int i = 0; i < kGramRows; ++i) Dot::dot(sum[i], Dot::broadcast(x[i] + step * kLanes), column);
  }
  PYQ8_UNROLL
  for (int i = 0; i < kGramRows; ++i) std::memcpy(sums + i * kLanes, &sum[i], 4 * kLanes);
}

// to[k / lanes][step][k % lanes] = (rows[2 step][k] - zero, rows[2 step + 1][k] - zero), zeros behind; adds them to
// sums[k].
inline void gram_pack(const uint8_t* rows, int64_t n, int64_t count, int zero, int lanes, int32_t* to, int32_t* sums) {
  const int64_t steps = (n + 1) / 2;
  for (int64_t first = 0; first < count; first += lanes) {
    const int64_t width = std::min<int64_t>(lanes, count - first);
    for (int64_t step = 0; step < steps; ++step) {
      const uint8_t* a = rows + 2 * step * count + first;
      int16_t* place = reinterpret_cast<int16_t*>(to + first * steps + step * lanes);
      const bool alone = 2 * step + 1 == n;
      for (int64_t k = 0; k < width; ++k) {
        place[2 * k] = int16_t(a[k] - zero);
        place[2 * k + 1] = alone ? 0 : int16_t(a[count + k] - zero);
        sums[first + k] += place[2 * k] + place[2 * k + 1];
      }
    }
  }
}

// See isa.h.
template <class Dot>
void gram(const uint8_t* rows, int64_t n, int64_t count, int zero, int32_t* products, int32_t* totals) {
  constexpr int kLanes = Dot::kLanes;
  const int64_t steps = (n + 1) / 2, tall = (count + kGramRows - 1) / kGramRows * kGramRows;
  const int64_t size = (tall + kLanes - 1) / kLanes * kLanes * steps;
  std::vector<int32_t> memory(size_t(size) + 16);
  const auto gap = -reinterpret_cast<uintptr_t>(memory.data()) / 4 % 16;  // operands are aligned to 64 bytes
  int32_t* packed = memory.data() + gap;
  gram_pack(rows, n, count, zero, kLanes, packed, totals);
  for (int64_t first = 0; first < count; first += kLanes) {
    for (int64_t top = 0; top < std::min(first + kLanes, count); top += kGramRows) {
      const int32_t* x[kGramRows];
      for (int64_t i = 0; i < kGramRows; ++i) x[i] = packed + (top + i) / kLanes * kLanes * steps + (top + i) % kLanes;
      int32_t sums[kGramRows * kLanes];
      gram_tile<Dot>(x, packed + first * steps, steps, sums);
      for (int64_t i = top; i < std::min(top + kGramRows, count); ++i) {
        for (int64_t k = std::max(first, i); k < std::min(first + kLanes, count); ++k)
          products[i * count + k] += sums[(i - top) * kLanes + k - first];
      }
    }
  }
}

}  // namespace
