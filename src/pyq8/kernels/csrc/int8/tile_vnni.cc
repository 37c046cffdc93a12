// AVX512-VNNI: vpdpbusd, 7 x 64, 9 x 48, 14 x 32 or 14 x 16 sums in registers.
#include "int8/bytes_avx512.h"
#include "int8/depthwise_vnni.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/table_avx512.h"
#include "int8/tile.h"

namespace {

struct VnniInt8 : Step<Bytes512> {
  // GCC copies the sums around the intrinsic.
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w)); }
  static PYQ8_INLINE void dot_memory(Sum& sum, Sum x, const void* w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "m"(*static_cast<const __m512i*>(w)));
  }
  // Seven pixels times four blocks leave registers for three blocks' weights: the fourth's stay in the cache.
  template <int P, int V>
  static PYQ8_INLINE void step(Sum (&sums)[P][V], const uint8_t* x, int64_t row, const int8_t* const* w, int64_t at) {
    constexpr int kHeld = P * V + V + 1 > 32 ? V - 1 : V;
    Sum weights[V];
    PYQ8_UNROLL
    for (int v = 0; v < kHeld; ++v) weights[v] = _mm512_loadu_si512(w[v] + at);
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      const Sum pixel = broadcast(x + p * row);
      PYQ8_UNROLL
      for (int v = 0; v < kHeld; ++v) dot(sums[p][v], pixel, weights[v]);
      if (kHeld < V) dot_memory(sums[p][V - 1], pixel, w[V - 1] + at);
    }
  }
};

constexpr Tiles8<VnniInt8, 14, 1> kTiles1;
constexpr Tiles8<VnniInt8, 14, 2> kTiles2;
constexpr Tiles8<VnniInt8, 9, 3> kTiles3;
constexpr Tiles8<VnniInt8, 7, 4> kTiles4;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kVnni = [] {
  Isa isa = plain_loops("vnni", Bytes512::kLanes);
  isa.rate = 350;
  isa.tiles = {{0, 14, 14, 9, 7}, {nullptr, kTiles1.of, kTiles2.of, kTiles3.of, kTiles4.of}};
  isa.depthwise = depthwise_vnni;
  isa.table = table_avx512;
  isa.multiply_add = multiply_add<Bytes512>;
  return isa;
}();
}  // namespace pyq8::int8
