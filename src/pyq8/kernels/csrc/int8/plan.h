// Where the tensors of a region are for inputs of one shape: sizes, pads, memory.
#pragma once

#include <array>
#include <vector>

#include "int8/spec.h"

namespace pyq8::int8 {

// Of an input or output of the node, as its caller has it.
using Shape = std::vector<int64_t>;

// A tensor of its own in memory: [n][top + h + bottom][left + w + right][channels], its border the zero point.
struct Place {
  int64_t n = 0, h = 0, w = 0, channels = 0;
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  int64_t begin = 0;  // in the working memory
  bool padded() const { return top || left || bottom || right; }
  int64_t row() const { return (left + w + right) * channels; }
  int64_t image() const { return (top + h + bottom) * row(); }
};

struct Plan {
  std::vector<Place> places;  // of tensor i, if it is no slice
  std::vector<Shape> outputs;
  // Layers first ... last - 1 that run together, some rows at a time: nothing in a chain reads other rows of what an
  // earlier layer of it writes.
  struct Chain {
    size_t first, last;
    std::vector<int64_t> fill;  // tensors whose border is to be written beside its first layers
  };
  std::vector<Chain> chains;
  int64_t bytes = 0;  // of working memory

  Plan(const Spec& spec, const std::vector<Shape>& inputs);
};

}  // namespace pyq8::int8
