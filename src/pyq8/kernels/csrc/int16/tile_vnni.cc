// AVX512-VNNI: vpdpwssd, 14 x 32 or 7 x 64 sums in registers.
#include "common/vector_avx512.h"
#include "int16/isa.h"
#include "int16/loops_avx512.h"
#include "int16/loops_plain.h"
#include "int16/tiles.h"

namespace {

struct VnniInt16 : Avx512 {
  static PYQ8_INLINE Sum zero() { return _mm512_setzero_si512(); }
  static PYQ8_INLINE Sum operand(const void* from) { return _mm512_load_si512(from); }
  // GCC copies the sums around the intrinsic.
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w)); }
  // The larger magnitude, its sign cleared.
  static PYQ8_INLINE Real larger(Real peak, Real v) { return _mm512_range_ps(peak, v, 0b1011); }
  static PYQ8_INLINE Real first(Real v, int n) { return _mm512_maskz_mov_ps(mask(n), v); }
  static PYQ8_INLINE void stream(float* to, Real v) { _mm512_stream_ps(to, v); }
};

constexpr int kRows = 14, kRowsWide = 7;
constexpr Tiles<VnniInt16, kRows, kVectors> kTiles;
constexpr Tiles<VnniInt16, kRowsWide, 2 * kVectors> kTilesWide;

}  // namespace

constexpr Isa kVnni = [] {
  Isa isa = plain_loops("vnni", VnniInt16::kLanes);
  isa.rows = kRows;
  isa.tiles = kTiles.of;
  isa.rows_wide = kRowsWide;
  isa.tiles_wide = kTilesWide.of;
  isa.interleave = interleave_avx512;
  isa.transpose = transpose_avx512;
  isa.magnitudes = magnitudes_avx512;
  isa.absmax = absmax_avx512;
  isa.quantize = quantize_avx512;
  return isa;
}();
