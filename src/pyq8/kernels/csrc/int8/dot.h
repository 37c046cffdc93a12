// A step of the tile without VNNI: four products of uint8 and int8 are summed in INT32.
#pragma once

#include "int8/isa.h"

namespace {

template <class Vector>
struct Step : Vector {
  static constexpr int kVectors = pyq8::int8::kOutputs / Vector::kLanes;  // of a block
  static PYQ8_INLINE typename Vector::Sum weights(const int8_t* const* w, int64_t at, int v) {
    return Vector::load_sum(w[v / kVectors] + at + v % kVectors * pyq8::int8::kGroup * Vector::kLanes);
  }
};

// Odd multiples of the bytes from pixel to pixel.
template <int P>
struct Rows {
  int64_t odd[P / 2 + 1];
  explicit PYQ8_INLINE Rows(int64_t row) {
    PYQ8_UNROLL
    for (int i = 0; i < P / 2 + 1; ++i) odd[i] = (2 * i + 1) * row;
  }
};

// The same 32 bits of P pixels, one after the other. A pixel's number is odd times a power of two, which an address can multiply
// by: no addition takes a port from the products. Compilers do not see that, and add.
template <class Vector, int P, int N = 0, class F>
PYQ8_INLINE void each_pixel(const uint8_t* x, const Rows<P>& rows, F f) {
  if constexpr (N < P) {
    constexpr int kPower = N & -N;
    typename Vector::Sum pixel;
    if constexpr (N == 0) {
      pixel = Vector::broadcast(x);
    } else {
      asm("vpbroadcastd (%1,%2,%c3), %0"
          : "=v"(pixel)
          : "r"(x), "r"(rows.odd[N / kPower / 2]), "i"(kPower), "m"(*reinterpret_cast<const uint8_t (*)[]>(x)));
    }
    f(N, pixel);
    each_pixel<Vector, P, N + 1>(x, rows, f);
  }
}

// Pairs of products are added in INT16.
template <class Vector>
struct Pairs : Step<Vector> {
  using typename Vector::Sum;
  static PYQ8_INLINE Sum dot(Sum x, Sum w) { return Vector::dot_words(Vector::dot_bytes(x, w), Vector::ones()); }

  // Of weights of which no pair saturates.
  template <int P, int A>
  static PYQ8_INLINE void step(Sum (&sums)[P][A], const uint8_t* x, int64_t row, const int8_t* const* w, int64_t at) {
    Sum held[A];
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) held[v] = Step<Vector>::weights(w, at, v);
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      const Sum pixel = Vector::broadcast(x + p * row);
      PYQ8_UNROLL
      for (int v = 0; v < A; ++v) sums[p][v] = Vector::add_sums(sums[p][v], dot(pixel, held[v]));
    }
  }

  // Of one vector, of which no pair saturates.
  template <int P>
  static PYQ8_INLINE void safe_step(Sum (&sums)[P], const uint8_t* x, const Rows<P>& rows, const int8_t* w) {
    const Sum held = Vector::load_sum(w);
    each_pixel<Vector>(x, rows, [&](int p, Sum pixel) { sums[p] = Vector::add_sums(sums[p], dot(pixel, held)); });
  }

  // Of any: w is |w|, and behind it what makes int8 of a code x, 0x80 where w >= 0 and 0x7f where not. They are x - 128 and
  // 127 - x, so that |w| times them is w * x less a constant, which the bias has, and a pair is at most 2 * 128 * 127 and at
  // least 2 * 128 * -128: INT16 holds both.
  template <int P>
  static PYQ8_INLINE void flipped_step(Sum (&sums)[P], const uint8_t* x, const Rows<P>& rows, const int8_t* w) {
    const Sum magnitudes = Vector::load_sum(w), flip = Vector::load_sum(w + pyq8::int8::kGroup * Vector::kLanes);
    each_pixel<Vector>(x, rows, [&](int p, Sum pixel) {
      sums[p] = Vector::add_sums(sums[p], dot(magnitudes, Vector::exclusive_or(pixel, flip)));
    });
  }
};

}  // namespace
