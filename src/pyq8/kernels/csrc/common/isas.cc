#include "common/isas.h"

#include "common/cpu.h"

namespace pyq8 {

const std::vector<const char*>& isas() {
  static const std::vector<const char*> found = [] {
    std::vector<const char*> names;
#ifdef PYQ8_VNNI
    if (cpu().avx512_vnni && cpu().fma) names.push_back("vnni");
#endif
#ifdef PYQ8_AVX2
    if (cpu().avx2 && cpu().fma) names.push_back("avx2");
#endif
    names.push_back("scalar");
    return names;
  }();
  return found;
}

}  // namespace pyq8
