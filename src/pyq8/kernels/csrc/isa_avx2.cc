// AVX2: vpmaddwd and an addition, 6 x 16 sums in registers.
#include <immintrin.h>

#include "histogram_loops.h"
#include "kernels.h"
#include "loops.h"
#include "norm_loops.h"
#include "table.h"

namespace {

struct Avx2Int16 {
  static constexpr int kLanes = 8;
  using Sum = __m256i;
  using Real = __m256;

  static PYQ8_INLINE Sum zero() { return _mm256_setzero_si256(); }
  static PYQ8_INLINE Sum operand(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
  static PYQ8_INLINE Sum broadcast(const void* from) {
    int32_t pair;
    __builtin_memcpy(&pair, from, 4);
    return _mm256_set1_epi32(pair);
  }
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, w)); }
  static PYQ8_INLINE Real real(Sum v) { return _mm256_cvtepi32_ps(v); }
  static PYQ8_INLINE Real fill(float v) { return _mm256_set1_ps(v); }
  static PYQ8_INLINE Real load(const float* from) { return _mm256_loadu_ps(from); }
  static PYQ8_INLINE Real add(Real a, Real b) { return _mm256_add_ps(a, b); }
  static PYQ8_INLINE Real mul(Real a, Real b) { return _mm256_mul_ps(a, b); }
  static PYQ8_INLINE Real larger(Real peak, Real v) {
    return _mm256_max_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), v), peak);
  }
  static PYQ8_INLINE Real first(Real v, int n) { return _mm256_and_ps(v, _mm256_castsi256_ps(mask(n))); }
  static PYQ8_INLINE void store(float* to, Real v) { _mm256_storeu_ps(to, v); }
  static PYQ8_INLINE void stream(float* to, Real v) { _mm256_stream_ps(to, v); }
  static PYQ8_INLINE void store_first(float* to, Real v, int n) { _mm256_maskstore_ps(to, mask(n), v); }

 private:
  static PYQ8_INLINE __m256i mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

constexpr int kRows = 6;
constexpr Tiles<Avx2Int16, kRows, kVectors> kTiles;

}  // namespace

const Isa kAvx2 = {"avx2",
                   Avx2Int16::kLanes,
                   kRows,
                   0,
                   kTiles.of,
                   nullptr,
                   interleave_plain,
                   transpose_plain,
                   magnitudes_plain,
                   depthwise_plain,
                   depthwise_weight_plain,
                   absmax_plain,
                   absmax16_plain,
                   quantize_plain,
                   ends_plain,
                   bins_plain};

const NormLoops kNormAvx2 = kNormLoops;
