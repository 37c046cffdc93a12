// Depthwise convolution with vpdpbusd: four taps of a channel make a step. Interleaving the bytes of four pixels leaves the
// channels in another order within 64, which packing the sums undoes.
#pragma once

#include <immintrin.h>

#include "int8/isa.h"
#include "int8/loops.h"

namespace {

constexpr int64_t kMostTaps = 64;

struct Four {
  __m512i of[4];
};

// of[j] holds of channels 16 l + 4 j ... + 3, l its quarter, the bytes of the four pixels side by side.
inline Four interleave4(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_unpacklo_epi8(a, b), AB = _mm512_unpackhi_epi8(a, b);
  const __m512i cd = _mm512_unpacklo_epi8(c, d), CD = _mm512_unpackhi_epi8(c, d);
  return {{_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd), _mm512_unpacklo_epi16(AB, CD),
           _mm512_unpackhi_epi16(AB, CD)}};
}

// The numbers of 64 channels in that order.
template <class T>
inline void reorder(const T* from, int64_t n, T* to) {
  for (int64_t c = 0; c < 64; ++c) to[c % 16 / 4 * 16 + c / 16 * 4 + c % 4] = c < n ? from[c] : T(0);
}

template <int G>  // groups of taps, 0 for any number
inline void depthwise_block(const pyq8::int8::Depthwise& d, int64_t c) {
  const int64_t n = d.channels - c < 64 ? d.channels - c : 64, groups = G ? G : (d.taps + 3) / 4;
  const __mmask64 mask = n == 64 ? ~__mmask64(0) : (__mmask64(1) << n) - 1;
  const __m512i none = _mm512_setzero_si512();
  const auto load = [&](const void* base, int64_t tap, int64_t offset) {
    return tap < d.taps ? _mm512_maskz_loadu_epi8(mask, static_cast<const char*>(base) + offset) : none;
  };
  Four weights[kMostTaps / 4];
  for (int64_t g = 0; g < groups; ++g) {
    __m512i w[4];
    for (int64_t k = 0; k < 4; ++k) w[k] = load(d.w + c, 4 * g + k, (4 * g + k) * d.w_row);
    weights[g] = interleave4(w[0], w[1], w[2], w[3]);
  }
  alignas(64) int32_t bias[64];
  alignas(64) float scale[64];
  reorder(d.bias + c, n, bias);
  reorder(d.scale + c, n, scale);
  const __m512i zero = _mm512_set1_epi16(short(d.zero));
  for (int64_t p = 0; p < d.pixels; ++p) {
    const uint8_t* x = d.x + p * d.row + c;
    __m512i sums[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums[j] = _mm512_load_si512(bias + 16 * j);
    const auto group = [&](int64_t g) {
      const auto pixel = [&](int64_t k) { return 4 * g + k < d.taps ? load(x, 4 * g + k, d.offsets[4 * g + k]) : none; };
      const Four four = interleave4(pixel(0), pixel(1), pixel(2), pixel(3));
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sums[j] = _mm512_dpbusd_epi32(sums[j], four.of[j], weights[g].of[j]);
    };
    if (G) {
#pragma GCC unroll 4
      for (int64_t g = 0; g < G; ++g) group(g);
    } else {
      for (int64_t g = 0; g < groups; ++g) group(g);
    }
    __m512i whole[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[j]), _mm512_load_ps(scale + 16 * j));
      whole[j] = _mm512_cvtps_epi32(value);
    }
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(whole[0], whole[1]), zero);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(whole[2], whole[3]), zero);
    _mm512_mask_storeu_epi8(d.y + p * d.y_row + c, mask, _mm512_packus_epi16(low, high));
  }
}

inline void depthwise_vnni(const pyq8::int8::Depthwise& d) {
  if (d.taps > kMostTaps) return depthwise8_plain(d);
  for (int64_t c = 0; c < d.channels; c += 64) {
    if (d.taps == 9) {
      depthwise_block<3>(d, c);
    } else {
      depthwise_block<0>(d, c);
    }
  }
}

}  // namespace
