// The gradient of a convolution's weight.
#pragma once

#include "int16/call.h"

namespace pyq8 {

// dw[k][r][s][c / groups] from x[n][h][w][c] and dy[n][ho][wo][k].
void backward_weight(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* dy, float* dw);

}  // namespace pyq8
