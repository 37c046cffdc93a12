// Weights for vpmaddubsw, which adds two products of uint8 and int8 in INT16, where they must not saturate.
#pragma once

#include <vector>

#include "int8/isa.h"
#include "int8/spec.h"

namespace pyq8::int8 {

// A block of 16 outputs. `listed` is empty if no pair saturates: its weights are right as they are.
struct Paired {
  std::vector<Listed> listed;  // vector by vector
  std::vector<Listed::Step> steps;
  std::vector<int8_t> w;
  std::vector<int32_t> bias;
};

// Of these weights, [taps][steps][kOutputs][kGroup].
Paired pair_block(const int8_t* w, const int32_t* bias, const Taps& taps, int lanes);

// Of every convolution block by block, groups * blocks of them; empty for other layers, and where the instruction set has no
// use for it.
using PairedLayers = std::vector<std::vector<Paired>>;
PairedLayers pair(const Isa& isa, const Spec& spec);

}  // namespace pyq8::int8
