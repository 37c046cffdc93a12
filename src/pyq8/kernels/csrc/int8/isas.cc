#include "int8/isas.h"

#include "int8/spec.h"

namespace pyq8::int8 {

const Isa* find_isa(const std::string& name) {
  const Isa* const known[] = {PYQ8_ISAS(PYQ8_ADDRESS_OF_ISA)};
  std::string names;
  for (const Isa* isa : usable(known)) {
    if (name.empty() || name == isa->name) return isa;
    names += (names.empty() ? "" : ", ") + std::string(isa->name);
  }
  throw Error("PYQ8_ISA=" + name + ": for regions, this CPU and build have " + names);
}

}  // namespace pyq8::int8
