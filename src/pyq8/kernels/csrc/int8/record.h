// What the layers of every region of this process took, while somebody wants to know.
#pragma once

#include <cstdint>
#include <vector>

namespace pyq8::int8 {

bool recording();

// Of one run of a region: nanoseconds of its layers as `Region::run` gives them, and their multiply-adds.
void record(const std::vector<int64_t>& nanoseconds, const std::vector<int64_t>& products);

}  // namespace pyq8::int8
