// Pools, operators on single values, and the ways in and out.
#include <algorithm>
#include <array>
#include <cstring>

#include "int8/work.h"

namespace pyq8::int8 {
namespace {

// What they cost, in products of a convolution: a tap of a pixel of a pool, and each of its channels.
constexpr double kOfTap = 1500, kOfByte = 8;

struct Span {
  int64_t first, last;
};

// Taps of a window that are inside of the image.
Span inside(int64_t at, int64_t size, int64_t kernel, int64_t dilation) {
  const int64_t first = at < 0 ? std::min(kernel, (-at + dilation - 1) / dilation) : 0;
  const int64_t last = at >= size ? 0 : std::min(kernel, (size - at + dilation - 1) / dilation);
  return {first, std::max(first, last)};
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
  Load load;
  load.row_bytes = x.row() * std::min(r, l.stride_h) + y.row();
  const double products = double(r * s) * (kOfTap + kOfByte * double(channels));
  return pixel_work(y, load, products, 0, [=, &run, &l, &x, &y](int64_t image, int64_t row, int64_t begin, int64_t end, int64_t, int64_t) {
    std::vector<const uint8_t*> taps;
    std::vector<int32_t> sums;
    const int64_t top = row * l.stride_h - l.top;
    const Span v = inside(top, x.h, r, l.dilation_h);
    for (int64_t col = begin; col < end; ++col) {
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
        run.isa.average(taps.data(), int64_t(taps.size()), channels, {zero_x, zero, scales[0], scales[1], float(count)}, pixel);
        continue;
      }
      sums.assign(size_t(channels), int32_t(-zero_x * int64_t(taps.size())));
      for (const uint8_t* tap : taps) run.isa.sum(tap, 0, 1, channels, sums.data());
      run.isa.requantize(sums.data(), channels, scales[0] / (scales[1] * float(count)), zero, pixel);
    }
  });
}

namespace {

// Calls f(from, other, to, n) for every pixel; with `whole_rows` once a row, where no other channels lie between its
// pixels. `other`, if there is one, has as many pixels as x, or one for all.
template <class F>
std::unique_ptr<Work> by_pixels(const Run& run, const Layer& l, bool whole_rows, F f) {
  const Place &x = run.place(l.x), &y = run.place(l.y);
  const Place& other = l.other >= 0 ? run.place(l.other) : x;
  const int64_t channels = run.spec.tensors[size_t(l.x)].channels;
  const uint8_t *const a = run.pixels(l.x), *const b = l.other >= 0 ? run.pixels(l.other) : nullptr;
  uint8_t* const to = run.pixels(l.y);
  const bool spread = b && other.h == 1 && other.w == 1 && y.h * y.w > 1;
  const bool dense = whole_rows && x.channels == channels && y.channels == channels && (spread || !b || other.channels == channels);
  Load load;
  load.row_bytes = x.row() + y.row() + (b ? other.row() : 0);
  const double products = kOfMovedByte * double(load.row_bytes) / double(y.w);
  return pixel_work(y, load, products, 0, [=, &x, &y, &other](int64_t image, int64_t row, int64_t begin, int64_t end, int64_t, int64_t) {
    const int64_t cols = end - begin;
    const uint8_t* from = a + image * x.image() + row * x.row() + begin * x.channels;
    const uint8_t* with = b ? b + image * other.image() + (spread ? 0 : row * other.row() + begin * other.channels) : nullptr;
    uint8_t* pixels = to + image * y.image() + row * y.row() + begin * y.channels;
    if (!dense) {
      for (int64_t col = 0; col < cols; ++col) {
        f(from + col * x.channels, with && !spread ? with + col * other.channels : with, pixels + col * y.channels, channels);
      }
      return;
    }
    std::vector<uint8_t> repeated;
    if (spread) {
      repeated.resize(size_t(cols * channels));
      for (int64_t col = 0; col < cols; ++col) std::memcpy(repeated.data() + col * channels, with, size_t(channels));
      with = repeated.data();
    }
    f(from, with, pixels, cols * channels);
  });
}

}  // namespace

std::unique_ptr<Work> elementwise(const Run& run, const Layer& l) {
  const auto zero = [&](int64_t tensor) { return int(run.spec.tensors[size_t(tensor)].zero); };
  const Isa& isa = run.isa;
  if (l.kind == kTable) {
    const uint8_t* const table = run.spec.blob + l.weight;
    if (l.mode == kByChannel) {
      return by_pixels(run, l, false, [=](const uint8_t* x, const uint8_t*, uint8_t* y, int64_t n) {
        for (int64_t c = 0; c < n; ++c) y[c] = table[256 * c + x[c]];
      });
    }
    return by_pixels(run, l, true, [=, &isa](const uint8_t* x, const uint8_t*, uint8_t* y, int64_t n) {
      isa.table(x, n, table, y);
    });
  }
  const float* const f = run.spec.floats(l.scale);
  if (l.kind == kNormalize) {
    const Normalized how = {run.spec.floats(l.weight), f[0], f[1], f[2], zero(l.x), zero(l.y)};
    return by_pixels(run, l, false, [=, &isa](const uint8_t* x, const uint8_t*, uint8_t* y, int64_t n) {
      isa.normalize(x, n, how, y);
    });
  }
  if (l.kind == kAdd) {
    return by_pixels(run, l, true, [=, &isa](const uint8_t* x, const uint8_t* other, uint8_t* y, int64_t n) {
      isa.add(x, other, n, sum_of(f), y);
    });
  }
  const std::array<int, 2> zeros = {zero(l.x), zero(l.other)};
  return by_pixels(run, l, true, [=, &isa, to = zero(l.y)](const uint8_t* x, const uint8_t* other, uint8_t* y, int64_t n) {
    isa.multiply(x, other, n, *f, zeros.data(), to, y);
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
  Load load;
  load.row_bytes = 5 * x.row();
  const double products = kOfMovedByte * 5 * double(t.channels);
  return pixel_work(x, load, products, 0, [=, &run, &l, &x, &t](int64_t image, int64_t row, int64_t begin, int64_t end, int64_t, int64_t) {
    const int64_t cols = end - begin;
    const uint8_t* const pixels = from + image * x.image() + row * x.row() + begin * x.channels;
    if (l.mode == kToByteNhwc || l.mode == kToByteFlat) {
      uint8_t* to = static_cast<uint8_t*>(out) + ((image * x.h + row) * x.w + begin) * t.channels;
      for (int64_t col = 0; col < cols; ++col) std::memcpy(to + col * t.channels, pixels + col * x.channels, size_t(t.channels));
      return;
    }
    std::vector<uint8_t> codes(size_t(t.channels * cols));
    run.isa.transpose(pixels, x.channels, cols, t.channels, codes.data(), cols);
    for (int64_t c = 0; c < t.channels; ++c) {
      const int64_t at = ((image * t.channels + c) * x.h + row) * x.w + begin;
      const uint8_t* const channel = codes.data() + c * cols;
      if (l.mode == kToByteNchw) {
        std::memcpy(static_cast<uint8_t*>(out) + at, channel, size_t(cols));
      } else {
        run.isa.dequantize(channel, cols, scale, int(t.zero), static_cast<float*>(out) + at);
      }
    }
  });
}

}  // namespace pyq8::int8
