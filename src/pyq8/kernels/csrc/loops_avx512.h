// The memory-bound loops of loops.h in AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

inline __mmask16 first16(int64_t n) { return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << n) - 1); }
inline __mmask32 first32(int64_t n) { return n >= 32 ? __mmask32(0xffffffffu) : __mmask32((1u << n) - 1); }

// For panels of at most 16 channels: a | b << 16. What a store leaves behind its panel's step, the next step overwrites.
inline void interleave_narrow(const int16_t* const* pixels, int64_t steps, int64_t channels, int width, int64_t panel,
                              int16_t* to) {
  const __mmask16 whole = first16(width);
  for (int64_t s = 0; s < steps; ++s) {
    const int16_t *a = pixels[2 * s], *b = pixels[2 * s + 1];
    const __mmask16 written = s + 1 < steps ? __mmask16(0xffff) : whole;
    int16_t* place = to;
    for (int64_t c = 0; c < channels; c += width) {
      const __mmask16 mask = channels - c >= width ? whole : first16(channels - c);
      const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, a + c));
      const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, b + c));
      _mm512_mask_storeu_epi32(place, written, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
      place += panel;
    }
    to += 2 * width;
  }
}

constexpr int64_t kAhead = 8;  // steps fetched into the cache early

inline void interleave_avx512(const int16_t* const* pixels, int64_t steps, int64_t channels, int width, int64_t panel,
                              int16_t* to) {
  if (width <= 16) return interleave_narrow(pixels, steps, channels, width, panel, to);
  if (width != 32) return interleave_plain(pixels, steps, channels, width, panel, to);
  alignas(64) static constexpr int16_t kOrder[2][32] = {
      {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47},
      {16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55,
       24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63}};
  const __m512i low = _mm512_load_si512(kOrder[0]), high = _mm512_load_si512(kOrder[1]);
  for (int64_t s = 0; s < steps; ++s) {
    const int16_t *a = pixels[2 * s], *b = pixels[2 * s + 1];
    const int64_t ahead = s + kAhead < steps ? s + kAhead : s;
    __builtin_prefetch(pixels[2 * ahead]);
    __builtin_prefetch(pixels[2 * ahead + 1]);
    int16_t* place = to + s * 64;
    for (int64_t c = 0; c < channels; c += 32) {
      const __mmask32 mask = first32(channels - c);
      const __m512i x = _mm512_maskz_loadu_epi16(mask, a + c), y = _mm512_maskz_loadu_epi16(mask, b + c);
      _mm512_storeu_si512(place, _mm512_permutex2var_epi16(x, low, y));
      _mm512_storeu_si512(place + 32, _mm512_permutex2var_epi16(x, high, y));
      place += panel;
    }
  }
}

inline int magnitudes_avx512(const int16_t* x, int64_t steps, int width, int32_t* sums) {
  const __m512i ones = _mm512_set1_epi16(1);
  __m512i most = _mm512_setzero_si512();
  for (int lane = 0; lane < width; lane += 16) {
    const __mmask16 mask = first16(width - lane);
    __m512i sum = _mm512_setzero_si512();
    for (int64_t s = 0; s < steps; ++s) {
      const __m512i value = _mm512_abs_epi16(_mm512_maskz_loadu_epi32(mask, x + (s * width + lane) * 2));
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(value, ones));
      most = _mm512_max_epi16(most, value);
    }
    _mm512_mask_storeu_epi32(sums + lane, mask, sum);
  }
  alignas(64) int16_t each[32];
  _mm512_store_si512(each, most);
  int result = 0;
  for (const int16_t v : each) result = result > v ? result : v;
  return result;
}

inline void quantize_avx512(const float* x, int64_t n, const float* scale, int limit, int16_t* to) {
  const __m512 s0 = _mm512_set1_ps(scale[0]), s1 = _mm512_set1_ps(scale[1]);
  const __m512 high = _mm512_set1_ps(float(limit)), low = _mm512_set1_ps(float(-limit));
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = first16(n - i);
    const __m512 value = _mm512_mul_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), s0), s1);
    const __m512i whole = _mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(value, high), low));
    _mm512_mask_cvtepi32_storeu_epi16(to + i, mask, whole);
  }
}

}  // namespace
