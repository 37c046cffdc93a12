// AVX2: vpmaddwd of even and odd bytes, which cannot saturate; 4 x 16 sums in registers.
#include "common/vector_avx2.h"
#include "int8/loops.h"
#include "int8/tile.h"

namespace {

struct Avx2Int8 : Avx2 {
  static PYQ8_INLINE Sum load_sum(const int32_t* from) { return load_bytes(from); }
  template <int P, int V>
  static PYQ8_INLINE void step(Sum (&sums)[P][2 * V], const uint8_t* x, int64_t row, const int8_t* w, int64_t block) {
    Sum even[2 * V], odd[2 * V];
    PYQ8_UNROLL
    for (int v = 0; v < 2 * V; ++v) {
      const __m256i both = load_bytes(w + v / 2 * block + v % 2 * 32);
      even[v] = _mm256_srai_epi16(_mm256_slli_epi16(both, 8), 8);
      odd[v] = _mm256_srai_epi16(both, 8);
    }
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      const __m256i pixel = broadcast(x + p * row);
      const __m256i x_even = _mm256_and_si256(pixel, _mm256_set1_epi16(0xff)), x_odd = _mm256_srli_epi16(pixel, 8);
      PYQ8_UNROLL
      for (int v = 0; v < 2 * V; ++v) {
        const __m256i both = _mm256_add_epi32(_mm256_madd_epi16(x_even, even[v]), _mm256_madd_epi16(x_odd, odd[v]));
        sums[p][v] = _mm256_add_epi32(sums[p][v], both);
      }
    }
  }
  static PYQ8_INLINE Real bytes(const uint8_t* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
  }
  // The code of a value, as a float.
  static PYQ8_INLINE Real code(Real v, float zero) {
    v = _mm256_add_ps(_mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), fill(zero));
    return _mm256_max_ps(_mm256_min_ps(v, fill(255.0f)), _mm256_setzero_ps());
  }
  template <int A>
  static PYQ8_INLINE void store_bytes(const Real (&values)[A], int zero, uint8_t* to, int width) {
    const __m256i shift = _mm256_set1_epi16(short(zero));
    PYQ8_UNROLL
    for (int v = 0; v < A; v += 2) {
      const __m256i whole = _mm256_packs_epi32(_mm256_cvtps_epi32(values[v]), _mm256_cvtps_epi32(values[v + 1]));
      const __m256i words = _mm256_permute4x64_epi64(_mm256_adds_epi16(whole, shift), 0xd8);
      const __m128i all = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      const int left = width - 8 * v;
      if (left >= 16) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8 * v), all);
      } else if (left > 0) {
        alignas(16) uint8_t some[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(some), all);
        __builtin_memcpy(to + 8 * v, some, size_t(left));
      }
    }
  }

 private:
  static PYQ8_INLINE __m256i load_bytes(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }
};

constexpr Tiles8<Avx2Int8, 4, 1> kTiles1;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kAvx2 = [] {
  Isa isa = plain_loops("avx2");
  isa.rows[1] = 4;
  isa.tiles[1] = kTiles1.of;
  return isa;
}();
}  // namespace pyq8::int8
