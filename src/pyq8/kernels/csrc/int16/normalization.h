// Normalization of channels-last activations [rows][channels], with ReLU and quantization in the same pass.
#pragma once

#include <cstdint>

constexpr int64_t kNormRows = 128;  // of a task, and of a partial sum: part of the definition of the results

extern "C" {

// y = (x - mean) * factor + shift, and max(y, 0) where `rectify`; all of [channels].
struct Pyq8Norm {
  int64_t rows, channels;
  const float *mean, *factor, *shift;
  int32_t rectify;
  int32_t limit;   // of the int16 results
  float scale[2];  // they are round_half_even((v * scale[0]) * scale[1]), clamped
};
}

struct NormLoops {
  // sums[4][channels] = sum of d, sum of d * d with d = x - origin; min and max of x
  void (*moments)(const float* x, int64_t rows, int64_t channels, const float* origin, float* sums);
  // y, q: either may be null
  void (*normalize)(const Pyq8Norm& norm, const float* x, int64_t rows, float* y, int16_t* q);
  // sums[4][channels] = sum of g, sum of g * (x - mean), max|g|, max|x - mean|; g = dy, or 0 where the ReLU cut y off;
  // of NaN the second is NaN, the last two may be smaller
  void (*backward_sums)(const Pyq8Norm& norm, const float* dy, const float* x, int64_t rows, float* sums);
  // dx = ((g - k1) - (x - mean) * k2) * factor
  void (*backward)(const Pyq8Norm& norm, const float* dy, const float* x, const float* k1, const float* k2,
                   int64_t rows, float* dx, int16_t* q);
};
