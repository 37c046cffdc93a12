// A step of the tile without VNNI: four products of uint8 and int8 are summed in INT32.
#pragma once

#include "int8/isa.h"

namespace {

template <class Vector>
struct Step : Vector {
  static constexpr bool kExcess = false;
  static constexpr int kVectors = pyq8::int8::kOutputs / Vector::kLanes;  // of a block
  static PYQ8_INLINE typename Vector::Sum weights(const int8_t* const* w, int64_t at, int v) {
    return Vector::load_sum(w[v / kVectors] + at + v % kVectors * pyq8::int8::kGroup * Vector::kLanes);
  }
};

// Even and odd bytes as INT16, whose products cannot saturate.
template <class Vector>
struct Words : Step<Vector> {
  using typename Vector::Sum;
  template <int P, int A>
  static PYQ8_INLINE void step(Sum (&sums)[P][A], const uint8_t* x, int64_t row, const int8_t* const* w, int64_t at) {
    Sum first[A], second[A];
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) {
      const Sum both = Step<Vector>::weights(w, at, v);
      first[v] = Vector::first_signed(both), second[v] = Vector::second_signed(both);
    }
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      const Sum pixel = Vector::broadcast(x + p * row);
      const Sum x_first = Vector::first_bytes(pixel), x_second = Vector::second_bytes(pixel);
      PYQ8_UNROLL
      for (int v = 0; v < A; ++v) {
        const Sum both = Vector::add_sums(Vector::dot_words(x_first, first[v]), Vector::dot_words(x_second, second[v]));
        sums[p][v] = Vector::add_sums(sums[p][v], both);
      }
    }
  }
};

// Of weights of which no pair saturates.
template <class Vector>
struct Pairs : Step<Vector> {
  static constexpr bool kExcess = true;
  using typename Vector::Sum;
  template <int P, int A>
  static PYQ8_INLINE void step(Sum (&sums)[P][A], const uint8_t* x, int64_t row, const int8_t* const* w, int64_t at) {
    Sum held[A];
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) held[v] = Step<Vector>::weights(w, at, v);
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      const Sum pixel = Vector::broadcast(x + p * row);
      PYQ8_UNROLL
      for (int v = 0; v < A; ++v) {
        sums[p][v] = Vector::add_sums(sums[p][v], Vector::dot_words(Vector::dot_bytes(pixel, held[v]), Vector::ones()));
      }
    }
  }
};

}  // namespace
