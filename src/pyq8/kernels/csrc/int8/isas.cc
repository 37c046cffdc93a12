#include "int8/isas.h"

#include "common/isas.h"
#include "int8/spec.h"

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
  std::string names;
  for (const Isa* isa : usable(known)) {
    if (name.empty() || name == isa->name) return isa;
    names += (names.empty() ? "" : ", ") + std::string(isa->name);
  }
  throw Error("PYQ8_ISA=" + name + ": for regions, this CPU and build have " + names);
}

}  // namespace pyq8::int8
