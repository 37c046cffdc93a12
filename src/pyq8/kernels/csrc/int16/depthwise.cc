#include "int16/depthwise.h"

#include <algorithm>
#include <cstdlib>

#include "common/threads.h"

namespace pyq8 {

bool is_depthwise(const Pyq8Call& call, const TapConv& conv, const Weights& weights) {
  if (conv.channels != 1 || conv.outputs != 1 || call.overflows >= 0) return false;
  if (call.chain) return call.chain >= int64_t(conv.taps.size());
  for (int64_t c = 0; c < conv.groups; ++c) {
    int64_t sum = 0;
    for (const Tap& tap : conv.taps) sum += std::abs(int(weights.w[c * weights.slots + tap.slot]));
    if (sum * call.bound > INT32_MAX) return false;
  }
  return true;
}

void run_depthwise(const Isa& isa, Pyq8Call& call, const TapConv& conv, const Weights& weights, const float* bias) {
  const int64_t channels = conv.groups, taps = int64_t(conv.taps.size());
  int16_t* const packed = workspace().packed.of<int16_t>(taps * channels);  // [tap][channel]
  for (int64_t t = 0; t < taps; ++t) {
    for (int64_t c = 0; c < channels; ++c)
      packed[t * channels + c] = weights.w[c * weights.slots + conv.taps[size_t(t)].slot];
  }
  parallel(conv.n * conv.rows, [&](int64_t task, int id) {
    Worker& worker = workspace().workers[size_t(id)];
    const int64_t image = task / conv.rows, i = task % conv.rows;
    float* const out = conv.out + image * conv.out_image + i * conv.out_row;
    for (int64_t j = 0; j < conv.cols; ++j) {
      worker.pixels.clear();  // of x, each followed by its weights
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t row = i * conv.step_y + conv.taps[size_t(t)].y, col = j * conv.step_x + conv.taps[size_t(t)].x;
        if (row < 0 || row >= conv.h || col < 0 || col >= conv.w) continue;
        worker.pixels.push_back(conv.x + ((image * conv.h + row) * conv.w + col) * channels);
        worker.pixels.push_back(packed + t * channels);
      }
      const float peak = isa.depthwise(worker.pixels.data(), int64_t(worker.pixels.size() / 2), channels, call.scale,
                                       bias, out + j * conv.out_col);
      worker.peak[0] = std::max(worker.peak[0], peak);
    }
  });
}

}  // namespace pyq8
