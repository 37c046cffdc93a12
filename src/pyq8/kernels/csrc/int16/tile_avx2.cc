// AVX2: vpmaddwd and an addition.
#include "int16/avx2.h"

namespace {

struct Avx2Int16 : Avx2Operands {
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { sum = add_sums(sum, dot_words(x, w)); }
};

constexpr Tiles<Avx2Int16, kRows, kVectors> kTiles;

}  // namespace

constexpr Isa kAvx2 = isa_avx2("avx2", kTiles);
