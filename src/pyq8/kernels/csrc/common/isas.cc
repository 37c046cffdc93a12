#include "common/isas.h"

#include "common/cpu.h"

namespace pyq8 {

const std::vector<const char*>& isas() {
  static const std::vector<const char*> found = [] {
    std::vector<const char*> names;
#define PYQ8_NAME(name, constant, here) \
  if (here) names.push_back(#name);
    PYQ8_ISAS(PYQ8_NAME)
    return names;
  }();
  return found;
}

}  // namespace pyq8
