// Codes in vectors of AVX2.
#pragma once

#include "common/vector_avx2.h"

namespace {

struct Bytes256 : Avx2 {
  static PYQ8_INLINE Real bytes(const uint8_t* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
  }
  // The code of a value, as a float.
  static PYQ8_INLINE Real code(Real v, float zero) {
    v = _mm256_add_ps(_mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), fill(zero));
    return _mm256_max_ps(_mm256_min_ps(v, fill(255.0f)), _mm256_setzero_ps());
  }
  template <int A>
  static PYQ8_INLINE void store_bytes(const Real (&values)[A], int zero, uint8_t* to, int width) {
    const __m256i shift = _mm256_set1_epi16(short(zero));
    PYQ8_UNROLL
    for (int v = 0; v < A; v += 2) {
      const __m256i whole = _mm256_packs_epi32(_mm256_cvtps_epi32(values[v]), _mm256_cvtps_epi32(values[v + 1]));
      const __m256i words = _mm256_permute4x64_epi64(_mm256_adds_epi16(whole, shift), 0xd8);
      const __m128i all = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      const int left = width - 8 * v;
      if (left >= 16) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8 * v), all);
      } else if (left > 0) {
        alignas(16) uint8_t some[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(some), all);
        __builtin_memcpy(to + 8 * v, some, size_t(left));
      }
    }
  }
};

}  // namespace
