// How many steps of products INT32 holds, proven.
#pragma once

#include "int16/isa.h"

namespace pyq8 {

// The longest chain of steps found for which peak * sum|x| < 2^31 in every lane of x[steps][width][2], wherever it
// begins at a multiple of a granule of it: all steps, or a multiple of 8 * 2^i steps for the largest i (at most 16 such
// granules in all, or i = 0) at which one is safe. A lane in which 8 steps are not safe is bounded by peak * max|x|.
int64_t safe_steps(const Isa& isa, const int16_t* x, int64_t steps, int width, int64_t peak);

}  // namespace pyq8
