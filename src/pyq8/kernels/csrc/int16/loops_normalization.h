// The loops of normalization.h in plain C++: each instruction set's file compiles them for itself, vectors running over channels.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "int16/normalization.h"

namespace {

constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, half to even

// b where either is NaN.
inline float larger_of(float a, float b) { return a > b ? a : b; }

#ifdef __AVX512F__
constexpr int kChannels = 64;  // whose sums are held in registers
#else
constexpr int kChannels = 16;
#endif

constexpr int64_t kAheadRows = 4;  // fetched into the cache early: rows are too far apart for the processor to guess

template <int Count>
inline void ahead(const float* x) {
  for (int k = 0; k < Count; k += 16) __builtin_prefetch(x + k);
}

// f(first channel, how many: kChannels or 1 as a constant) for all channels.
template <class F>
inline void by_channels(int64_t channels, F f) {
  int64_t c = 0;
  for (; c + kChannels <= channels; c += kChannels) f(c, std::integral_constant<int, kChannels>());
  for (; c < channels; ++c) f(c, std::integral_constant<int, 1>());
}

// An empty asm at the end of an outer loop keeps GCC from jamming the inner ones, which it could not vectorize then.

void moments_plain(const float* x, int64_t rows, int64_t channels, const float* origin, float* sums) {
  by_channels(channels, [=](int64_t c, auto count) {
    float sum[count] = {}, square[count] = {}, low[count], high[count];
    for (int k = 0; k < count; ++k) low[k] = high[k] = x[c + k];
    for (int64_t row = 0; row < rows; ++row) {
      const float* const from = x + row * channels + c;
      ahead<count>(from + kAheadRows * channels);
      for (int k = 0; k < count; ++k) {
        const float d = from[k] - origin[c + k];
        sum[k] += d;
        square[k] += d * d;
        low[k] = low[k] < from[k] ? low[k] : from[k];
        high[k] = high[k] > from[k] ? high[k] : from[k];
      }
      asm volatile("");
    }
    const float* const found[] = {sum, square, low, high};
    for (int kind = 0; kind < 4; ++kind) std::copy_n(found[kind], count, sums + kind * channels + c);
  });
}

template <bool Rectify, bool Real, bool Whole>
void normalize_as(const Pyq8Norm& n, const float* __restrict x, int64_t rows, float* __restrict y,
                  int16_t* __restrict q) {
  const float* __restrict mean = n.mean, * __restrict factor = n.factor, * __restrict shift = n.shift;
  const float most = float(n.limit), scale0 = n.scale[0], scale1 = n.scale[1];
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < n.channels; ++c) {
      float v = (x[c] - mean[c]) * factor[c] + shift[c];
      if (Rectify) v = larger_of(0.0f, v);
      if (Real) y[c] = v;
      if (Whole) {
        v = v * scale0 * scale1;
        v = v > most ? most : v;
        v = v < -most ? -most : v;
        q[c] = int16_t(v + kToInteger - kToInteger);
      }
    }
    x += n.channels;
    if (Real) y += n.channels;
    if (Whole) q += n.channels;
  }
}

void normalize_plain(const Pyq8Norm& n, const float* x, int64_t rows, float* y, int16_t* q) {
  using F = void (*)(const Pyq8Norm&, const float*, int64_t, float*, int16_t*);
  constexpr F kinds[2][2][2] = {
      {{nullptr, normalize_as<false, false, true>},
       {normalize_as<false, true, false>, normalize_as<false, true, true>}},
      {{nullptr, normalize_as<true, false, true>}, {normalize_as<true, true, false>, normalize_as<true, true, true>}}};
  kinds[n.rectify != 0][y != nullptr][q != nullptr](n, x, rows, y, q);
}

template <bool Rectify>
inline float gradient(float dy, float centred, float factor, float shift) {
  return Rectify ? (centred * factor + shift <= 0.0f ? 0.0f : dy) : dy;
}

template <bool Rectify>
void backward_sums_as(const Pyq8Norm& n, const float* dy, const float* x, int64_t rows, float* sums) {
  const int64_t channels = n.channels;
  by_channels(channels, [&](int64_t c, auto count) {
    float sum[count] = {}, product[count] = {}, peak[count] = {}, far[count] = {};
    for (int64_t row = 0; row < rows; ++row) {
      const float *const from = x + row * channels + c, *const slope = dy + row * channels + c;
      ahead<count>(from + kAheadRows * channels);
      ahead<count>(slope + kAheadRows * channels);
      for (int k = 0; k < count; ++k) {
        const float centred = from[k] - n.mean[c + k];
        const float g = gradient<Rectify>(slope[k], centred, n.factor[c + k], n.shift[c + k]);
        sum[k] += g;
        product[k] += g * centred;
        peak[k] = larger_of(std::fabs(g), peak[k]);
        far[k] = larger_of(std::fabs(centred), far[k]);
      }
      asm volatile("");
    }
    const float* const found[] = {sum, product, peak, far};
    for (int kind = 0; kind < 4; ++kind) std::copy_n(found[kind], count, sums + kind * channels + c);
  });
}

void backward_sums_plain(const Pyq8Norm& n, const float* dy, const float* x, int64_t rows, float* sums) {
  (n.rectify ? backward_sums_as<true> : backward_sums_as<false>)(n, dy, x, rows, sums);
}

template <bool Rectify, bool Real, bool Whole>
void norm_backward_as(const Pyq8Norm& n, const float* __restrict dy, const float* __restrict x,
                      const float* __restrict k1, const float* __restrict k2, int64_t rows, float* __restrict dx,
                      int16_t* __restrict q) {
  const float* __restrict mean = n.mean, * __restrict factor = n.factor, * __restrict shift = n.shift;
  const float most = float(n.limit), scale0 = n.scale[0], scale1 = n.scale[1];
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < n.channels; ++c) {
      const float centred = x[c] - mean[c];
      const float g = gradient<Rectify>(dy[c], centred, factor[c], shift[c]);
      float v = ((g - k1[c]) - centred * k2[c]) * factor[c];
      if (Real) dx[c] = v;
      if (Whole) {
        v = v * scale0 * scale1;
        v = v > most ? most : v;
        v = v < -most ? -most : v;
        q[c] = int16_t(v + kToInteger - kToInteger);
      }
    }
    dy += n.channels;
    x += n.channels;
    if (Real) dx += n.channels;
    if (Whole) q += n.channels;
  }
}

void norm_backward_plain(const Pyq8Norm& n, const float* dy, const float* x, const float* k1, const float* k2,
                         int64_t rows, float* dx, int16_t* q) {
  using F =
      void (*)(const Pyq8Norm&, const float*, const float*, const float*, const float*, int64_t, float*, int16_t*);
  constexpr F kinds[2][2][2] = {{{nullptr, norm_backward_as<false, false, true>},
                                 {norm_backward_as<false, true, false>, norm_backward_as<false, true, true>}},
                                {{nullptr, norm_backward_as<true, false, true>},
                                 {norm_backward_as<true, true, false>, norm_backward_as<true, true, true>}}};
  kinds[n.rectify != 0][dx != nullptr][q != nullptr](n, dy, x, k1, k2, rows, dx, q);
}

}  // namespace
