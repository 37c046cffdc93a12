// The memory-bound loops in plain C++: each instruction set's file compiles them for itself.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "int8/isa.h"
#include "int8/table.h"

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
    const int8_t* w = d.w + tap * d.w_row + c;
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

template <int N>
inline void maximum_some(const uint8_t* const* taps, int64_t n, int64_t c, uint8_t* y) {
  uint8_t most[N];
  for (int k = 0; k < N; ++k) most[k] = taps[0][c + k];
  for (int64_t t = 1; t < n; ++t) {
    const uint8_t* x = taps[t] + c;
    for (int k = 0; k < N; ++k) most[k] = most[k] > x[k] ? most[k] : x[k];
    asm volatile("");
  }
  for (int k = 0; k < N; ++k) y[c + k] = most[k];
}

template <int N>
inline void average_some(const uint8_t* const* taps, int64_t n, int64_t c, const pyq8::int8::Average& how, uint8_t* y) {
  const int zero = how.zero_x;
  const float scale = how.scale_x, count = how.count, scale_y = how.scale_y, zero_y = float(how.zero_y);
  float sums[N] = {};
  for (int64_t t = 0; t < n; ++t) {
    const uint8_t* x = taps[t] + c;
    for (int k = 0; k < N; ++k) sums[k] += scale * float(int(x[k]) - zero);
    asm volatile("");
  }
  for (int k = 0; k < N; ++k) y[c + k] = to_byte(sums[k] / count / scale_y + zero_y, 0);
}

// f(size, channel) for pieces of a pixel; the last of 16 overlaps the one before.
template <class F>
inline void pieces(int64_t channels, F f) {
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) f(std::integral_constant<int, 64>{}, c);
  for (; c + 16 <= channels; c += 16) f(std::integral_constant<int, 16>{}, c);
  if (c < channels && channels >= 16) return f(std::integral_constant<int, 16>{}, channels - 16);
  for (; c < channels; ++c) f(std::integral_constant<int, 1>{}, c);
}

inline void maximum_plain(const uint8_t* const* taps, int64_t n, int64_t channels, uint8_t* y) {
  pieces(channels, [=](auto size, int64_t c) { maximum_some<decltype(size)::value>(taps, n, c, y); });
}

inline void average_plain(const uint8_t* const* taps, int64_t n, int64_t channels, const pyq8::int8::Average& how,
                          uint8_t* y) {
  pieces(channels, [=, &how](auto size, int64_t c) { average_some<decltype(size)::value>(taps, n, c, how, y); });
}

inline void sum_plain(const uint8_t* x, int64_t row, int64_t n, int64_t channels, int32_t* sums) {
  for (int64_t i = 0; i < n; ++i, x += row) {
    for (int64_t c = 0; c < channels; ++c) sums[c] += x[c];
  }
}

inline void requantize_plain(const int32_t* sums, int64_t n, float scale, int zero, uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = to_byte(float(sums[i]) * scale, zero);
}

// y may be a or b.
inline void add_plain(const uint8_t* a, const uint8_t* b, int64_t n, const pyq8::int8::Sum& sum, uint8_t* y) {
  const float scale_a = sum.scale_a, scale_b = sum.scale_b, fixed = sum.fixed;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    y[i] = to_byte(std::fma(float(a[i]), scale_a, std::fma(float(b[i]), scale_b, fixed)), 0);
  }
}

inline void multiply_plain(const uint8_t* a, const uint8_t* b, int64_t n, float scale, const int* zeros, int zero,
                           uint8_t* __restrict y) {
  const int zero_a = zeros[0], zero_b = zeros[1];
  for (int64_t i = 0; i < n; ++i) {
    y[i] = to_byte(float((a[i] - zero_a) * (b[i] - zero_b)) * scale + float(zero), 0);
  }
}

inline void quantize8_plain(const float* x, int64_t n, float scale, int zero, uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = to_byte(x[i] / scale, zero);
}

inline void dequantize8_plain(const uint8_t* x, int64_t n, float scale, int zero, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = float(int(x[i]) - zero) * scale;
}

inline void normalize8_plain(const uint8_t* x, int64_t n, const pyq8::int8::Normalized& how, uint8_t* __restrict y) {
  const float scale_x = how.scale_x, scale_y = how.scale_y, *const weights = how.weights;
  const int zero_x = how.zero_x, zero_y = how.zero_y;
  int32_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += (int(x[i]) - zero_x) * (int(x[i]) - zero_x);
  const float root = scale_x * std::sqrt(float(sum)), length = root > how.least ? root : how.least;
  for (int64_t i = 0; i < n; ++i) {
    y[i] = to_byte(float(int(x[i]) - zero_x) * scale_x / length * weights[i] / scale_y, zero_y);
  }
}

// Of three channels or four, into pixels without a gap.
template <int C>
inline void interleave_some(const uint8_t* x, int64_t row, int64_t n, uint8_t* y) {
  const uint8_t* __restrict from[C];
  for (int c = 0; c < C; ++c) from[c] = x + c * row;
  for (int64_t i = 0; i < n; ++i) {
    for (int c = 0; c < C; ++c) y[i * C + c] = from[c][i];
  }
}

constexpr int64_t kSide = 16;

// kSide rows and columns.
inline void transpose_square(const uint8_t* x, int64_t x_row, uint8_t* y, int64_t y_row) {
#ifdef __SSE2__
  __m128i a[kSide], b[kSide];
  for (int i = 0; i < kSide; ++i) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i * x_row));
  for (int round = 0; round < 4; ++round) {  // each puts one more bit of the row's number behind the column's
    for (int i = 0; i < kSide / 2; ++i) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + kSide / 2]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + kSide / 2]);
    }
    for (int i = 0; i < kSide; ++i) a[i] = b[i];
  }
  for (int i = 0; i < kSide; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i * y_row), a[i]);
#else
  for (int64_t i = 0; i < kSide; ++i) {
    for (int64_t j = 0; j < kSide; ++j) y[j * y_row + i] = x[i * x_row + j];
  }
#endif
}

inline void transpose8_plain(const uint8_t* x, int64_t x_row, int64_t rows, int64_t cols, uint8_t* y, int64_t y_row) {
  if (rows == 3 && y_row == 3) return interleave_some<3>(x, x_row, cols, y);
  if (rows == 4 && y_row == 4) return interleave_some<4>(x, x_row, cols, y);
  if (rows < kSide || cols < kSide) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j) y[j * y_row + i] = x[i * x_row + j];
    }
    return;
  }
  // The last square overlaps the one before.
  for (int64_t i = 0; i < rows; i += kSide) {
    for (int64_t j = 0; j < cols; j += kSide) {
      const int64_t row = i + kSide > rows ? rows - kSide : i, col = j + kSide > cols ? cols - kSide : j;
      transpose_square(x + row * x_row + col, x_row, y + col * y_row + row, y_row);
    }
  }
}

// All of them; the tiles are to be filled in.
constexpr pyq8::int8::Isa plain_loops(const char* name, int lanes) {
  return {name,
          lanes,
          nullptr,
          1,
          {},
          false,
          depthwise8_plain,
          maximum_plain,
          average_plain,
          sum_plain,
          requantize_plain,
          add_plain,
          multiply_plain,
          quantize8_plain,
          table_plain,
          dequantize8_plain,
          normalize8_plain,
          transpose8_plain};
}

}  // namespace
