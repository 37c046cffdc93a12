// The instruction sets of this build that this processor has.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

// X(name, constant, whether the processor has it) for each set of this build, best first.
#define PYQ8_ISAS(X) PYQ8_ISA_VNNI(X) PYQ8_ISA_AVX_VNNI(X) PYQ8_ISA_AVX512(X) PYQ8_ISA_AVX2(X) X(scalar, kScalar, true)
#ifdef PYQ8_VNNI
#define PYQ8_ISA_VNNI(X) X(vnni, kVnni, cpu().avx512_vnni)
#else
#define PYQ8_ISA_VNNI(X)
#endif
#ifdef PYQ8_AVX_VNNI
#define PYQ8_ISA_AVX_VNNI(X) X(avx_vnni, kAvxVnni, cpu().avx_vnni)
#else
#define PYQ8_ISA_AVX_VNNI(X)
#endif
#ifdef PYQ8_AVX512
#define PYQ8_ISA_AVX512(X) X(avx512, kAvx512, cpu().avx512)
#else
#define PYQ8_ISA_AVX512(X)
#endif
#ifdef PYQ8_AVX2
#define PYQ8_ISA_AVX2(X) X(avx2, kAvx2, cpu().avx2)
#else
#define PYQ8_ISA_AVX2(X)
#endif

#define PYQ8_DECLARE_ISA(name, constant, here) extern const Isa constant;
#define PYQ8_ADDRESS_OF_ISA(name, constant, here) &constant,

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
