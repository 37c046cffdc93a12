// What an instruction set has to offer to INT8 inference: u8 x s8 -> s32 -> u8, channels-last.
#pragma once

#include <cstdint>

#include "common/isas.h"

namespace pyq8::int8 {

constexpr int kOutputs = 16;     // of a block of packed weights: [taps][steps][kOutputs][kGroup] bytes
constexpr int kGroup = 4;        // operands of a step: 32 bits of a pixel
constexpr int kMostBlocks = 4;   // of a tile
constexpr int64_t kSlack = 128;  // bytes behind every tensor that a kernel may read, and ignores

// y = a * scale_a + (b * scale_b + fixed), both steps fused, rounded and saturated; a and b are codes. It is what ONNX
// Runtime's QLinearAdd computes.
struct Sum {
  float scale_a, scale_b, fixed;
  float zero;        // of a convolution's result, if it is one of the two
  bool other_first;  // then the other is a
};

// y = (code - zero) * scale / divisor + the zero point of y: what a requantizing QLinearConcat makes of a code.
struct Requantized {
  bool wanted;
  float zero, scale, divisor;
};

// The steps of one vector of outputs where products are added in INT16, in the order in which they are taken: see listed.h.
struct Listed {
  struct Step {
    int32_t tap, bytes;  // into the tap
  };
  const Step* steps;
  const int8_t* w;
  int64_t doubles, singles, flipped_doubles, flipped_singles;  // doubles are two steps each
};

// sums[p][k] = bias[k] + sum over taps and steps of x[p] * w[k]; y = the sums, requantized.
struct Tile {
  const uint8_t* x;        // pixel 0
  int64_t row;             // bytes from pixel to pixel of x
  const int64_t* offsets;  // [taps] bytes from x to where a tap's steps begin
  int64_t taps;
  int64_t steps;  // of a tap, kGroup bytes each
  const int8_t* w[kMostBlocks];
  const Listed* listed;  // [vectors of a block], in place of w where tiles want it
  const int32_t* bias;   // [blocks * kOutputs]
  const float* scale;    // [blocks * kOutputs]
  const uint8_t* other;  // of pixel 0: what is added to the requantized sums, or null
  int64_t other_row;
  Sum sum;
  Requantized then;  // in place of `other`
  uint8_t* y;        // of pixel 0, or null
  float* real;       // if y is null
  int64_t y_row;     // numbers from pixel to pixel of y or real
  int zero;          // zero point of y
  int width;         // outputs of this tile, at most blocks * kOutputs
};

using TileFunction = void (*)(const Tile&);

// y[c] = bias[c] + sum over taps of x_tap[c] * w[tap][c], requantized.
struct Depthwise {
  const uint8_t* x;        // of pixel 0
  int64_t row;             // bytes from pixel to pixel of x
  const int64_t* offsets;  // [taps]
  int64_t taps;
  int64_t channels;
  const int8_t* w;  // [taps][w_row], of which the first `channels`
  int64_t w_row;
  const int32_t* bias;
  const float* scale;
  uint8_t* y;
  int64_t y_row;
  int64_t pixels;
  int zero;
};

// y = round((x - zero_x) * scale_x / length * weights / scale_y) + zero_y, saturated; the length is that of the pixel,
// scale_x * sqrt(sum of (x - zero_x)^2), or `least`.
struct Normalized {
  const float* weights;
  float scale_x, least, scale_y;
  int zero_x, zero_y;
};

// y = sum of (tap - zero_x) * scale_x, tap by tap, / count / scale_y + zero_y, rounded and saturated: what ONNX Runtime's
// QLinearAveragePool computes.
struct Average {
  int zero_x, zero_y;
  float scale_x, scale_y, count;
};

// Pixels of a pool: taps[n] of them, each `channels` bytes.
using PoolFunction = void (*)(const uint8_t* const* taps, int64_t n, int64_t channels, uint8_t* y);
// sums[c] += of n pixels `row` bytes apart.
using SumFunction = void (*)(const uint8_t* x, int64_t row, int64_t n, int64_t channels, int32_t* sums);

// By the number of their blocks: how many rows the largest has, 0 for none, and those of 1, 2 ... rows.
struct Tiles {
  int rows[kMostBlocks + 1];
  const TileFunction* of[kMostBlocks + 1];
};

struct Isa {
  const char* name;
  int lanes;                                 // outputs of a vector
  int64_t (*multiply_add)(int64_t repeats);  // FP32 operations of fused multiply-adds in registers, for their rate
  double rate;                               // products of a convolution that one core computes in a nanosecond, about
  Tiles tiles;
  bool listed;  // tiles take steps as they are listed
  void (*depthwise)(const Depthwise&);
  PoolFunction maximum;
  void (*average)(const uint8_t* const* taps, int64_t n, int64_t channels, const Average& how, uint8_t* y);
  SumFunction sum;
  // y = round(sums * scale) + zero, saturated.
  void (*requantize)(const int32_t* sums, int64_t n, float scale, int zero, uint8_t* y);
  void (*add)(const uint8_t* a, const uint8_t* b, int64_t n, const Sum& sum, uint8_t* y);
  // y = round((a - zero_a) * (b - zero_b) * scale + zero), saturated: what ONNX Runtime's QLinearMul computes.
  void (*multiply)(const uint8_t* a, const uint8_t* b, int64_t n, float scale, const int* zeros, int zero, uint8_t* y);
  // y = round(x / scale) + zero, saturated.
  void (*quantize)(const float* x, int64_t n, float scale, int zero, uint8_t* y);
  // y[i] = table[x[i]]; y may be x.
  void (*table)(const uint8_t* x, int64_t n, const uint8_t* table, uint8_t* y);
  // y = (x - zero) * scale
  void (*dequantize)(const uint8_t* x, int64_t n, float scale, int zero, float* y);
  void (*normalize)(const uint8_t* x, int64_t n, const Normalized& how, uint8_t* y);
  // y[j * y_row + i] = x[i * x_row + j]
  void (*transpose)(const uint8_t* x, int64_t x_row, int64_t rows, int64_t cols, uint8_t* y, int64_t y_row);
};

PYQ8_ISAS(PYQ8_DECLARE_ISA)

}  // namespace pyq8::int8
