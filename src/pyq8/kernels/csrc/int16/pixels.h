// The pixels over which the gradient of a weight sums.
#pragma once

#include <algorithm>
#include <vector>

#include "int16/call.h"

namespace pyq8 {

constexpr int64_t kBlock = 1024;  // pixels after which a chain ends; part of what the result is, see reference.py

// Where a tap (r * S + s) finds output pixels p ... p + n - 1 in x, `zeros` where it is outside; one more for an odd n.
inline void find_pixels(const Pyq8Conv& c, const int16_t* x, int64_t p, int64_t n, int64_t tap, const int16_t* zeros,
                        std::vector<const int16_t*>& pixels) {
  const int64_t r = tap / c.s * c.dilation_h - c.top, s = tap % c.s * c.dilation_w - c.left;
  // Output columns whose pixel is inside: low <= column < high.
  const int64_t low = std::min(c.wo, std::max<int64_t>(0, up(-s, c.stride_w)));
  const int64_t high = std::max(low, std::min(c.wo, s < c.w ? up(c.w - s, c.stride_w) : 0));
  const int64_t last = p + n, stride = c.stride_w * c.c;
  pixels.resize(size_t(n + n % 2));
  const int16_t** to = pixels.data();
  while (p < last) {  // a row of the output at a time
    const int64_t col = p % c.wo, row = p / c.wo % c.ho, image = p / c.wo / c.ho;
    const int64_t count = std::min(c.wo - col, last - p), y = row * c.stride_h + r;
    const bool inside = y >= 0 && y < c.h;
    const int64_t begin = inside ? std::clamp<int64_t>(low - col, 0, count) : count;
    const int64_t end = inside ? std::clamp<int64_t>(high - col, begin, count) : count;
    const int64_t first = ((image * c.h + y) * c.w + col * c.stride_w + s) * c.c;
    std::fill(to, to + begin, zeros);
    for (int64_t i = begin; i < end; ++i) to[i] = x + (first + i * stride);
    std::fill(to + end, to + count, zeros);
    to += count;
    p += count;
  }
  if (n % 2) *to = zeros;
}

}  // namespace pyq8
