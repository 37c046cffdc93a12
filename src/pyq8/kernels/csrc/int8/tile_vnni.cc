// AVX512-VNNI: vpdpbusd, 7 x 64, 9 x 48, 14 x 32 or 14 x 16 sums in registers.
#include "common/vector_avx512.h"
#include "int8/depthwise_vnni.h"
#include "int8/loops.h"
#include "int8/tile.h"

namespace {

struct VnniInt8 : Avx512 {
  static PYQ8_INLINE Sum load_sum(const int32_t* from) { return _mm512_loadu_si512(from); }
  // GCC copies the sums around the intrinsic.
  static PYQ8_INLINE void dot(Sum& sum, Sum x, Sum w) { asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w)); }
  static PYQ8_INLINE void dot_memory(Sum& sum, Sum x, const void* w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "m"(*static_cast<const __m512i*>(w)));
  }
  // Seven pixels times four blocks leave registers for three blocks' weights: the fourth's stay in the cache.
  template <int P, int V>
  static PYQ8_INLINE void step(Sum (&sums)[P][V], const uint8_t* x, int64_t row, const int8_t* w, int64_t block) {
    constexpr int kHeld = P * V + V + 1 > 32 ? V - 1 : V;
    Sum weights[V];
    PYQ8_UNROLL
    for (int v = 0; v < kHeld; ++v) weights[v] = _mm512_loadu_si512(w + v * block);
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      const Sum pixel = broadcast(x + p * row);
      PYQ8_UNROLL
      for (int v = 0; v < kHeld; ++v) dot(sums[p][v], pixel, weights[v]);
      if (kHeld < V) dot_memory(sums[p][V - 1], pixel, w + (V - 1) * block);
    }
  }
  static PYQ8_INLINE Real bytes(const uint8_t* from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }
  // The code of a value, as a float.
  static PYQ8_INLINE Real code(Real v, float zero) {
    v = _mm512_add_ps(_mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), fill(zero));
    return _mm512_max_ps(_mm512_min_ps(v, fill(255.0f)), _mm512_setzero_ps());
  }
  template <int A>
  static PYQ8_INLINE void store_bytes(const Real (&values)[A], int zero, uint8_t* to, int width) {
    const auto whole = [&](int v) { return v < A ? _mm512_cvtps_epi32(values[v]) : _mm512_setzero_si512(); };
    const __m512i shift = _mm512_set1_epi16(short(zero));
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(whole(0), whole(1)), shift);
    const __m512i high = A > 2 ? _mm512_adds_epi16(_mm512_packs_epi32(whole(2), whole(3)), shift) : low;
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i all = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
    if (width < 16 * A) {
      _mm512_mask_storeu_epi8(to, (__mmask64(1) << width) - 1, all);
    } else if (A == 4) {
      _mm512_storeu_si512(to, all);
    } else if (A == 3) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(all));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 32), _mm512_extracti32x4_epi32(all, 2));
    } else if (A == 2) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(all));
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_castsi512_si128(all));
    }
  }
};

constexpr Tiles8<VnniInt8, 14, 1> kTiles1;
constexpr Tiles8<VnniInt8, 14, 2> kTiles2;
constexpr Tiles8<VnniInt8, 9, 3> kTiles3;
constexpr Tiles8<VnniInt8, 7, 4> kTiles4;

}  // namespace

namespace pyq8::int8 {
constexpr Isa kVnni = [] {
  Isa isa = plain_loops("vnni");
  const int rows[] = {0, 14, 14, 9, 7};
  const TileFunction* const tiles[] = {nullptr, kTiles1.of, kTiles2.of, kTiles3.of, kTiles4.of};
  for (int blocks = 1; blocks <= kMostBlocks; ++blocks) {
    isa.rows[blocks] = rows[blocks];
    isa.tiles[blocks] = tiles[blocks];
  }
  isa.depthwise = depthwise_vnni;
  return isa;
}();
}  // namespace pyq8::int8
