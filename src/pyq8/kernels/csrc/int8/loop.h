// Which layers are computed together, in one parallel loop, and how that is divided.
#pragma once

#include <memory>
#include <vector>

#include "int8/work.h"

namespace pyq8::int8 {

// Layers first ... last - 1: each piece goes through all of them, so that what a layer reads was just written, and is in the
// cache.
struct Loop {
  size_t first, last;
  Division division;
};

using Works = std::vector<std::unique_ptr<Work>>;

Works works_of(const Run& run, size_t first, size_t last);
// Of a piece of all of them.
Cost cost_of(const Works& works);
std::vector<Loop> loops_of(const Run& run, const Plan::Chain& chain, int threads, const Machine& machine);

}  // namespace pyq8::int8
