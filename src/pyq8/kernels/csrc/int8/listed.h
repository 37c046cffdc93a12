// Weights as the tiles take them that add products in INT16 (vpmaddubsw), where they must not saturate.
//
// In a step two neighbouring products of uint8 and int8 are added in INT16. It is safe if the positive weights of each pair, and
// the negative ones, come to 128 at most: 255 * 128 fits, 255 * 129 does not. Two steps of which that is true together are taken
// as one, whose INT16 sums are added before they are widened: any two of a vector of outputs, since a sum has no order.
//
// Another step is flipped: its weights become magnitudes |w|, and codes become signed by an exclusive or, x ^ 0x80 = x - 128
// where w >= 0 and x ^ 0x7f = 127 - x where not. |w| times them is w * x less a constant, which the bias has. Magnitudes of
// 256 in all are safe, since 256 * -128 and 256 * 127 fit: those of one pair always are.
#pragma once

#include <vector>

#include "int8/isa.h"
#include "int8/spec.h"

namespace pyq8::int8 {

// A block of 16 outputs.
struct ListedBlock {
  std::vector<Listed> vectors;
  std::vector<Listed::Step> steps;
  std::vector<int8_t> w;  // of a step; of a flipped one |w|, and then what codes are flipped with
  std::vector<int32_t> bias;
};

// Of these weights, [taps][steps][kOutputs][kGroup].
ListedBlock list_block(const int8_t* w, const int32_t* bias, const Taps& taps, int lanes);

// Of every convolution block by block, groups * blocks of them; empty for other layers, and where tiles take weights as they are.
using ListedLayers = std::vector<std::vector<ListedBlock>>;
ListedLayers list(const Isa& isa, const Spec& spec);

}  // namespace pyq8::int8
