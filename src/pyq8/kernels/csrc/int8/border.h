// The zero points around tensors whose readers want pads, written beside the layers that write what is inside.
#pragma once

#include <vector>

#include "int8/work.h"

namespace pyq8::int8 {

// Of tensors that nobody reads yet: pieces of some rows of an image.
class Borders {
 public:
  Borders(const Run& run, const std::vector<int64_t>& tensors);

  int64_t pieces() const { return pieces_; }
  void fill(int64_t piece) const;
  // In products, as `Cost`.
  static double cost();

 private:
  const Run& run_;
  const std::vector<int64_t>& tensors_;
  int64_t pieces_ = 0;
};

}  // namespace pyq8::int8
