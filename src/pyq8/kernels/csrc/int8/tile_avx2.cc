// AVX2: vpmaddubsw and vpmaddwd, 12 x 8 sums in registers.
#include "int8/bytes_avx2.h"
#include "int8/depthwise_avx2.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/tile.h"

namespace {

constexpr ListedTiles8<Pairs<Bytes256>, 12> kListed;
constexpr Tiles8<Pairs<Bytes256>, 6, 1> kPairs;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvx2 = [] {
  Isa isa = plain_loops("avx2", Bytes256::kLanes);
  isa.tiles = {{0, 12}, {nullptr, kListed.of}};
  isa.pairs = {{0, 6}, {nullptr, kPairs.of}};
  isa.depthwise = depthwise_avx2;
  isa.multiply_add = multiply_add<Bytes256>;
  return isa;
}();
}  // namespace pyq8::int8
