// AVX2: vpmaddubsw and vpmaddwd, 11 x 8 sums in registers.
#include "int8/bytes_avx2.h"
#include "int8/depthwise_avx2.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/table_avx2.h"
#include "int8/tile.h"

namespace {

constexpr int kRows = 11;
constexpr ListedTiles8<Pairs<Bytes256>, kRows> kTiles;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvx2 = [] {
  Isa isa = plain_loops("avx2", Bytes256::kLanes);
  isa.rate = 90;
  isa.tiles = {{0, kRows}, {nullptr, kTiles.of}};
  isa.listed = true;
  isa.depthwise = depthwise_avx2;
  isa.table = table_avx2;
  isa.multiply_add = multiply_add<Bytes256>;
  return isa;
}();
}  // namespace pyq8::int8
