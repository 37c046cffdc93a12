// Pools, operators on single values, and the ways in and out.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "region.h"

namespace pyq8::int8 {
namespace {

struct Span {
  int64_t first, last;
};

// Taps of a window that are inside of the image.
Span inside(int64_t at, int64_t size, int64_t kernel, int64_t dilation) {
  const int64_t first = at < 0 ? std::min(kernel, (-at + dilation - 1) / dilation) : 0;
  const int64_t last = at >= size ? 0 : std::min(kernel, (size - at + dilation - 1) / dilation);
  return {first, std::max(first, last)};
}

// What ONNX Runtime's QLinearAveragePool computes: a sum of reals, rounded with the zero point.
void average(const std::vector<const uint8_t*>& taps, int64_t channels, int zero_x, float scale_x, float count,
             float scale_y, float zero_y, uint8_t* y) {
  constexpr int64_t kSome = 64;
  for (int64_t first = 0; first < channels; first += kSome) {
    const int64_t n = std::min(kSome, channels - first);
    float sums[kSome] = {};
    for (const uint8_t* tap : taps) {
      for (int64_t c = 0; c < n; ++c) sums[c] += scale_x * float(int(tap[first + c]) - zero_x);
    }
    for (int64_t c = 0; c < n; ++c) {
      const float value = std::min(std::max(sums[c] / count / scale_y + zero_y, 0.0f), 255.0f);
      y[first + c] = uint8_t(int(std::nearbyint(value)));
    }
  }
}

}  // namespace

std::unique_ptr<Work> pool(const Run& run, const Layer& l) {
  const Place &x = run.place(l.x), &y = run.place(l.y);
  const int64_t channels = run.spec.tensors[size_t(l.x)].channels;
  const int64_t r = l.r ? l.r : x.h, s = l.s ? l.s : x.w;
  const int zero_x = int(run.spec.tensors[size_t(l.x)].zero), zero = int(run.spec.tensors[size_t(l.y)].zero);
  const float* const scales = l.kind == kAveragePool ? run.spec.floats(l.scale) : nullptr;
  const uint8_t* const from = run.pixels(l.x);
  uint8_t* const to = run.pixels(l.y);
  const int64_t bytes = x.row() * std::min(r, l.stride_h) + y.row();
  return row_work(y, bytes, [=, &run, &l, &x, &y](int64_t image, int64_t row) {
    std::vector<const uint8_t*> taps;
    std::vector<int32_t> sums;
    const int64_t top = row * l.stride_h - l.top;
    const Span v = inside(top, x.h, r, l.dilation_h);
    for (int64_t col = 0; col < y.w; ++col) {
      const int64_t left = col * l.stride_w - l.left;
      const Span h = inside(left, x.w, s, l.dilation_w);
      taps.clear();
      for (int64_t i = v.first; i < v.last; ++i) {
        for (int64_t j = h.first; j < h.last; ++j) {
          taps.push_back(from + image * x.image() + (top + i * l.dilation_h) * x.row() + (left + j * l.dilation_w) * x.channels);
        }
      }
      uint8_t* const pixel = to + image * y.image() + row * y.row() + col * y.channels;
      if (l.kind == kMaxPool) {
        if (taps.empty()) {
          std::memset(pixel, 0, size_t(channels));
        } else {
          run.isa.maximum(taps.data(), int64_t(taps.size()), channels, pixel);
        }
        continue;
      }
      const int64_t count = l.mode & kCountAll ? r * s : std::max<int64_t>(1, int64_t(taps.size()));
      if (l.r) {
        average(taps, channels, zero_x, scales[0], float(count), scales[1], float(zero), pixel);
        continue;
      }
      sums.assign(size_t(channels), int32_t(-zero_x * int64_t(taps.size())));
      for (const uint8_t* tap : taps) run.isa.sum(tap, 0, 1, channels, sums.data());
      run.isa.requantize(sums.data(), channels, scales[0] / (scales[1] * float(count)), zero, pixel);
    }
  });
}

std::unique_ptr<Work> elementwise(const Run& run, const Layer& l) {
  const Place &x = run.place(l.x), &y = run.place(l.y);
  const int64_t channels = run.spec.tensors[size_t(l.x)].channels;
  const int zero = int(run.spec.tensors[size_t(l.y)].zero);
  const uint8_t* const a = run.pixels(l.x);
  uint8_t* const to = run.pixels(l.y);
  if (l.kind == kTable) {
    const uint8_t* const table = run.spec.blob + l.weight;
    return row_work(y, x.row() + y.row(), [=, &x, &y](int64_t image, int64_t row) {
      for (int64_t col = 0; col < y.w; ++col) {
        const uint8_t* from = a + image * x.image() + row * x.row() + col * x.channels;
        uint8_t* pixel = to + image * y.image() + row * y.row() + col * y.channels;
        for (int64_t c = 0; c < channels; ++c) pixel[c] = table[from[c]];
      }
    });
  }
  if (l.kind == kNormalize) {
    const float* const f = run.spec.floats(l.scale);
    const Normalized how = {run.spec.floats(l.weight), f[0], f[1], f[2], int(run.spec.tensors[size_t(l.x)].zero), zero};
    return row_work(y, x.row() + y.row(), [=, &run, &x, &y](int64_t image, int64_t row) {
      for (int64_t col = 0; col < y.w; ++col) {
        const uint8_t* from = a + image * x.image() + row * x.row() + col * x.channels;
        run.isa.normalize(from, channels, how, to + image * y.image() + row * y.row() + col * y.channels);
      }
    });
  }
  const Place& other = run.place(l.other);
  const uint8_t* const b = run.pixels(l.other);
  const std::array<int, 2> zeros = {int(run.spec.tensors[size_t(l.x)].zero), int(run.spec.tensors[size_t(l.other)].zero)};
  const float* const scales = run.spec.floats(l.scale);
  const bool spread = other.h == 1 && other.w == 1 && l.kind == kMultiply;
  return row_work(y, x.row() + other.row() + y.row(), [=, &run, &l, &x, &y, &other](int64_t image, int64_t row) {
    for (int64_t col = 0; col < y.w; ++col) {
      const uint8_t* left = a + image * x.image() + row * x.row() + col * x.channels;
      const uint8_t* right = b + image * other.image() + (spread ? 0 : row * other.row() + col * other.channels);
      uint8_t* pixel = to + image * y.image() + row * y.row() + col * y.channels;
      if (l.kind == kAdd) {
        run.isa.add(left, right, channels, sum_of(scales), pixel);
      } else {
        run.isa.multiply(left, right, channels, *scales, zeros.data(), zero, pixel);
      }
    }
  });
}

std::unique_ptr<Work> quantize(const Run& run, const Layer& l) {
  const Place& y = run.place(l.y);
  const Tensor& t = run.spec.tensors[size_t(l.y)];
  const Input& input = run.inputs[size_t(l.x)];
  uint8_t* const to = run.pixels(l.y);
  const int64_t there = l.other;  // channels of the input; the others are the zero point
  return row_work(y, y.w * there * (l.mode == kFloatNchw ? 4 : 1) + y.row(), [=, &run, &l, &y, &t, &input](int64_t image, int64_t row) {
    uint8_t* const pixels = to + image * y.image() + row * y.row();
    if (l.mode == kByteNhwc) {
      const uint8_t* from = static_cast<const uint8_t*>(input.data) + (image * y.h + row) * y.w * there;
      for (int64_t col = 0; col < y.w; ++col) {
        std::memcpy(pixels + col * y.channels, from + col * there, size_t(there));
        std::memset(pixels + col * y.channels + there, int(t.zero), size_t(t.channels - there));
      }
      return;
    }
    const uint8_t* codes = static_cast<const uint8_t*>(input.data) + (image * there * y.h + row) * y.w;
    int64_t next = y.h * y.w;  // channel of them
    std::vector<uint8_t> made;
    if (l.mode == kFloatNchw) {
      const float* from = static_cast<const float*>(input.data) + (image * there * y.h + row) * y.w;
      made.resize(size_t(there * y.w));
      for (int64_t c = 0; c < there; ++c) {
        run.isa.quantize(from + c * next, y.w, *run.spec.floats(l.scale), int(t.zero), made.data() + c * y.w);
      }
      codes = made.data(), next = y.w;
    }
    run.isa.transpose(codes, next, there, y.w, pixels, y.channels);
    if (there == t.channels) return;
    for (int64_t col = 0; col < y.w; ++col) {
      std::memset(pixels + col * y.channels + there, int(t.zero), size_t(t.channels - there));
    }
  });
}

std::unique_ptr<Work> dequantize(const Run& run, const Layer& l) {
  const Place& x = run.place(l.x);
  const Tensor& t = run.spec.tensors[size_t(l.x)];
  const uint8_t* const from = run.pixels(l.x);
  void* const out = run.outputs[size_t(l.y)];
  const float scale = l.scale < 0 ? 0.0f : *run.spec.floats(l.scale);
  return row_work(x, 5 * x.row(), [=, &run, &l, &x, &t](int64_t image, int64_t row) {
    const uint8_t* const pixels = from + image * x.image() + row * x.row();
    if (l.mode == kToByteNhwc || l.mode == kToByteFlat) {
      uint8_t* to = static_cast<uint8_t*>(out) + (image * x.h + row) * x.w * t.channels;
      for (int64_t col = 0; col < x.w; ++col) std::memcpy(to + col * t.channels, pixels + col * x.channels, size_t(t.channels));
      return;
    }
    std::vector<uint8_t> codes(size_t(t.channels * x.w));
    run.isa.transpose(pixels, x.channels, x.w, t.channels, codes.data(), x.w);
    for (int64_t c = 0; c < t.channels; ++c) {
      const int64_t at = ((image * t.channels + c) * x.h + row) * x.w;
      const uint8_t* const channel = codes.data() + c * x.w;
      if (l.mode == kToByteNchw) {
        std::memcpy(static_cast<uint8_t*>(out) + at, channel, size_t(x.w));
      } else {
        run.isa.dequantize(channel, x.w, scale, int(t.zero), static_cast<float*>(out) + at);
      }
    }
  });
}

}  // namespace pyq8::int8
