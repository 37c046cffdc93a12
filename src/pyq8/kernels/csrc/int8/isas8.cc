#include "isas8.h"

#include <cstring>

#include "../call.h"

namespace pyq8::int8 {

const Isa* find_isa(const char* name) {
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
  for (int i = 0; i < count; ++i) {
    for (const Isa* isa : known) {
      if (!std::strcmp(isa->name, usable[i]->name) && (!*name || !std::strcmp(isa->name, name))) return isa;
    }
  }
  return nullptr;
}

}  // namespace pyq8::int8
