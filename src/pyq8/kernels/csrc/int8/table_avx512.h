// A table of 256 bytes, looked up 64 bytes at a time: in sixteen registers, or in four with VBMI.
#pragma once

#include <immintrin.h>

#include "common/cpu.h"
#include "int8/table.h"

namespace {

struct Table512 {
  static constexpr int64_t kBytes = 64;
  using Vector = __m512i;
  static Vector row(const uint8_t* from) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vector load(const uint8_t* from) { return _mm512_loadu_si512(from); }
  static void store(uint8_t* to, Vector v) { _mm512_storeu_si512(to, v); }
  static Vector shuffle(Vector row, Vector x) { return _mm512_shuffle_epi8(row, x); }
  static Vector exclusive_or(Vector a, Vector b) { return _mm512_xor_si512(a, b); }
  static Vector sub16(Vector x) { return _mm512_sub_epi8(x, _mm512_set1_epi8(16)); }
  static Vector sub16_saturated(Vector x) { return _mm512_subs_epi8(x, _mm512_set1_epi8(16)); }
};

__attribute__((target("avx512vbmi"))) inline void table_vbmi(const uint8_t* x, int64_t n, const uint8_t* table,
                                                             uint8_t* y) {
  const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64);
  const __m512i c = _mm512_loadu_si512(table + 128), d = _mm512_loadu_si512(table + 192);
  for (int64_t i = 0; i < n; i += 64) {
    const __mmask64 some = n - i < 64 ? (__mmask64(1) << (n - i)) - 1 : ~__mmask64(0);
    const __m512i codes = _mm512_maskz_loadu_epi8(some, x + i);
    const __m512i low = _mm512_permutex2var_epi8(a, codes, b), high = _mm512_permutex2var_epi8(c, codes, d);
    _mm512_mask_storeu_epi8(y + i, some, _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high));
  }
}

inline void table_avx512(const uint8_t* x, int64_t n, const uint8_t* table, uint8_t* y) {
  if (pyq8::cpu().avx512_vbmi) return table_vbmi(x, n, table, y);
  table_in_rows<Table512>(x, n, table, y);
}

}  // namespace
