// What tiles of 512 bits share.
#pragma once

#include "common/vector_avx512.h"
#include "int16/gram.h"
#include "int16/isa.h"
#include "int16/loops_avx512.h"
#include "int16/loops_plain.h"
#include "int16/tiles.h"

namespace {

struct Avx512Operands : Avx512 {
  static PYQ8_INLINE Sum zero() { return _mm512_setzero_si512(); }
  static PYQ8_INLINE Sum operand(const void* from) { return _mm512_load_si512(from); }
  // The larger magnitude, its sign cleared.
  static PYQ8_INLINE Real larger(Real peak, Real v) { return _mm512_range_ps(peak, v, 0b1011); }
  static PYQ8_INLINE Real first(Real v, int n) { return _mm512_maskz_mov_ps(mask(n), v); }
  static PYQ8_INLINE void stream(float* to, Real v) { _mm512_stream_ps(to, v); }
};

constexpr int kRows = 14, kRowsWide = 7;

// The sums of 14 x 32 or 7 x 64 products in registers, and the loops of AVX-512.
template <class Dot>
constexpr Isa isa_avx512(const char* name, const Tiles<Dot, kRows, kVectors>& tiles,
                         const Tiles<Dot, kRowsWide, 2 * kVectors>& wide) {
  Isa isa = plain_loops(name, Dot::kLanes);
  isa.rows = kRows;
  isa.tiles = tiles.of;
  isa.gram = gram<Dot>;
  isa.rows_wide = kRowsWide;
  isa.tiles_wide = wide.of;
  isa.interleave = interleave_avx512;
  isa.transpose = transpose_avx512;
  isa.magnitudes = magnitudes_avx512;
  isa.absmax = absmax_avx512;
  isa.quantize = quantize_avx512;
  return isa;
}

}  // namespace
