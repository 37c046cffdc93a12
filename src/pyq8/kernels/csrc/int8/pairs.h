// Weights for vpmaddubsw, which adds two products of uint8 and int8 in INT16, where they must not saturate.
#pragma once

#include <vector>

#include "int8/isa.h"
#include "int8/spec.h"

namespace pyq8::int8 {

// A block's weights of which no pair saturates, and what they lack, vector by vector.
struct Paired {
  const int8_t* w = nullptr;  // null where the excess would take longer than tiles that cannot saturate
  std::vector<std::vector<Excess>> excess;
  std::vector<int8_t> changed;  // where w is not the weights as they are
};

// Of every convolution block by block, groups * blocks of them; empty for other layers, and where the instruction set has no
// use for it.
using PairedLayers = std::vector<std::vector<Paired>>;
PairedLayers pair(const Isa& isa, const Spec& spec);

}  // namespace pyq8::int8
