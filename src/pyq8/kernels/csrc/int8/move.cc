// Pixels that are only moved: blocks laid out, edges repeated or cut off.
#include <algorithm>
#include <cstring>

#include "int8/work.h"

namespace pyq8::int8 {

std::unique_ptr<Work> move(const Run& run, const Layer& l) {
  const Place &x = run.place(l.x), &y = run.place(l.y);
  const int64_t block = l.r, channels = run.spec.tensors[size_t(l.y)].channels;
  const uint8_t* const from = run.pixels(l.x);
  uint8_t* const to = run.pixels(l.y);
  const int64_t height = x.h * block, width = x.w * block;
  const int64_t inside = std::clamp<int64_t>(l.left, 0, y.w), behind = std::clamp(width + l.left, inside, y.w);
  return row_work(y, x.row() / block + y.row(), [=, &x, &y, top = l.top, left = l.left, mode = l.mode](int64_t image, int64_t row) {
    const int64_t i = std::clamp<int64_t>(row - top, 0, height - 1);
    const uint8_t* const pixels = from + image * x.image() + i / block * x.row();
    uint8_t* const made = to + image * y.image() + row * y.row();
    // As many pixels as lie side by side in both.
    const auto copy = [&](int64_t col, int64_t most) {
      const int64_t j = std::clamp<int64_t>(col - left, 0, width - 1), pixel = i % block * block + j % block;
      const uint8_t* const source = pixels + j / block * x.channels;
      uint8_t* const target = made + col * y.channels;
      if (mode == kChannelsFirst) {
        for (int64_t c = 0; c < channels; ++c) target[c] = source[c * block * block + pixel];
        return int64_t(1);
      }
      int64_t count = 1;
      if (y.channels == channels) count = block > 1 ? block - j % block : x.channels == channels ? most : 1;
      count = std::min(count, most);
      std::memcpy(target, source + pixel * channels, size_t(count * channels));
      return count;
    };
    for (int64_t col = 0; col < inside; ++col) copy(col, 1);
    for (int64_t col = inside; col < behind;) col += copy(col, behind - col);
    for (int64_t col = behind; col < y.w; ++col) copy(col, 1);
  });
}

}  // namespace pyq8::int8
