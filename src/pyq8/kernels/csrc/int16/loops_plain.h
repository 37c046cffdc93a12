// All loops in plain C++, as the instruction set of the file that includes them compiles them.
#pragma once

#include "int16/isa.h"
#include "int16/loops.h"
#include "int16/loops_histogram.h"
#include "int16/loops_normalization.h"

namespace {

// The tiles and `gram` are to be filled in.
constexpr Isa plain_loops(const char* name, int lanes) {
  return {name,
          lanes,
          0,
          0,
          nullptr,
          nullptr,
          interleave_plain,
          transpose_plain,
          magnitudes_plain,
          depthwise_plain,
          depthwise_weight_plain,
          absmax_plain,
          absmax16_plain,
          quantize_plain,
          ends_plain,
          bins_plain,
          {moments_plain, normalize_plain, backward_sums_plain, norm_backward_plain},
          nullptr};
}

}  // namespace
