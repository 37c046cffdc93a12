// AVX-512 without VNNI: vpmaddubsw and vpmaddwd, 16 x 16 sums in registers.
#include "int8/bytes_avx512.h"
#include "int8/depthwise_avx2.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/table_avx512.h"
#include "int8/tile.h"

namespace {

constexpr int kRows = 16;
constexpr ListedTiles8<Pairs<Bytes512>, kRows> kTiles;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvx512 = [] {
  Isa isa = plain_loops("avx512", Bytes512::kLanes);
  isa.rate = 120;
  isa.tiles = {{0, kRows}, {nullptr, kTiles.of}};
  isa.listed = true;
  isa.depthwise = depthwise_avx2;
  isa.table = table_avx512;
  isa.multiply_add = multiply_add<Bytes512>;
  return isa;
}();
}  // namespace pyq8::int8
