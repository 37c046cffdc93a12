// A register tile: P rows times V vectors of INT32 sums, over steps of products.
//
//   sums[p][v] += dot(broadcast(x[p]), w[v])        one step: g operands of 32 bits, g = 2 for int16
//
// The operand type is Dot's: what a step is made of is known to it and to the packing alone.
#pragma once

#include <cstdint>

#include "common/unroll.h"
#include "int16/isa.h"

namespace {

// Adds the sums to their FP32 companions in memory and clears them.
template <class Dot, int P, int V>
PYQ8_INLINE void flush(typename Dot::Sum (&sums)[P][V], float* memory, bool first) {
  PYQ8_UNROLL
  for (int p = 0; p < P; ++p) {
    PYQ8_UNROLL
    for (int v = 0; v < V; ++v) {
      float* place = memory + (p * V + v) * Dot::kLanes;
      typename Dot::Real value = Dot::real(sums[p][v]);
      if (!first) value = Dot::add(Dot::load(place), value);
      Dot::store(place, value);
      sums[p][v] = Dot::zero();
    }
  }
}

// out = (float sum * scale[0]) * scale[1] + bias, and the largest |out|; Plain: scale[1] is 1 and there is no bias.
template <bool Plain, class Dot, int P, int V>
PYQ8_INLINE void finish(typename Dot::Sum (&sums)[P][V], const Tile& t, bool alone) {
  typename Dot::Real peak = Dot::load(t.peak);
  const typename Dot::Real s0 = Dot::fill(t.scale[0]), s1 = Dot::fill(t.scale[1]);
  PYQ8_UNROLL
  for (int v = 0; v < V; ++v) {
    const int left = t.width - v * Dot::kLanes;
    if (left <= 0) break;
    PYQ8_UNROLL
    for (int p = 0; p < P; ++p) {
      typename Dot::Real value = Dot::real(sums[p][v]);
      if (!alone) value = Dot::add(Dot::load(t.sums + (p * V + v) * Dot::kLanes), value);
      value = Dot::mul(value, s0);
      if (!Plain) {
        value = Dot::mul(value, s1);
        if (t.bias) value = Dot::add(value, Dot::load(t.bias + v * Dot::kLanes));
      }
      float* place = t.out + p * t.out_row + v * Dot::kLanes;
      if (left < Dot::kLanes) {
        value = Dot::first(value, left);
        Dot::store_first(place, value, left);
      } else if (t.stream) {
        Dot::stream(place, value);
      } else {
        Dot::store(place, value);
      }
      peak = Dot::larger(peak, value);
    }
  }
  Dot::store(t.peak, peak);
}

template <class Dot, int P, int V>
void tile(const Tile& t) {
  constexpr int64_t kLine = 64, kStep = 4 * Dot::kLanes * kVectors;
  typename Dot::Sum sums[P][V];
  PYQ8_UNROLL
  for (int p = 0; p < P; ++p) {
    PYQ8_UNROLL
    for (int v = 0; v < V; ++v) sums[p][v] = Dot::zero();
  }
  const char* w = static_cast<const char*>(t.w);
  bool first = !t.resume;
  const char* next = static_cast<const char*>(t.next);
  int64_t room = t.chain;  // steps before the next flush
  int64_t ahead = t.taps * t.steps;
  for (int64_t tap = 0; tap < t.taps; ++tap) {
    const bool skip = t.offsets[tap] == kOutside;
    const char* x = static_cast<const char*>(t.x) + (skip ? 0 : t.offsets[tap]);
    for (int64_t done = 0; done < t.steps;) {
      const int64_t n = room < t.steps - done ? room : t.steps - done;
      if (!skip) {
        for (int64_t i = 0; i < n; ++i) {
          typename Dot::Sum weights[V];
          PYQ8_UNROLL
          for (int v = 0; v < V; ++v) {
            weights[v] = Dot::operand(w + (v / kVectors) * t.block + (i * kVectors + v % kVectors) * 4 * Dot::kLanes);
          }
          PYQ8_UNROLL
          for (int p = 0; p < P; ++p) {
            const typename Dot::Sum row = Dot::broadcast(x + p * t.row);
            PYQ8_UNROLL
            for (int v = 0; v < V; ++v) Dot::dot(sums[p][v], row, weights[v]);
          }
          x += t.step;
          __builtin_prefetch(next);
          next += kLine;
        }
      }
      w += n * kStep;
      done += n;
      room -= n;
      ahead -= n;
      if (room == 0 && ahead > 0) {
        flush<Dot, P, V>(sums, t.sums, first);
        first = false;
        room = t.chain;
      }
    }
  }
  if (!t.out) {
    flush<Dot, P, V>(sums, t.sums, first);
  } else if (t.scale[1] == 1 && !t.bias) {
    finish<true, Dot, P, V>(sums, t, first);
  } else {
    finish<false, Dot, P, V>(sums, t, first);
  }
}

}  // namespace
