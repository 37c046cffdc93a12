// Looking up codes in a table of 256 bytes.
#pragma once

#include <cstdint>

#include "common/unroll.h"

namespace {

inline void table_plain(const uint8_t* x, int64_t n, const uint8_t* table, uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = table[x[i]];
}

// A shuffle looks up the low four bits in a row of 16 bytes, and gives 0 where the highest bit is set. Of a code that is
// lowered by 16 from row to row, rows 0 ... code / 16 answer if it is below 128, else the last eight of these. So a row
// holds what it differs in from the row before, and from 8 on what those eight rows lack.
template <class V>
inline void table_in_rows(const uint8_t* x, int64_t n, const uint8_t* table, uint8_t* y) {
  using Vector = typename V::Vector;
  constexpr int64_t kWorth = 4 * V::kBytes;  // below which preparing the rows costs more than it saves
  if (n < kWorth) return table_plain(x, n, table, y);
  Vector rows[16], answers[16];
  for (int k = 0; k < 16; ++k) answers[k] = V::row(table + 16 * k);
  rows[0] = answers[0];
  for (int k = 1; k < 16; ++k) rows[k] = V::exclusive_or(answers[k], answers[k - 1]);
  for (int k = 8; k < 16; ++k)
    rows[k] = V::exclusive_or(rows[k], k > 8 ? V::exclusive_or(answers[k - 8], answers[k - 9]) : answers[0]);
  for (int64_t i = 0; i < n; i += V::kBytes) {
    const int64_t at = i + V::kBytes > n ? n - V::kBytes : i;  // the last overlaps the one before
    Vector code = V::load(x + at), found = V::shuffle(rows[0], code);
    PYQ8_UNROLL
    for (int k = 1; k < 16; ++k) {
      code = k < 9 ? V::sub16(code) : V::sub16_saturated(code);
      found = V::exclusive_or(found, V::shuffle(rows[k], code));
    }
    V::store(y + at, found);
  }
}

}  // namespace
