// AVX512-VNNI: vpdpwssd, 14 x 32 or 7 x 64 sums in registers.
#include <immintrin.h>

#include "histogram_loops.h"
#include "kernels.h"
#include "loops.h"
#include "loops_avx512.h"
#include "norm_loops.h"
#include "table.h"

namespace {

struct VnniInt16 {
  static constexpr int kLanes = 16;
  using Sum = __m512i;
  using Real = __m512;

  static PYQ8_INLINE Sum zero() { return _mm512_setzero_si512(); }
  static PYQ8_INLINE Sum operand(const void* from) { return _mm512_load_si512(from); }
  static PYQ8_INLINE Sum broadcast(const void* from) {
    int32_t pair;
    __builtin_memcpy(&pair, from, 4);
    return _mm512_set1_epi32(pair);
  }
  // GCC copies the sums around the intrinsic.
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w)); }
  static PYQ8_INLINE Real real(Sum v) { return _mm512_cvtepi32_ps(v); }
  static PYQ8_INLINE Real fill(float v) { return _mm512_set1_ps(v); }
  static PYQ8_INLINE Real load(const float* from) { return _mm512_loadu_ps(from); }
  static PYQ8_INLINE Real add(Real a, Real b) { return _mm512_add_ps(a, b); }
  static PYQ8_INLINE Real mul(Real a, Real b) { return _mm512_mul_ps(a, b); }
  // The larger magnitude, its sign cleared.
  static PYQ8_INLINE Real larger(Real peak, Real v) { return _mm512_range_ps(peak, v, 0b1011); }
  static PYQ8_INLINE Real first(Real v, int n) { return _mm512_maskz_mov_ps(mask(n), v); }
  static PYQ8_INLINE void store(float* to, Real v) { _mm512_storeu_ps(to, v); }
  static PYQ8_INLINE void stream(float* to, Real v) { _mm512_stream_ps(to, v); }
  static PYQ8_INLINE void store_first(float* to, Real v, int n) { _mm512_mask_storeu_ps(to, mask(n), v); }

 private:
  static PYQ8_INLINE __mmask16 mask(int n) { return __mmask16((1u << n) - 1); }
};

constexpr int kRows = 14, kRowsWide = 7;
constexpr Tiles<VnniInt16, kRows, kVectors> kTiles;
constexpr Tiles<VnniInt16, kRowsWide, 2 * kVectors> kTilesWide;

}  // namespace

const Isa kVnni = {"vnni",
                   VnniInt16::kLanes,
                   kRows,
                   kRowsWide,
                   kTiles.of,
                   kTilesWide.of,
                   interleave_avx512,
                   transpose_avx512,
                   magnitudes_avx512,
                   depthwise_plain,
                   depthwise_weight_plain,
                   absmax_avx512,
                   absmax16_plain,
                   quantize_avx512,
                   ends_plain,
                   bins_plain};

const NormLoops kNormVnni = kNormLoops;
