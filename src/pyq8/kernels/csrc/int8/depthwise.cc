// Convolutions of every channel by itself.
#include <algorithm>

#include "int8/work.h"

namespace pyq8::int8 {
namespace {

// What a channel of a pixel costs, and each of its taps, in products of a convolution; a call of the loop begins with as much
// work as two pixels are.
constexpr double kOfOutput = 140, kOfTap = 7;
constexpr int64_t kAhead = 2;
constexpr int64_t kChannels = 64;  // of a unit: of the widest vectors

}  // namespace

std::unique_ptr<Work> depthwise(const Run& run, const Layer& l) {
  const Spec& spec = run.spec;
  const Place &x = run.place(l.x), &y = run.place(l.y);
  std::vector<int64_t> offsets;
  for (int64_t r = 0; r < l.r; ++r) {
    for (int64_t s = 0; s < l.s; ++s) {
      offsets.push_back((r * l.dilation_h - l.top) * x.row() + (s * l.dilation_w - l.left) * x.channels);
    }
  }
  Depthwise same{};
  same.row = l.stride_w * x.channels;
  same.taps = l.r * l.s;
  same.w_row = same.channels = spec.tensors[size_t(l.x)].channels;
  same.w = reinterpret_cast<const int8_t*>(spec.blob + l.weight);
  same.bias = spec.ints(l.bias);
  same.scale = spec.floats(l.scale);
  same.y_row = y.channels;
  same.zero = int(spec.tensors[size_t(l.y)].zero);
  const uint8_t* const from = run.pixels(l.x);
  uint8_t* const to = run.pixels(l.y);
  Load load;
  load.row_bytes = x.row() * std::min(l.r, l.stride_h) + y.row();
  load.units = up(same.channels, kChannels);
  const double products = double(same.channels) * (kOfOutput + kOfTap * double(same.taps));
  const auto some = [=, &x, &y, &isa = run.isa, stride = l.stride_h](int64_t image, int64_t row, int64_t first,
                                                                     int64_t last, int64_t unit, int64_t end) {
    const int64_t channel = unit * kChannels;
    Depthwise d = same;
    d.channels = std::min(same.channels, end * kChannels) - channel;
    d.offsets = offsets.data();
    d.w += channel, d.bias += channel, d.scale += channel;
    d.x = from + image * x.image() + row * stride * x.row() + first * d.row + channel;
    d.y = to + image * y.image() + row * y.row() + first * d.y_row + channel;
    d.pixels = last - first;
    isa.depthwise(d);
  };
  return pixel_work(y, load, products, kAhead, some);
}

}  // namespace pyq8::int8
