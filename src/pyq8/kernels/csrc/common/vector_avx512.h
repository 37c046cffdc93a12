// Vectors of AVX-512: sixteen INT32 or floats.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "common/unroll.h"

namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  using Sum = __m512i;
  using Real = __m512;

  // The same 32 bits in every lane.
  static PYQ8_INLINE Sum broadcast(const void* from) {
    int32_t group;
    __builtin_memcpy(&group, from, 4);
    return _mm512_set1_epi32(group);
  }
  static PYQ8_INLINE Sum load_sum(const void* from) { return _mm512_loadu_si512(from); }
  static PYQ8_INLINE Sum add_sums(Sum a, Sum b) { return _mm512_add_epi32(a, b); }
  static PYQ8_INLINE Sum add_words(Sum a, Sum b) { return _mm512_add_epi16(a, b); }
  // Sums of two neighbouring products of INT16; of uint8 and int8, in INT16, where they saturate.
  static PYQ8_INLINE Sum dot_words(Sum a, Sum b) { return _mm512_madd_epi16(a, b); }
  static PYQ8_INLINE Sum dot_bytes(Sum x, Sum w) { return _mm512_maddubs_epi16(x, w); }
  static PYQ8_INLINE Sum ones() { return _mm512_set1_epi16(1); }
  static PYQ8_INLINE Sum exclusive_or(Sum a, Sum b) { return _mm512_xor_si512(a, b); }
  static PYQ8_INLINE Real real(Sum v) { return _mm512_cvtepi32_ps(v); }
  static PYQ8_INLINE Real fill(float v) { return _mm512_set1_ps(v); }
  static PYQ8_INLINE Real load(const float* from) { return _mm512_loadu_ps(from); }
  static PYQ8_INLINE Real add(Real a, Real b) { return _mm512_add_ps(a, b); }
  static PYQ8_INLINE Real sub(Real a, Real b) { return _mm512_sub_ps(a, b); }
  static PYQ8_INLINE Real mul(Real a, Real b) { return _mm512_mul_ps(a, b); }
  static PYQ8_INLINE Real div(Real a, Real b) { return _mm512_div_ps(a, b); }
  static PYQ8_INLINE Real fma(Real a, Real b, Real c) { return _mm512_fmadd_ps(a, b, c); }
  static PYQ8_INLINE void store(float* to, Real v) { _mm512_storeu_ps(to, v); }
  static PYQ8_INLINE void store_first(float* to, Real v, int n) { _mm512_mask_storeu_ps(to, mask(n), v); }
  // Of the first n lanes.
  static PYQ8_INLINE __mmask16 mask(int n) { return __mmask16((1u << n) - 1); }
};

}  // namespace
