// The register tile of INT8: P pixels times V blocks of 16 outputs, over steps of four channels.
#pragma once

#include <utility>

#include "common/unroll.h"
#include "int8/isa.h"

namespace {

using pyq8::int8::Tile;
using pyq8::int8::TileFunction;

// What a convolution and the sum behind it compute, one after the other: the codes in between are floats here.
template <class Dot, int A>
PYQ8_INLINE void add_other(typename Dot::Real (&values)[A], const pyq8::int8::Sum& sum, const uint8_t* other) {
  const typename Dot::Real a = Dot::fill(sum.scale_a), b = Dot::fill(sum.scale_b), fixed = Dot::fill(sum.fixed);
  const auto mine = [&](int v) { return Dot::code(values[v], sum.zero); };
  const auto theirs = [&](int v) { return Dot::bytes(other + v * Dot::kLanes); };
  if (sum.other_first) {
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) values[v] = Dot::fma(theirs(v), a, Dot::fma(mine(v), b, fixed));
  } else {
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) values[v] = Dot::fma(mine(v), a, Dot::fma(theirs(v), b, fixed));
  }
}

template <class Dot, int A>
PYQ8_INLINE void requantize(typename Dot::Real (&values)[A], const pyq8::int8::Requantized& then) {
  const typename Dot::Real zero = Dot::fill(then.zero), scale = Dot::fill(then.scale),
                           divisor = Dot::fill(then.divisor);
  PYQ8_UNROLL
  for (int v = 0; v < A; ++v) {
    values[v] = Dot::div(Dot::mul(Dot::sub(Dot::code(values[v], then.zero), zero), scale), divisor);
  }
}

// Whole blocks become bytes, mostly: nothing is asked again from row to row. Locals, because bytes may be stored anywhere.
template <bool kOther, class Dot, int P, int A>
PYQ8_INLINE void store_whole(const Tile& t, const typename Dot::Sum (&sums)[P][A]) {
  const float* const scale = t.scale;
  const pyq8::int8::Sum sum = t.sum;
  const uint8_t* other = t.other;
  uint8_t* y = t.y;
  const int64_t y_row = t.y_row, other_row = t.other_row;
  const int zero = kOther ? 0 : t.zero;
  PYQ8_UNROLL
  for (int p = 0; p < P; ++p) {
    typename Dot::Real values[A];
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) values[v] = Dot::mul(Dot::real(sums[p][v]), Dot::load(scale + v * Dot::kLanes));
    if constexpr (kOther) add_other<Dot, A>(values, sum, other + p * other_row);
    Dot::template store_bytes<A>(values, zero, y + p * y_row, A * Dot::kLanes);
  }
}

// Dot: kLanes outputs a vector, 16 / kLanes vectors a block.
template <class Dot, int P, int A>
PYQ8_INLINE void finish(const Tile& t, const typename Dot::Sum (&sums)[P][A]) {
  if (t.y && !t.then.wanted && t.width >= A * Dot::kLanes) {
    return t.other ? store_whole<true, Dot>(t, sums) : store_whole<false, Dot>(t, sums);
  }
  PYQ8_UNROLL
  for (int p = 0; p < P; ++p) {
    typename Dot::Real values[A];
    PYQ8_UNROLL
    for (int v = 0; v < A; ++v) values[v] = Dot::mul(Dot::real(sums[p][v]), Dot::load(t.scale + v * Dot::kLanes));
    if (t.other) add_other<Dot, A>(values, t.sum, t.other + p * t.other_row);
    if (t.then.wanted) requantize<Dot, A>(values, t.then);
    if (t.y) {
      Dot::template store_bytes<A>(values, t.other ? 0 : t.zero, t.y + p * t.y_row, t.width);
    } else {
      PYQ8_UNROLL
      for (int v = 0; v < A; ++v) {
        const int left = t.width - v * Dot::kLanes;
        if (left <= 0) break;
        float* to = t.real + p * t.y_row + v * Dot::kLanes;
        if (left < Dot::kLanes) {
          Dot::store_first(to, values[v], left);
        } else {
          Dot::store(to, values[v]);
        }
      }
    }
  }
}

template <class Dot, int P, int V>
void tile8(const Tile& t) {
  constexpr int H = pyq8::int8::kOutputs / Dot::kLanes, A = V * H;
  typename Dot::Sum sums[P][A];
  PYQ8_UNROLL
  for (int v = 0; v < A; ++v) {
    const typename Dot::Sum bias = Dot::load_sum(t.bias + v * Dot::kLanes);
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) sums[p][v] = bias;
  }
  const int8_t* w[V];
  PYQ8_UNROLL
  for (int v = 0; v < V; ++v) w[v] = t.w[v];
  int64_t at = 0;
  for (int64_t tap = 0; tap < t.taps; ++tap) {
    const uint8_t* x = t.x + t.offsets[tap];
    for (int64_t i = 0; i < t.steps; ++i) {
      Dot::template step<P, A>(sums, x, t.row, w, at);
      x += pyq8::int8::kGroup;
      at += pyq8::int8::kGroup * pyq8::int8::kOutputs;
    }
  }
  finish<Dot, P, A>(t, sums);
}

// Of one block whose steps are listed, a vector of its outputs after the other.
template <class Dot, int P>
void listed_tile8(const Tile& t) {
  using Safe = typename Dot::Safe;
  using Flipped = typename Dot::Flipped;
  constexpr int A = pyq8::int8::kOutputs / Dot::kLanes;
  constexpr std::make_integer_sequence<int, P> kPixels;
  const Rows<P> rows(t.row);
  typename Dot::Sum sums[P][A];
  PYQ8_UNROLL
  for (int v = 0; v < A; ++v) {
    typename Dot::Sum some[P];
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) some[p] = Dot::load_sum(t.bias + v * Dot::kLanes);
    const pyq8::int8::Listed& listed = t.listed[v];
    const pyq8::int8::Listed::Step* step = listed.steps;
    const int8_t* w = listed.w;
    const auto pixel = [&](int i) { return t.x + t.offsets[step[i].tap] + step[i].bytes; };
    for (int64_t n = listed.doubles; n > 0; --n, step += 2, w += 2 * Safe::kWeights) {
      Dot::template twice<Safe>(some, pixel(0), pixel(1), rows, w, kPixels);
    }
    for (int64_t n = listed.singles; n > 0; --n, ++step, w += Safe::kWeights) {
      Dot::template single<Safe>(some, pixel(0), rows, w, kPixels);
    }
    for (int64_t n = listed.flipped_doubles; n > 0; --n, step += 2, w += 2 * Flipped::kWeights) {
      Dot::template twice<Flipped>(some, pixel(0), pixel(1), rows, w, kPixels);
    }
    for (int64_t n = listed.flipped_singles; n > 0; --n, ++step, w += Flipped::kWeights) {
      Dot::template single<Flipped>(some, pixel(0), rows, w, kPixels);
    }
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) sums[p][v] = some[p];
  }
  finish<Dot, P, A>(t, sums);
}

template <class Vector>
int64_t multiply_add(int64_t repeats) {
  constexpr int kSums = 12;  // more than the latency of two a cycle
  typename Vector::Real sums[kSums], a = Vector::fill(0.5f), b = Vector::fill(1.0f);
  PYQ8_UNROLL
  for (int i = 0; i < kSums; ++i) sums[i] = Vector::fill(float(i));
  for (int64_t n = 0; n < repeats; ++n) {
    PYQ8_UNROLL
    for (int i = 0; i < kSums; ++i) sums[i] = Vector::fma(sums[i], a, b);
    asm volatile("" : "+x"(a));
  }
  alignas(64) volatile float kept[16];
  PYQ8_UNROLL
  for (int i = 0; i < kSums; ++i) {
    alignas(64) float some[16];
    Vector::store(some, sums[i]);
    kept[0] = some[0];
  }
  (void)kept[0];
  return repeats * kSums * Vector::kLanes * 2;
}

template <class Dot, int V, int... P>
constexpr void fill_tiles8(TileFunction* to, std::integer_sequence<int, P...>) {
  ((to[P] = tile8<Dot, P + 1, V>), ...);
}

template <class Dot, int Rows>
struct ListedTiles8 {
  TileFunction of[Rows] = {};
  constexpr ListedTiles8() { fill(std::make_integer_sequence<int, Rows>{}); }
  template <int... P>
  constexpr void fill(std::integer_sequence<int, P...>) {
    ((of[P] = listed_tile8<Dot, P + 1>), ...);
  }
};

template <class Dot, int Rows, int V>
struct Tiles8 {
  TileFunction of[Rows] = {};
  constexpr Tiles8() { fill_tiles8<Dot, V>(of, std::make_integer_sequence<int, Rows>{}); }
};

}  // namespace
