// The memory-bound loops of loops.h in AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "int16/loops.h"

namespace {

inline __mmask16 first16(int64_t n) { return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << n) - 1); }
inline __mmask32 first32(int64_t n) { return n >= 32 ? __mmask32(0xffffffffu) : __mmask32((1u << n) - 1); }

constexpr int64_t kAhead = 8;  // steps fetched into the cache early

// Two panels of at most 16 channels at a time. What a store leaves behind its step, later steps overwrite; behind the last
// one another thread may write.
inline void interleave_narrow(const int16_t* const* pixels, int64_t steps, int64_t channels, int width, int64_t panel,
                              int16_t* to) {
  alignas(64) int16_t order[2][32];
  for (int i = 0; i < 16; ++i) {
    order[0][2 * i] = int16_t(i), order[0][2 * i + 1] = int16_t(32 + i);
    order[1][2 * i] = int16_t(width + i), order[1][2 * i + 1] = int16_t(32 + width + i);
  }
  const __m512i low = _mm512_load_si512(order[0]), high = _mm512_load_si512(order[1]);
  for (int64_t s = 0; s < steps; ++s) {
    const int16_t *a = pixels[2 * s], *b = pixels[2 * s + 1];
    const __mmask16 written = first16((steps - s) * width);
    const int64_t ahead = s + kAhead < steps ? s + kAhead : s;
    const int16_t *next_a = pixels[2 * ahead], *next_b = pixels[2 * ahead + 1];
    int16_t* place = to + s * 2 * width;
    for (int64_t c = 0; c < channels; c += 2 * width) {
      const __mmask32 mask = first32(channels - c);
      const __m512i x = _mm512_maskz_loadu_epi16(mask, a + c), y = _mm512_maskz_loadu_epi16(mask, b + c);
      __builtin_prefetch(next_a + c);
      __builtin_prefetch(next_b + c);
      _mm512_mask_storeu_epi32(place, written, _mm512_permutex2var_epi16(x, low, y));
      place += panel;
      if (c + width < channels) _mm512_mask_storeu_epi32(place, written, _mm512_permutex2var_epi16(x, high, y));
      place += panel;
    }
  }
}

// Panels of 32 channels.
inline void interleave_wide(const int16_t* const* pixels, int64_t steps, int64_t channels, int64_t panel, int16_t* to) {
  alignas(64) int16_t order[2][32];
  for (int i = 0; i < 16; ++i) {
    order[0][2 * i] = int16_t(i), order[0][2 * i + 1] = int16_t(32 + i);
    order[1][2 * i] = int16_t(16 + i), order[1][2 * i + 1] = int16_t(48 + i);
  }
  const __m512i low = _mm512_load_si512(order[0]), high = _mm512_load_si512(order[1]);
  for (int64_t s = 0; s < steps; ++s) {
    const int16_t *a = pixels[2 * s], *b = pixels[2 * s + 1];
    const int64_t ahead = s + kAhead < steps ? s + kAhead : s;
    const int16_t *next_a = pixels[2 * ahead], *next_b = pixels[2 * ahead + 1];
    int16_t* place = to + s * 64;
    for (int64_t c = 0; c < channels; c += 32) {
      const __mmask32 mask = first32(channels - c);
      const __m512i x = _mm512_maskz_loadu_epi16(mask, a + c), y = _mm512_maskz_loadu_epi16(mask, b + c);
      __builtin_prefetch(next_a + c);
      __builtin_prefetch(next_b + c);
      _mm512_storeu_si512(place, _mm512_permutex2var_epi16(x, low, y));
      _mm512_storeu_si512(place + 32, _mm512_permutex2var_epi16(x, high, y));
      place += panel;
    }
  }
}

inline void interleave_avx512(const int16_t* const* pixels, int64_t steps, int64_t channels, int width, int64_t panel,
                              int16_t* to) {
  if (width <= 16) {
    interleave_narrow(pixels, steps, channels, width, panel, to);
  } else {
    interleave_wide(pixels, steps, channels, panel, to);
  }
}

// 16 rows of 16 pairs become 16 columns.
inline void transpose16(__m512i (&rows)[16]) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // Quarter q of fours[4 g + j] is column 4 q + j of rows 4 g ... 4 g + 3.
  __m512i fours[16];
#pragma GCC unroll 4
  for (int g = 0; g < 16; g += 4) {
    fours[g] = _mm512_unpacklo_epi64(t[g], t[g + 2]);
    fours[g + 1] = _mm512_unpackhi_epi64(t[g], t[g + 2]);
    fours[g + 2] = _mm512_unpacklo_epi64(t[g + 1], t[g + 3]);
    fours[g + 3] = _mm512_unpackhi_epi64(t[g + 1], t[g + 3]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0x88),
                  b = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0x88);
    const __m512i d = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0xdd);
    rows[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    rows[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
    rows[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    rows[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
}

inline void transpose_avx512(const int16_t* from, int64_t stride, int lanes, int64_t count, int width, int16_t* to) {
  for (int64_t first = 0; first < count; first += 32) {
    const __mmask32 mask = first32(count - first);
    const int64_t steps = count - first >= 32 ? 16 : (count - first + 1) / 2;
    for (int lane = 0; lane < width; lane += 16) {
      __m512i rows[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        const bool there = lane + i < lanes;
        rows[i] =
            _mm512_maskz_loadu_epi16(there ? mask : __mmask32(0), there ? from + (lane + i) * stride + first : from);
      }
      transpose16(rows);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        if (i < steps) _mm512_storeu_si512(to + ((first / 2 + i) * width + lane) * 2, rows[i]);
      }
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

inline __m512i larger_bits(__m512i most, __m512 x) {
  return _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}

inline float absmax_avx512(const float* x, int64_t n) {
  __m512i most[4] = {};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) most[k] = larger_bits(most[k], _mm512_loadu_ps(x + i + 16 * k));
  }
  for (; i < n; i += 16) most[0] = larger_bits(most[0], _mm512_maskz_loadu_ps(first16(n - i), x + i));
  most[0] = _mm512_max_epu32(_mm512_max_epu32(most[0], most[1]), _mm512_max_epu32(most[2], most[3]));
  return from_bits(_mm512_reduce_max_epu32(most[0]));
}

inline float quantize_avx512(const float* x, int64_t n, const float* scale, int limit, int16_t* to, bool stream) {
  const __m512 s0 = _mm512_set1_ps(scale[0]), s1 = _mm512_set1_ps(scale[1]);
  const __m512 high = _mm512_set1_ps(float(limit)), low = _mm512_set1_ps(float(-limit));
  __m512i most = _mm512_setzero_si512(), other = most;
  const auto whole = [&](__m512 value) {
    value = _mm512_mul_ps(_mm512_mul_ps(value, s0), s1);
    return _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(value, high), low)));
  };
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512 a = _mm512_loadu_ps(x + i), b = _mm512_loadu_ps(x + i + 16);
    most = larger_bits(most, a);
    other = larger_bits(other, b);
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(whole(a)), whole(b), 1);
    if (stream) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), both);
    } else {
      _mm512_storeu_si512(to + i, both);
    }
  }
  for (; i < n; i += 16) {
    const __mmask16 mask = first16(n - i);
    const __m512 a = _mm512_maskz_loadu_ps(mask, x + i);
    most = larger_bits(most, a);
    _mm256_mask_storeu_epi16(to + i, mask, whole(a));
  }
  return from_bits(_mm512_reduce_max_epu32(_mm512_max_epu32(most, other)));
}

}  // namespace
