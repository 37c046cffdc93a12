// Depthwise convolutions: one input and one output channel a group, so that channels are the vector.
#pragma once

#include "int16/taps.h"

namespace pyq8 {

// Whether `run_depthwise` gives what `run` gives: every sum is one chain. `run` computes the others as
// it does any groups.
bool is_depthwise(const Pyq8Call& call, const TapConv& conv, const Weights& weights);

void run_depthwise(const Isa& isa, Pyq8Call& call, const TapConv& conv, const Weights& weights, const float* bias);

// dw[channel][r][s] from x[n][h][w][channel] and dy[n][ho][wo][channel].
void depthwise_weight(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* dy,
                      float* dw);

}  // namespace pyq8
