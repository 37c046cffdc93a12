// AVX512-VNNI: vpdpwssd.
#include "int16/avx512.h"

namespace {

struct VnniInt16 : Avx512Operands {
  // GCC copies the sums around the intrinsic.
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w)); }
};

constexpr Tiles<VnniInt16, kRows, kVectors> kTiles;
constexpr Tiles<VnniInt16, kRowsWide, 2 * kVectors> kTilesWide;

}  // namespace

constexpr Isa kVnni = isa_avx512("vnni", kTiles, kTilesWide);
