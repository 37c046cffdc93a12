// AVX-512 without VNNI: vpmaddwd and an addition.
#include "int16/avx512.h"

namespace {

struct Avx512Int16 : Avx512Operands {
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { sum = add_sums(sum, dot_words(x, w)); }
};

constexpr Tiles<Avx512Int16, kRows, kVectors> kTiles;
constexpr Tiles<Avx512Int16, kRowsWide, 2 * kVectors> kTilesWide;

}  // namespace

constexpr Isa kAvx512 = isa_avx512("avx512", kTiles, kTilesWide);
