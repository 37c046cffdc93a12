// Forward and backward-data convolutions, in terms of taps.
#include "int16/data.h"

#include <algorithm>

#include "common/threads.h"
#include "int16/taps.h"

namespace pyq8 {
namespace {

bool is_aligned(const float* out, int64_t channels, int64_t groups) {
  return reinterpret_cast<uintptr_t>(out) % 64 == 0 && channels / groups % 16 == 0;
}

void clear(float* out, const Pyq8Conv& c, int64_t y, int64_t x) {
  const int64_t rows = up(c.h - y, c.stride_h);
  parallel(c.n * rows, [&](int64_t task, int) {
    float* row = out + (task / rows * c.h + y + task % rows * c.stride_h) * c.w * c.c;
    for (int64_t col = x; col < c.w; col += c.stride_w) std::fill_n(row + col * c.c, c.c, 0.0f);
  });
}

}  // namespace

void forward(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* w, const float* bias,
             float* out) {
  TapConv conv;
  conv.x = x;
  conv.n = c.n, conv.h = c.h, conv.w = c.w, conv.channels = c.c / c.groups, conv.groups = c.groups;
  for (int64_t r = 0; r < c.r; ++r) {
    for (int64_t s = 0; s < c.s; ++s)
      conv.taps.push_back({r * c.dilation_h - c.top, s * c.dilation_w - c.left, r * c.s + s});
  }
  conv.step_y = c.stride_h, conv.step_x = c.stride_w;
  conv.rows = c.ho, conv.cols = c.wo, conv.outputs = c.k / c.groups;
  conv.out = out;
  conv.out_col = c.k, conv.out_row = c.wo * c.k, conv.out_image = c.ho * c.wo * c.k;
  conv.aligned = is_aligned(out, c.k, c.groups);
  run(isa, call, conv, {w, c.r * c.s, c.c / c.groups, false}, bias);
}

// The pixels (y, x) + i * stride of dx get their sums from the taps with (y + top - r * dilation) % stride = 0: for every
// (y, x) below the strides a convolution of its own, in which nothing is multiplied by an inserted zero.
void backward_data(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* dy, const int16_t* w, float* dx) {
  for (int64_t y = 0; y < std::min(c.stride_h, c.h); ++y) {
    for (int64_t x = 0; x < std::min(c.stride_w, c.w); ++x) {
      TapConv conv;
      conv.x = dy;
      conv.n = c.n, conv.h = c.ho, conv.w = c.wo, conv.channels = c.k / c.groups, conv.groups = c.groups;
      for (int64_t r = 0; r < c.r; ++r) {
        for (int64_t s = 0; s < c.s; ++s) {
          const int64_t row = y + c.top - r * c.dilation_h, col = x + c.left - s * c.dilation_w;
          if (row % c.stride_h || col % c.stride_w) continue;
          conv.taps.push_back({row / c.stride_h, col / c.stride_w, r * c.s + s});
        }
      }
      if (conv.taps.empty()) {
        clear(dx, c, y, x);
        continue;
      }
      conv.step_y = conv.step_x = 1;
      conv.rows = up(c.h - y, c.stride_h), conv.cols = up(c.w - x, c.stride_w);
      conv.outputs = c.c / c.groups;
      conv.out = dx + (y * c.w + x) * c.c;
      conv.out_col = c.stride_w * c.c, conv.out_row = c.stride_h * c.w * c.c, conv.out_image = c.h * c.w * c.c;
      conv.aligned = is_aligned(dx, c.c, c.groups);
      run(isa, call, conv, {w, c.r * c.s, c.c / c.groups, true}, nullptr);
    }
  }
}

}  // namespace pyq8
