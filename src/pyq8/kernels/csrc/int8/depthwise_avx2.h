// Depthwise convolution with vpmaddwd: two taps of a channel make a step.
#pragma once

#include <immintrin.h>

#include "int8/isa.h"
#include "int8/loops.h"

namespace {

constexpr int64_t kMostPairs = 32;
constexpr int64_t kChannels = 16;  // at a time

// The bytes of two taps side by side, 16 channels, as INT16: channels 0 to 7, and 8 to 15.
struct Two {
  __m256i of[2];
};

inline Two interleave2(__m128i a, __m128i b) {
  return {{_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b))}};
}

template <int G>  // pairs of taps, 0 for any number
inline void depthwise16(const pyq8::int8::Depthwise& d, int64_t c) {
  const int64_t groups = G ? G : (d.taps + 1) / 2;
  const auto load = [&](const void* base, int64_t tap, int64_t offset) {
    if (tap >= d.taps) return _mm_setzero_si128();
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const char*>(base) + offset));
  };
  Two weights[kMostPairs];
  for (int64_t g = 0; g < groups; ++g) {
    const __m128i a = load(d.w + c, 2 * g, 2 * g * d.w_row), b = load(d.w + c, 2 * g + 1, (2 * g + 1) * d.w_row);
    weights[g] = {{_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b)), _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b))}};
  }
  const auto whole = [&](const int32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); };
  const __m256i bias[2] = {whole(d.bias + c), whole(d.bias + c + 8)};
  const __m256 scale[2] = {_mm256_loadu_ps(d.scale + c), _mm256_loadu_ps(d.scale + c + 8)};
  const __m256i zero = _mm256_set1_epi16(short(d.zero));
  for (int64_t p = 0; p < d.pixels; ++p) {
    const uint8_t* x = d.x + p * d.row + c;
    __m256i sums[2] = {bias[0], bias[1]};
    const auto group = [&](int64_t g) {
      const __m128i a = load(x, 2 * g, d.offsets[2 * g]);
      const __m128i b = 2 * g + 1 < d.taps ? load(x, 2 * g + 1, d.offsets[2 * g + 1]) : _mm_setzero_si128();
      const Two two = interleave2(a, b);
      for (int j = 0; j < 2; ++j) sums[j] = _mm256_add_epi32(sums[j], _mm256_madd_epi16(two.of[j], weights[g].of[j]));
    };
    if (G) {
#pragma GCC unroll 8
      for (int64_t g = 0; g < G; ++g) group(g);
    } else {
      for (int64_t g = 0; g < groups; ++g) group(g);
    }
    const auto real = [&](int j) { return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums[j]), scale[j])); };
    const __m256i words = _mm256_adds_epi16(_mm256_packs_epi32(real(0), real(1)), zero);
    const __m256i sorted = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(sorted), _mm256_extracti128_si256(sorted, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(d.y + p * d.y_row + c), bytes);
  }
}

// The last 16 channels overlap those before; fewer than 16 are left to the plain loop.
inline void depthwise_avx2(const pyq8::int8::Depthwise& d) {
  if (d.channels < kChannels || d.taps > 2 * kMostPairs) return depthwise8_plain(d);
  for (int64_t c = 0; c < d.channels; c += kChannels) {
    const int64_t first = c + kChannels > d.channels ? d.channels - kChannels : c;
    if (d.taps == 9) {
      depthwise16<5>(d, first);
    } else {
      depthwise16<0>(d, first);
    }
  }
}

}  // namespace
