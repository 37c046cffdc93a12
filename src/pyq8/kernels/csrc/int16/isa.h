// What an instruction set has to offer to the drivers, which know none.
#pragma once

#include <cstdint>

#include "common/isas.h"
#include "int16/normalization.h"

constexpr int kVectors = 2;    // of a block of packed operands: [step][kVectors * lanes] times 32 bits
constexpr int kMostRows = 14;  // of any register tile
constexpr int kMostLanes = 16;
constexpr int kBins = 4096;              // of a histogram, a sign
constexpr int64_t kOutside = INT64_MIN;  // the offset of a tap that is outside of the image for a whole tile

// One call of a register tile. All pointers but `out` and `bias` are to packed or padded memory.
struct Tile {
  const void* x;           // row 0, step 0 of the operand that is broadcast
  const void* next;        // what comes after this call, fetched into the cache 64 bytes a step
  int64_t row;             // bytes from row to row of x
  int64_t step;            // bytes from step to step of x within a tap
  const int64_t* offsets;  // [taps] bytes from x to where a tap's steps begin, or kOutside
  int64_t taps;
  int64_t steps;    // of a tap
  int64_t chain;    // steps between flushes into FP32, at least 1; counted from the first step of the call
  const void* w;    // [taps * steps][kVectors * lanes] times 32 bits
  int64_t block;    // bytes to the next such block, for tiles of 2 * kVectors vectors
  float* sums;      // [rows][vectors * lanes] FP32 sums of earlier chains, aligned to 64 bytes
  bool resume;      // the sums hold something already
  float* out;       // null leaves the result in `sums`
  int64_t out_row;  // floats from row to row of out
  int width;        // columns of out
  float scale[2];
  const float* bias;  // [vectors * lanes], padded, or null
  float* peak;        // [lanes] largest |out| so far
  bool stream;        // store past the caches; out is aligned to the vector
};

using TileFunction = void (*)(const Tile&);

// With x = rows[g][n][count] - zero: products[g][i][k] += sum over n of x[i] x[k] for i <= k,
// sums[g][k] += sum over n of x[k].
struct GramCall {
  const uint8_t* rows;
  int64_t groups, n, count;
  int zero;
  int64_t part, parts;  // calls of other parts compute the rest
  int32_t *products, *sums;
};

struct Isa {
  const char* name;
  int lanes;                       // 32-bit numbers in a vector
  int rows;                        // of the widest tile of kVectors vectors
  int rows_wide;                   // of the widest tile of 2 * kVectors vectors, 0 for none
  const TileFunction* tiles;       // [rows]: of 1 to `rows` rows
  const TileFunction* tiles_wide;  // [rows_wide]
  // to[step][width][2] = pixels[2 step][c], pixels[2 step + 1][c], the next `width` channels `panel` numbers further on,
  // and so on for all channels, zeros behind them.
  void (*interleave)(const int16_t* const* pixels, int64_t steps, int64_t channels, int width, int64_t panel,
                     int16_t* to);
  // to[step][width][2] = from[lane * stride + 2 step], + 1 for `lanes` lanes and `count` numbers, zeros behind.
  void (*transpose)(const int16_t* from, int64_t stride, int lanes, int64_t count, int width, int16_t* to);
  // sums[lane] = sum of |x| over n steps of x[step][width][2]; returns max|x|.
  int (*magnitudes)(const int16_t* x, int64_t steps, int width, int32_t* sums);
  // out[c] = (sum over n of operands[2 i][c] * operands[2 i + 1][c] * scale[0]) * scale[1] + bias[c]; returns max|out|.
  float (*depthwise)(const int16_t* const* operands, int64_t n, int64_t channels, const float* scale, const float* bias,
                     float* out);
  // sums[c] += float(sum of a[i][c] * b[i][c]) for every `chain` of the n pixels.
  void (*depthwise_weight)(const int16_t* const* a, const int16_t* const* b, int64_t n, int64_t chain, int64_t channels,
                           float* sums);
  float (*absmax)(const float* x, int64_t n);  // NaN where x holds one
  int (*absmax16)(const int16_t* x, int64_t n);
  // to = round_half_even((x * scale[0]) * scale[1]), clamped to +-limit; returns absmax. stream: store past the caches,
  // to memory aligned to the vector.
  float (*quantize)(const float* x, int64_t n, const float* scale, int limit, int16_t* to, bool stream);
  // The smallest and the largest of n > 0 values; NaN for one of them where x holds one.
  void (*ends)(const float* x, int64_t n, float* low_high);
  // ++counts[kBins + floor(x * scale)] for n < 2^32 values, of which |x * scale| < kBins.
  void (*bins)(const float* x, int64_t n, float scale, int64_t* counts);
  NormLoops normalization;
  void (*gram)(const GramCall&);  // null in plain C++, which numpy's matrix product beats
};

PYQ8_ISAS(PYQ8_DECLARE_ISA)
