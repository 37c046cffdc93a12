// What every operator is called with, and what it answers.
#pragma once

#include <cstdint>

#include "int16/isa.h"

extern "C" {

// A convolution of x[n][h][w][c] with weights[k][r][s][c / groups] to y[n][ho][wo][k].
struct Pyq8Conv {
  int64_t n, h, w, c, k, r, s, ho, wo;
  int64_t stride_h, stride_w, top, left, dilation_h, dilation_w, groups;
};

struct Pyq8Call {
  float scale[2];     // the result is (sum * scale[0]) * scale[1]
  float peak;         // answer: max|result|
  int32_t isa;        // index into the list of instruction sets
  int64_t chain;      // steps of two products summed in INT32; 0: the longest proven safe
  int64_t bound;      // of the magnitudes of the operand that is not summed for the proof
  int64_t overflows;  // -1: do not look; else answer: chains that left INT32, counted by a slow loop with INT64 sums
};
}

namespace pyq8 {

constexpr int64_t kStream = 4 << 20;  // bytes of a result that the caches do not keep anyway

inline int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }  // a / b, rounded up

// Number `index` of `isas`, or the last of them.
const Isa& isa_of(int index);

void run_tile(const Isa& isa, Pyq8Call& call, const Tile& tile, int rows, bool wide);

}  // namespace pyq8
