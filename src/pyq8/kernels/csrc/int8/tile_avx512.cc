// AVX-512 without VNNI: vpmaddubsw and vpmaddwd where no pair of the weights saturates, else vpmaddwd of even and odd bytes.
#include "int8/bytes_avx512.h"
#include "int8/depthwise_avx2.h"
#include "int8/dot.h"
#include "int8/loops.h"
#include "int8/table_avx512.h"
#include "int8/tile.h"

namespace {

constexpr Tiles8<Words<Bytes512>, 12, 1> kWords1;
constexpr Tiles8<Words<Bytes512>, 10, 2> kWords2;
constexpr Tiles8<Pairs<Bytes512>, 14, 1> kPairs1;
constexpr Tiles8<Pairs<Bytes512>, 12, 2> kPairs2;
constexpr Tiles8<Pairs<Bytes512>, 8, 3> kPairs3;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvx512 = [] {
  Isa isa = plain_loops("avx512", Bytes512::kLanes);
  isa.tiles = {{0, 12, 10}, {nullptr, kWords1.of, kWords2.of}};
  isa.pairs = {{0, 14, 12, 8}, {nullptr, kPairs1.of, kPairs2.of, kPairs3.of}};
  isa.depthwise = depthwise_avx2;
  isa.table = table_avx512;
  isa.multiply_add = multiply_add<Bytes512>;
  return isa;
}();
}  // namespace pyq8::int8
