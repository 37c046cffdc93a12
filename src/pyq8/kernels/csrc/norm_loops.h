// The loops of norm.h in plain C++: each instruction set's file compiles them for itself, vectors running over channels.
#pragma once

#include <algorithm>
#include <cmath>

#include "norm.h"

namespace {

constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, half to even

inline float larger_of(float a, float b) { return a > b ? a : b; }

void moments_plain(const float* x, int64_t rows, int64_t channels, const float* origin, float* sums) {
  float* __restrict sum = sums, * __restrict square = sums + channels;
  float* __restrict low = sums + 2 * channels, * __restrict high = sums + 3 * channels;
  for (int64_t c = 0; c < channels; ++c) sum[c] = square[c] = 0, low[c] = high[c] = x[c];
  for (int64_t row = 0; row < rows; ++row, x += channels) {
    for (int64_t c = 0; c < channels; ++c) {
      const float d = x[c] - origin[c];
      sum[c] += d;
      square[c] += d * d;
      low[c] = low[c] < x[c] ? low[c] : x[c];
      high[c] = high[c] > x[c] ? high[c] : x[c];
    }
  }
}

template <bool Rectify, bool Real, bool Whole>
void normalize_as(const Pyq8Norm& n, const float* __restrict x, int64_t rows, float* __restrict y,
                  int16_t* __restrict q) {
  const float* __restrict mean = n.mean, * __restrict factor = n.factor, * __restrict shift = n.shift;
  const float most = float(n.limit), scale0 = n.scale[0], scale1 = n.scale[1];
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < n.channels; ++c) {
      float v = (x[c] - mean[c]) * factor[c] + shift[c];
      if (Rectify) v = larger_of(v, 0.0f);
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
inline float gradient(const Pyq8Norm& n, float dy, float centred, float factor, float shift) {
  (void)n;
  return Rectify ? (centred * factor + shift > 0.0f ? dy : 0.0f) : dy;
}

template <bool Rectify>
void backward_sums_as(const Pyq8Norm& n, const float* dy, const float* x, int64_t rows, float* sums) {
  const int64_t channels = n.channels;
  const float* __restrict mean = n.mean, * __restrict factor = n.factor, * __restrict shift = n.shift;
  float* __restrict sum = sums, * __restrict product = sums + channels;
  float* __restrict peak = sums + 2 * channels, * __restrict far = sums + 3 * channels;
  for (int64_t c = 0; c < 4 * channels; ++c) sums[c] = 0;
  for (int64_t row = 0; row < rows; ++row, dy += channels, x += channels) {
    for (int64_t c = 0; c < channels; ++c) {
      const float centred = x[c] - mean[c];
      const float g = gradient<Rectify>(n, dy[c], centred, factor[c], shift[c]);
      sum[c] += g;
      product[c] += g * centred;
      peak[c] = larger_of(std::fabs(g), peak[c]);
      far[c] = larger_of(std::fabs(centred), far[c]);
    }
  }
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
      const float g = gradient<Rectify>(n, dy[c], centred, factor[c], shift[c]);
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

constexpr NormLoops kNormLoops = {moments_plain, normalize_plain, backward_sums_plain, norm_backward_plain};

}  // namespace
