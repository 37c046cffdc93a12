// The zero points around tensors whose readers want pads, written beside the layers that write what is inside.
#pragma once

#include <vector>

#include "int8/work.h"

namespace pyq8::int8 {

// Of tensors that nobody reads yet: pieces of some rows of an image.
class Borders {
 public:
  Borders(const Run& run, const std::vector<int64_t>& tensors, int threads);

  int64_t pieces() const { return pieces_; }
  void fill(int64_t piece) const;
  // In products, as `Cost`.
  double cost(int64_t piece) const;

 private:
  struct Rows {
    int64_t tensor, image;
    Parts parts;
    int64_t part;
  };
  Rows rows(int64_t piece) const;
  // Of an image, as many as there are threads, if they have a few rows each.
  Parts parts_of(const Place& place) const;

  const Run& run_;
  const std::vector<int64_t>& tensors_;
  const int threads_;
  int64_t pieces_ = 0;
};

}  // namespace pyq8::int8
