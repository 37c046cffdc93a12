// Sums of products of every two of K columns, in whole numbers: x^T x of rows of codes less their zero point.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/unroll.h"
#include "int16/isa.h"

namespace {

constexpr int kGramTile = 12;  // vectors of sums: as many stay in registers

// sums[i][lane] = sum over steps of dot(x[step][i], y[step][lane]); a step is a pair of rows.
template <class Dot>
void gram_tile(const int32_t* const* x, const int32_t* y, int64_t steps, int32_t* sums) {
  typename Dot::Sum sum[kGramTile];
  PYQ8_UNROLL
  for (int i = 0; i < kGramTile; ++i) sum[i] = Dot::zero();
  for (int64_t step = 0; step < steps; ++step) {
    const typename Dot::Sum column = Dot::operand(y + step * Dot::kLanes);
    PYQ8_UNROLL
    for (int i = 0; i < kGramTile; ++i) Dot::dot(sum[i], Dot::broadcast(x[i] + step * Dot::kLanes), column);
  }
  std::memcpy(sums, sum, sizeof sum);
}

// to[k / lanes][step][k % lanes] = (rows[2 step][k] - zero, rows[2 step + 1][k] - zero), zeros behind; adds them to
// sums[k], unless that is null.
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
      }
      for (int64_t k = 0; sums && k < width; ++k) sums[first + k] += place[2 * k] + place[2 * k + 1];
    }
  }
}

// Of all groups, every `parts`th block of columns, from `part` on.
template <class Dot>
void gram(const GramCall& c) {
  constexpr int kLanes = Dot::kLanes;
  const int64_t steps = (c.n + 1) / 2, blocks = (c.count + kLanes - 1) / kLanes;
  const int64_t tall = (c.count + kGramTile - 1) / kGramTile * kGramTile;
  std::vector<int32_t> memory(size_t((tall + kLanes - 1) / kLanes * kLanes * steps) + 16);
  const auto gap = -reinterpret_cast<uintptr_t>(memory.data()) / 4 % 16;  // operands are aligned to 64 bytes
  int32_t* packed = memory.data() + gap;
  for (int64_t g = 0; g < c.groups; ++g) {
    const int64_t first_block = (c.part + c.parts - g * blocks % c.parts) % c.parts;
    if (first_block >= blocks) continue;
    int32_t* totals = first_block ? nullptr : c.sums + g * c.count;
    gram_pack(c.rows + g * c.n * c.count, c.n, c.count, c.zero, kLanes, packed, totals);
    int32_t* products = c.products + g * c.count * c.count;
    for (int64_t block = first_block; block < blocks; block += c.parts) {
      const int64_t first = block * kLanes, last = std::min(first + kLanes, c.count);
      for (int64_t top = 0; top < last; top += kGramTile) {
        const int32_t* x[kGramTile];
        for (int64_t i = 0; i < kGramTile; ++i)
          x[i] = packed + (top + i) / kLanes * kLanes * steps + (top + i) % kLanes;
        int32_t sums[kGramTile * kLanes];
        gram_tile<Dot>(x, packed + first * steps, steps, sums);
        for (int64_t i = top; i < std::min(top + kGramTile, c.count); ++i) {
          for (int64_t k = std::max(first, i); k < last; ++k)
            products[i * c.count + k] += sums[(i - top) * kLanes + k - first];
        }
      }
    }
  }
}

}  // namespace
