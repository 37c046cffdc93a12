// AVX-VNNI: vpdpwssd of 256 bits.
#include "int16/avx2.h"

namespace {

struct AvxVnniInt16 : Avx2Operands {
  // GCC copies the sums around the intrinsic.
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) {
    asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
  }
};

constexpr Tiles<AvxVnniInt16, kRows, kVectors> kTiles;

}  // namespace

constexpr Isa kAvxVnni = isa_avx2("avx_vnni", kTiles);
