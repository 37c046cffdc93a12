// Convolutions that make data: forward, and backward to the input.
#pragma once

#include "int16/call.h"

namespace pyq8 {

// out[n][ho][wo][k] from x[n][h][w][c], w[k][r][s][c / groups] and bias[k] or null.
void forward(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* w, const float* bias,
             float* out);

// dx[n][h][w][c] from dy[n][ho][wo][k] and w[k][r][s][c / groups].
void backward_data(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* dy, const int16_t* w, float* dx);

}  // namespace pyq8
