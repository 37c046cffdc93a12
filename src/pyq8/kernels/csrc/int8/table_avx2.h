// A table of 256 bytes in sixteen registers, looked up 32 bytes at a time.
#pragma once

#include <immintrin.h>

#include "int8/table.h"

namespace {

struct Table256 {
  static constexpr int64_t kBytes = 32;
  using Vector = __m256i;
  static Vector row(const uint8_t* from) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vector load(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
  static void store(uint8_t* to, Vector v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }
  static Vector shuffle(Vector row, Vector x) { return _mm256_shuffle_epi8(row, x); }
  static Vector exclusive_or(Vector a, Vector b) { return _mm256_xor_si256(a, b); }
  static Vector sub16(Vector x) { return _mm256_sub_epi8(x, _mm256_set1_epi8(16)); }
  static Vector sub16_saturated(Vector x) { return _mm256_subs_epi8(x, _mm256_set1_epi8(16)); }
};

inline void table_avx2(const uint8_t* x, int64_t n, const uint8_t* table, uint8_t* y) {
  table_in_rows<Table256>(x, n, table, y);
}

}  // namespace
