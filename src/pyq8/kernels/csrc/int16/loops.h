// The memory-bound loops in plain C++: each instruction set's file compiles them for itself.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

// An empty asm at the end of an outer loop keeps GCC from jamming the inner ones, which it could not
// vectorize then.

// f of the width: of the usual ones as a constant, for which the compiler unrolls and vectorizes.
template <class F>
inline auto with_width(int width, F f) {
  switch (width) {
    case 4:
      return f(std::integral_constant<int, 4>());
    case 5:
      return f(std::integral_constant<int, 5>());
    case 6:
      return f(std::integral_constant<int, 6>());
    case 16:
      return f(std::integral_constant<int, 16>());
    default:
      return f(width);
  }
}

inline void interleave_plain(const int16_t* const* pixels, int64_t steps, int64_t channels, int width, int64_t panel,
                             int16_t* to) {
  with_width(width, [&](auto w) {
    for (int64_t s = 0; s < steps; ++s) {
      int16_t* place = to + s * 2 * w;
      for (int64_t first = 0; first < channels; first += w) {
        const int16_t *a = pixels[2 * s] + first, *b = pixels[2 * s + 1] + first;
        const int64_t n = channels - first;
        if (n >= w) {
          for (int c = 0; c < w; ++c) {
            place[2 * c] = a[c];
            place[2 * c + 1] = b[c];
          }
        } else {
          for (int c = 0; c < w; ++c) {
            place[2 * c] = c < n ? a[c] : int16_t(0);
            place[2 * c + 1] = c < n ? b[c] : int16_t(0);
          }
        }
        place += panel;
      }
    }
  });
}

inline void transpose_plain(const int16_t* from, int64_t stride, int lanes, int64_t count, int width, int16_t* to) {
  for (int64_t i = 0; i < count; i += 2) {
    for (int lane = 0; lane < lanes; ++lane) {
      to[2 * lane] = from[lane * stride + i];
      to[2 * lane + 1] = i + 1 < count ? from[lane * stride + i + 1] : int16_t(0);
    }
    for (int c = 2 * lanes; c < 2 * width; ++c) to[c] = 0;
    to += 2 * width;
  }
}

inline int magnitudes_plain(const int16_t* x, int64_t steps, int width, int32_t* sums) {
  return with_width(width, [&](auto w) {
    int most = 0;
    for (int lane = 0; lane < w; ++lane) sums[lane] = 0;
    for (int64_t s = 0; s < steps; ++s) {
      for (int lane = 0; lane < w; ++lane) {
        const int a = x[2 * lane] < 0 ? -x[2 * lane] : x[2 * lane];
        const int b = x[2 * lane + 1] < 0 ? -x[2 * lane + 1] : x[2 * lane + 1];
        sums[lane] += a + b;
        most = most > a ? most : a;
        most = most > b ? most : b;
      }
      asm volatile("");
      x += 2 * w;
    }
    return most;
  });
}

// Of non-negative floats the bits have the order of the numbers, and NaN is above infinity.
inline uint32_t magnitude_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits & 0x7fffffffu;
}

inline float from_bits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

inline float absmax_plain(const float* x, int64_t n) {
  uint32_t most = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = magnitude_bits(x[i]);
    most = most > bits ? most : bits;
  }
  return from_bits(most);
}

inline int absmax16_plain(const int16_t* x, int64_t n) {
  int low = 0, high = 0;
  for (int64_t i = 0; i < n; ++i) {
    low = low < x[i] ? low : x[i];
    high = high > x[i] ? high : x[i];
  }
  return -low > high ? -low : high;
}

inline float quantize_plain(const float* x, int64_t n, const float* scale, int limit, int16_t* to, bool) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, half to even
  const float high = float(limit), low = -high;
  uint32_t most = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = magnitude_bits(x[i]);
    most = most > bits ? most : bits;
    float value = x[i] * scale[0] * scale[1];
    value = value < high ? value : high;  // in this order NaN becomes a number too
    value = value > low ? value : low;
    to[i] = int16_t(value + kRound - kRound);
  }
  return from_bits(most);
}

template <int N>
inline uint32_t depthwise_some(const int16_t* const* operands, int64_t n, int64_t c, const float* scale,
                               const float* bias, float* out) {
  uint32_t sums[N] = {};
  for (int64_t i = 0; i < n; ++i) {
    const int16_t *x = operands[2 * i] + c, *w = operands[2 * i + 1] + c;
    for (int k = 0; k < N; ++k) sums[k] += uint32_t(int32_t(x[k]) * int32_t(w[k]));
    asm volatile("");
  }
  uint32_t most = 0;
  for (int k = 0; k < N; ++k) {
    float value = float(int32_t(sums[k])) * scale[0] * scale[1];
    if (bias) value = value + bias[c + k];
    out[c + k] = value;
    const uint32_t bits = magnitude_bits(value);
    most = most > bits ? most : bits;
  }
  return most;
}

inline float depthwise_plain(const int16_t* const* operands, int64_t n, int64_t channels, const float* scale,
                             const float* bias, float* out) {
  uint32_t most = 0;
  const auto more = [&](uint32_t bits) { most = most > bits ? most : bits; };
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) more(depthwise_some<64>(operands, n, c, scale, bias, out));
  for (; c + 16 <= channels; c += 16) more(depthwise_some<16>(operands, n, c, scale, bias, out));
  for (; c < channels; ++c) more(depthwise_some<1>(operands, n, c, scale, bias, out));
  return from_bits(most);
}

template <int N>
inline void depthwise_weight_some(const int16_t* const* a, const int16_t* const* b, int64_t n, int64_t chain, int64_t c,
                                  float* sums) {
  for (int64_t first = 0; first < n; first += chain) {
    uint32_t whole[N] = {};
    const int64_t last = first + chain < n ? first + chain : n;
    for (int64_t i = first; i < last; ++i) {
      for (int k = 0; k < N; ++k) whole[k] += uint32_t(int32_t(a[i][c + k]) * int32_t(b[i][c + k]));
      asm volatile("");
    }
    for (int k = 0; k < N; ++k) sums[c + k] += float(int32_t(whole[k]));
  }
}

inline void depthwise_weight_plain(const int16_t* const* a, const int16_t* const* b, int64_t n, int64_t chain,
                                   int64_t channels, float* sums) {
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) depthwise_weight_some<64>(a, b, n, chain, c, sums);
  for (; c + 16 <= channels; c += 16) depthwise_weight_some<16>(a, b, n, chain, c, sums);
  for (; c < channels; ++c) depthwise_weight_some<1>(a, b, n, chain, c, sums);
}

}  // namespace
