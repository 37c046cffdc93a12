// Codes in vectors of AVX-512.
#pragma once

#include "common/vector_avx512.h"

namespace {

struct Bytes512 : Avx512 {
  static PYQ8_INLINE Real bytes(const uint8_t* from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }
  // The code of a value, as a float.
  static PYQ8_INLINE Real code(Real v, float zero) {
    v = _mm512_add_ps(_mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), fill(zero));
    return _mm512_max_ps(_mm512_min_ps(v, fill(255.0f)), _mm512_setzero_ps());
  }
  template <int A>
  static PYQ8_INLINE void store_bytes(const Real (&values)[A], int zero, uint8_t* to, int width) {
    const auto whole = [&](int v) { return v < A ? _mm512_cvtps_epi32(values[v]) : _mm512_setzero_si512(); };
    const __m512i shift = _mm512_set1_epi16(short(zero));
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(whole(0), whole(1)), shift);
    const __m512i high = A > 2 ? _mm512_adds_epi16(_mm512_packs_epi32(whole(2), whole(3)), shift) : low;
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i all = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
    if (width < 16 * A) {
      _mm512_mask_storeu_epi8(to, (__mmask64(1) << width) - 1, all);
    } else if (A == 4) {
      _mm512_storeu_si512(to, all);
    } else if (A == 3) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(all));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 32), _mm512_extracti32x4_epi32(all, 2));
    } else if (A == 2) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(all));
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_castsi512_si128(all));
    }
  }
};

}  // namespace
