// AVX2: vpmaddwd and an addition, 6 x 16 sums in registers.
#include "int16/avx2.h"

namespace {

struct Avx2Int16 : Avx2Operands {
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { sum = add_sums(sum, dot_words(x, w)); }
};

constexpr int kRows = 6;
constexpr Tiles<Avx2Int16, kRows, kVectors> kTiles;

}  // namespace

constexpr Isa kAvx2 = [] {
  Isa isa = plain_loops("avx2", Avx2Int16::kLanes);
  isa.rows = kRows;
  isa.tiles = kTiles.of;
  return isa;
}();
