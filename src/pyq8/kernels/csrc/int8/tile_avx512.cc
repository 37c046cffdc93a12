// AVX-512 without VNNI: vpmaddubsw and vpmaddwd, 14 x 16, 12 x 32 or 8 x 48 sums in registers.
#include "int8/bytes_avx512.h"
#include "int8/depthwise_avx2.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/tile.h"

namespace {

constexpr ListedTiles8<Pairs<Bytes512>, 14> kListed;
constexpr Tiles8<Pairs<Bytes512>, 14, 1> kPairs1;
constexpr Tiles8<Pairs<Bytes512>, 12, 2> kPairs2;
constexpr Tiles8<Pairs<Bytes512>, 8, 3> kPairs3;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvx512 = [] {
  Isa isa = plain_loops("avx512", Bytes512::kLanes);
  isa.tiles = {{0, 14}, {nullptr, kListed.of}};
  isa.pairs = {{0, 14, 12, 8}, {nullptr, kPairs1.of, kPairs2.of, kPairs3.of}};
  isa.depthwise = depthwise_avx2;
  isa.multiply_add = multiply_add<Bytes512>;
  return isa;
}();
}  // namespace pyq8::int8
