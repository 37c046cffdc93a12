// Steps of a tile: four products of uint8 and int8 are summed in INT32, or, without VNNI, in INT16 first.
#pragma once

#include <utility>

#include "int8/isa.h"

namespace {

template <class Vector>
struct Step : Vector {
  static constexpr int kVectors = pyq8::int8::kOutputs / Vector::kLanes;  // of a block
  static PYQ8_INLINE typename Vector::Sum weights(const int8_t* const* w, int64_t at, int v) {
    return Vector::load_sum(w[v / kVectors] + at + v % kVectors * pyq8::int8::kGroup * Vector::kLanes);
  }
};

// Of P pixels, `row` bytes apart. A pixel's number is odd times a power of two, which an address can multiply by: no addition
// takes a port from the products. Compilers do not see that, and add.
template <int P>
struct Rows {
  int64_t odd[P / 2 + 1];
  explicit PYQ8_INLINE Rows(int64_t row) {
    PYQ8_UNROLL
    for (int i = 0; i < P / 2 + 1; ++i) odd[i] = (2 * i + 1) * row;
  }
  // The same 32 bits of pixel N in every lane.
  template <class Vector, int N>
  PYQ8_INLINE typename Vector::Sum broadcast(const uint8_t* x) const {
    if constexpr (N == 0) {
      return Vector::broadcast(x);
    } else {
      constexpr int kPower = N & -N;
      typename Vector::Sum pixel;
      asm("vpbroadcastd (%1,%2,%c3), %0"
          : "=v"(pixel)
          : "r"(x), "r"(odd[N / kPower / 2]), "i"(kPower), "m"(*reinterpret_cast<const uint8_t (*)[]>(x)));
      return pixel;
    }
  }
};

// Steps of one vector of outputs whose products are added in INT16: see listed.h.
template <class Vector>
struct Pairs : Vector {
  using typename Vector::Sum;
  static constexpr int kBytes = pyq8::int8::kGroup * Vector::kLanes;

  struct Safe {
    static constexpr int kWeights = kBytes;
    Sum w;
    explicit PYQ8_INLINE Safe(const int8_t* from) : w(Vector::load_sum(from)) {}
    PYQ8_INLINE Sum dot(Sum x) const { return Vector::dot_bytes(x, w); }
  };

  struct Flipped {
    static constexpr int kWeights = 2 * kBytes;
    Sum magnitudes, flip;
    explicit PYQ8_INLINE Flipped(const int8_t* from)
        : magnitudes(Vector::load_sum(from)), flip(Vector::load_sum(from + kBytes)) {}
    PYQ8_INLINE Sum dot(Sum x) const { return Vector::dot_bytes(magnitudes, Vector::exclusive_or(x, flip)); }
  };

  template <class Kind, int P, int... N>
  static PYQ8_INLINE void single(Sum (&sums)[P], const uint8_t* x, const Rows<P>& rows, const int8_t* w,
                                 std::integer_sequence<int, N...>) {
    const Kind own(w);
    const auto widen = [&](Sum& sum, Sum words) {
      sum = Vector::add_sums(sum, Vector::dot_words(words, Vector::ones()));
    };
    (widen(sums[N], own.dot(rows.template broadcast<Vector, N>(x))), ...);
  }

  template <class Kind, int P, int... N>
  static PYQ8_INLINE void twice(Sum (&sums)[P], const uint8_t* x, const uint8_t* other_x, const Rows<P>& rows,
                                const int8_t* w, std::integer_sequence<int, N...>) {
    const Kind own(w), other(w + Kind::kWeights);
    const auto widen = [&](Sum& sum, Sum words) {
      sum = Vector::add_sums(sum, Vector::dot_words(words, Vector::ones()));
    };
    (widen(sums[N], Vector::add_words(own.dot(rows.template broadcast<Vector, N>(x)),
                                      other.dot(rows.template broadcast<Vector, N>(other_x)))),
     ...);
  }
};

}  // namespace
