// AVX2: vpmaddubsw and vpmaddwd where no pair of the weights saturates, 6 x 16 sums in registers; else vpmaddwd of even and
// odd bytes, 4 x 16 sums.
#include "int8/bytes_avx2.h"
#include "int8/depthwise_avx2.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/table_avx2.h"
#include "int8/tile.h"

namespace {

constexpr Tiles8<Words<Bytes256>, 4, 1> kWords;
constexpr Tiles8<Pairs<Bytes256>, 6, 1> kPairs;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvx2 = [] {
  Isa isa = plain_loops("avx2", Bytes256::kLanes);
  isa.tiles = {{0, 4}, {nullptr, kWords.of}};
  isa.pairs = {{0, 6}, {nullptr, kPairs.of}};
  isa.depthwise = depthwise_avx2;
  isa.table = table_avx2;
  isa.multiply_add = multiply_add<Bytes256>;
  return isa;
}();
}  // namespace pyq8::int8
