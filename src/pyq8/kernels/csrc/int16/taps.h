// Convolution as a sum over taps, which the forward and both kinds of backward-data convolution are:
//
//   out[n][i][j][o] = sum over taps t, channels c of x[n][i * step_y + t.y][j * step_x + t.x][c] * w_t[o][c]
#pragma once

#include <vector>

#include "int16/workspace.h"

namespace pyq8 {

struct Tap {
  int64_t y, x;
  int64_t slot;  // r * S + s, its place in the weight
};

struct TapConv {
  const int16_t* x;  // [n][h][w][groups * channels]
  int64_t n, h, w, channels, groups;
  std::vector<Tap> taps;
  int64_t step_y, step_x;
  int64_t rows, cols, outputs;  // of the result: i, j, and o a group
  float* out;
  int64_t out_image, out_row, out_col;  // strides in floats
  bool aligned;                         // every (i, j) of out begins at a multiple of 64 bytes
};

// How w_t[o][c] lies in the weight w.
struct Weights {
  const int16_t* w;
  int64_t slots, channels;  // w[..][slots][channels], where
  bool transposed;          // false: o is the first axis and c the last; true: c is the first and o the last
};

// Runs it; bias: [groups * outputs] or null.
void run(const Isa& isa, Pyq8Call& call, TapConv conv, const Weights& weights, const float* bias);

}  // namespace pyq8
