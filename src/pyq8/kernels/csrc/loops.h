// The memory-bound loops in plain C++: each instruction set's file compiles them for itself.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

inline void interleave_plain(const int16_t* const* pixels, int64_t steps, int64_t channels, int width, int64_t panel,
                             int16_t* to) {
  for (int64_t s = 0; s < steps; ++s) {
    for (int64_t first = 0; first < channels; first += width) {
      const int16_t *a = pixels[2 * s] + first, *b = pixels[2 * s + 1] + first;
      const int64_t n = channels - first < width ? channels - first : width;
      int16_t* const place = to + first / width * panel + s * 2 * width;
      for (int64_t c = 0; c < n; ++c) {
        place[2 * c] = a[c];
        place[2 * c + 1] = b[c];
      }
      for (int64_t c = 2 * n; c < 2 * width; ++c) place[c] = 0;
    }
  }
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
  int most = 0;
  for (int lane = 0; lane < width; ++lane) sums[lane] = 0;
  for (int64_t s = 0; s < steps; ++s) {
    for (int lane = 0; lane < width; ++lane) {
      const int a = x[2 * lane] < 0 ? -x[2 * lane] : x[2 * lane];
      const int b = x[2 * lane + 1] < 0 ? -x[2 * lane + 1] : x[2 * lane + 1];
      sums[lane] += a + b;
      most = most > a ? most : a;
      most = most > b ? most : b;
    }
    x += 2 * width;
  }
  return most;
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

}  // namespace
