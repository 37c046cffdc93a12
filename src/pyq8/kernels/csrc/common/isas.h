// The instruction sets of this build that this processor has.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

namespace pyq8 {

// Their names, best first; the last is "scalar".
const std::vector<const char*>& isas();

// What `known` offers for them, in the same order.
template <class Isa, size_t N>
std::vector<const Isa*> usable(const Isa* const (&known)[N]) {
  std::vector<const Isa*> found;
  for (const char* name : isas()) {
    for (const Isa* isa : known) {
      if (!std::strcmp(isa->name, name)) found.push_back(isa);
    }
  }
  return found;
}

}  // namespace pyq8
