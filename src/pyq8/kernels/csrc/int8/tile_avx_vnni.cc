// AVX-VNNI: vpdpbusd of 256 bits, 6 x 16 sums in registers.
#include "int8/bytes_avx2.h"
#include "int8/depthwise_avx2.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/table_avx2.h"
#include "int8/tile.h"

namespace {

struct AvxVnniInt8 : Step<Bytes256> {
  template <int P, int A>
  static PYQ8_INLINE void step(Sum (&sums)[P][A], const uint8_t* x, int64_t row, const int8_t* const* w, int64_t at) {
    Sum held[A];
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) held[v] = weights(w, at, v);
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      const Sum pixel = broadcast(x + p * row);
      PYQ8_UNROLL
      for (int v = 0; v < A; ++v) asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums[p][v]) : "x"(pixel), "x"(held[v]));
    }
  }
};

constexpr Tiles8<AvxVnniInt8, 6, 1> kTiles;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvxVnni = [] {
  Isa isa = plain_loops("avx_vnni", Bytes256::kLanes);
  isa.rate = 160;
  isa.tiles = {{0, 6}, {nullptr, kTiles.of}};
  isa.depthwise = depthwise_avx2;
  isa.table = table_avx2;
  isa.multiply_add = multiply_add<Bytes256>;
  return isa;
}();
}  // namespace pyq8::int8
