// How the rows and outputs of layers are divided among threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "common/caches.h"

namespace pyq8::int8 {

inline int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `all` in `parts` that differ by one at most, the longer ones first.
struct Parts {
  int64_t all, parts;
  int64_t begin(int64_t part) const { return part * (all / parts) + std::min(part, all % parts); }
  int64_t size(int64_t part) const { return begin(part + 1) - begin(part); }
};

// What there is to divide.
struct Load {
  int64_t images = 0, height = 0;  // of what is looped over
  int64_t row_bytes = 0;           // read and written for a row
  int64_t weight_bytes = 0;        // for all rows
  int64_t units = 1;               // into which its outputs, or the columns of its rows, can be divided
};

// Of so many rows that one thread computes one after the other, so many units of each: in products of a convolution, what
// takes as long as one of them.
using Cost = std::function<double(int64_t rows, int64_t units)>;

// Rows first ... last - 1 of an image, of the units those of `part`.
struct Piece {
  int64_t image, first, last, part;
};

// Into bands of rows and parts of the units. A thread takes the next piece when it is done with one, so that a slow one, or
// one that others keep from work, does fewer. It depends on nothing but what it is given.
class Division {
 public:
  // rate: products a nanosecond.
  Division(const Load& load, const Cost& cost, double rate, int64_t threads, const Machine& machine);

  int64_t pieces() const { return images_ * rows_.parts * units_.parts; }
  Piece piece(int64_t index) const;
  const Parts& units() const { return units_; }
  double cost_of(const Piece& piece, const Cost& cost) const {
    return cost(piece.last - piece.first, units_.size(piece.part));
  }
  // The share of their time that threads are expected to be without work.
  double idle() const { return idle_; }

 private:
  int64_t images_;
  Parts rows_, units_;
  double idle_ = 0;
};

}  // namespace pyq8::int8
