#include "isas8.h"

#include <cstring>

#include "../call.h"
#include "spec.h"

namespace pyq8::int8 {

const Isa* find_isa(const std::string& name) {
  const Isa* const known[] = {
#ifdef PYQ8_VNNI
      &kVnni,
#endif
#ifdef PYQ8_AVX2
      &kAvx2,
#endif
      &kScalar};
  int count = 0;
  const ::Isa* const* usable = isas(&count);
  std::string names;
  for (int i = 0; i < count; ++i) {
    for (const Isa* isa : known) {
      if (std::strcmp(isa->name, usable[i]->name)) continue;
      if (name.empty() || name == isa->name) return isa;
      names += (names.empty() ? "" : ", ") + std::string(isa->name);
    }
  }
  throw Error("PYQ8_ISA=" + name + ": for regions, this CPU and build have " + names);
}

}  // namespace pyq8::int8
