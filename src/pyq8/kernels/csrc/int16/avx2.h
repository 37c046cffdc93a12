// What tiles of 256 bits share.
#pragma once

#include "common/vector_avx2.h"
#include "int16/gram.h"
#include "int16/isa.h"
#include "int16/loops_plain.h"
#include "int16/tiles.h"

namespace {

struct Avx2Operands : Avx2 {
  static PYQ8_INLINE Sum zero() { return _mm256_setzero_si256(); }
  static PYQ8_INLINE Sum operand(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
  static PYQ8_INLINE Real larger(Real peak, Real v) {
    return _mm256_max_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), v), peak);
  }
  static PYQ8_INLINE Real first(Real v, int n) { return _mm256_and_ps(v, _mm256_castsi256_ps(mask(n))); }
  static PYQ8_INLINE void stream(float* to, Real v) { _mm256_stream_ps(to, v); }
};

constexpr int kRows = 6;

// 6 x 16 sums of products in registers.
template <class Dot>
constexpr Isa isa_avx2(const char* name, const Tiles<Dot, kRows, kVectors>& tiles) {
  Isa isa = plain_loops(name, Dot::kLanes);
  isa.rows = kRows;
  isa.tiles = tiles.of;
  isa.gram = gram<Dot>;
  return isa;
}

}  // namespace
