// What the processor says of itself, CPUID, and of it what the system lets programs use, XGETBV.
#pragma once

namespace pyq8 {

struct Cpu {
  char name[49] = "";  // as the processor spells it, empty where it does not
  bool avx2 = false;   // and FMA
  bool avx_vnni = false;
  bool avx512 = false;  // F, BW, DQ and VL
  bool avx512_vnni = false;
  bool avx512_vbmi = false;
  bool amx_int8 = false;
};

const Cpu& cpu();

}  // namespace pyq8
