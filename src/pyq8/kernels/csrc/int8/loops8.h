// The memory-bound loops in plain C++: each instruction set's file compiles them for itself.
#pragma once

#include <cmath>
#include <cstdint>

#include "isa8.h"

namespace {

constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, half to even

// Saturated: value is far below 2^22 in magnitude once it is clamped. No number is the lowest.
inline uint8_t to_byte(float value, int zero) {
  const float low = float(-zero), high = float(255 - zero);
  value = value > low ? value : low;
  value = value < high ? value : high;
  return uint8_t(int(value + kRound - kRound) + zero);
}

template <int N>
inline void depthwise_some(const pyq8::int8::Depthwise& d, const uint8_t* x, int64_t c, uint8_t* y) {
  uint32_t sums[N];  // they wrap
  for (int k = 0; k < N; ++k) sums[k] = uint32_t(d.bias[c + k]);
  for (int64_t tap = 0; tap < d.taps; ++tap) {
    const uint8_t* from = x + d.offsets[tap] + c;
    const int8_t* w = d.w + tap * d.channels + c;
    for (int k = 0; k < N; ++k) sums[k] += uint32_t(int16_t(int16_t(from[k]) * int16_t(w[k])));
    asm volatile("");
  }
  for (int k = 0; k < N; ++k) y[c + k] = to_byte(float(int32_t(sums[k])) * d.scale[c + k], d.zero);
}

inline void depthwise8_plain(const pyq8::int8::Depthwise& d) {
  for (int64_t p = 0; p < d.pixels; ++p) {
    const uint8_t* x = d.x + p * d.row;
    uint8_t* y = d.y + p * d.y_row;
    int64_t c = 0;
    for (; c + 64 <= d.channels; c += 64) depthwise_some<64>(d, x, c, y);
    for (; c + 16 <= d.channels; c += 16) depthwise_some<16>(d, x, c, y);
    for (; c < d.channels; ++c) depthwise_some<1>(d, x, c, y);
  }
}

inline void maximum_plain(const uint8_t* const* taps, int64_t n, int64_t channels, uint8_t* y) {
  constexpr int64_t kSome = 64;
  int64_t c = 0;
  for (; c + kSome <= channels; c += kSome) {
    uint8_t most[kSome];
    for (int k = 0; k < kSome; ++k) most[k] = taps[0][c + k];
    for (int64_t t = 1; t < n; ++t) {
      const uint8_t* x = taps[t] + c;
      for (int k = 0; k < kSome; ++k) most[k] = most[k] > x[k] ? most[k] : x[k];
      asm volatile("");
    }
    for (int k = 0; k < kSome; ++k) y[c + k] = most[k];
  }
  for (; c < channels; ++c) {
    uint8_t most = taps[0][c];
    for (int64_t t = 1; t < n; ++t) most = most > taps[t][c] ? most : taps[t][c];
    y[c] = most;
  }
}

inline void sum_plain(const uint8_t* x, int64_t row, int64_t n, int64_t channels, int32_t* sums) {
  for (int64_t i = 0; i < n; ++i, x += row) {
    for (int64_t c = 0; c < channels; ++c) sums[c] += x[c];
  }
}

inline void requantize_plain(const int32_t* sums, int64_t n, float scale, int zero, uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = to_byte(float(sums[i]) * scale, zero);
}

inline void add_plain(const uint8_t* a, const uint8_t* b, int64_t n, const pyq8::int8::Sum& sum, uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) {
    y[i] = to_byte(std::fma(float(a[i]), sum.scale_a, std::fma(float(b[i]), sum.scale_b, sum.fixed)), 0);
  }
}

inline void multiply_plain(const uint8_t* a, const uint8_t* b, int64_t n, float scale, const int* zeros, int zero,
                           uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) {
    y[i] = to_byte(float((a[i] - zeros[0]) * (b[i] - zeros[1])) * scale + float(zero), 0);
  }
}

inline void quantize8_plain(const float* x, int64_t n, float scale, int zero, uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = to_byte(x[i] / scale, zero);
}

template <int C>
inline void interleave_some(const uint8_t* const* rows, int64_t n, uint8_t* y) {
  const uint8_t* __restrict from[C];
  for (int c = 0; c < C; ++c) from[c] = rows[c];
  for (int64_t i = 0; i < n; ++i) {
    for (int c = 0; c < C; ++c) y[i * C + c] = from[c][i];
  }
}

inline void interleave8_plain(const uint8_t* const* rows, int64_t channels, int64_t n, uint8_t* y) {
  if (channels == 3) return interleave_some<3>(rows, n, y);
  if (channels == 4) return interleave_some<4>(rows, n, y);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < n; ++i) y[i * channels + c] = rows[c][i];
  }
}

}  // namespace
