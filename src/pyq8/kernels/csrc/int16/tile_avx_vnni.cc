// AVX-VNNI: vpdpwssd of 256 bits, 6 x 16 sums in registers.
#include "int16/avx2.h"

namespace {

struct AvxVnniInt16 : Avx2Operands {
  // GCC copies the sums around the intrinsic.
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) {
    asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
  }
};

constexpr int kRows = 6;
constexpr Tiles<AvxVnniInt16, kRows, kVectors> kTiles;

}  // namespace

constexpr Isa kAvxVnni = [] {
  Isa isa = plain_loops("avx_vnni", AvxVnniInt16::kLanes);
  isa.rows = kRows;
  isa.tiles = kTiles.of;
  return isa;
}();
