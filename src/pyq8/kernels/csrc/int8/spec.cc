#include "int8/spec.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "int8/isa.h"

namespace pyq8::int8 {
namespace {

constexpr int64_t kMost = int64_t(1) << 31;   // of any size
constexpr int64_t kMostNormalized = 1 << 15;  // 2^15 * 255^2 < 2^31
constexpr int64_t kMostProducts = 1 << 16;    // 2^16 * 255 * 128 < 2^31
constexpr double kMostResult = 2147483520.0;  // the largest float below 2^31
constexpr int64_t kMostBlock = 64;
constexpr int64_t kMostCount = 1 << 16;       // of tensors and layers

[[noreturn]] void fail(size_t layer, const std::string& what) {
  throw Error("layer " + std::to_string(layer) + ": " + what);
}

class Check {
 public:
  Check(Spec& spec, size_t index, std::vector<char>& written)
      : spec_(spec), index_(index), l_(spec.layers[index]), written_(written) {}

  void one() {
    const bool two = l_.kind == kQuantize || l_.kind == kConv || l_.kind == kAdd || l_.kind == kMultiply;
    need(two || l_.other < 0, "reads a second tensor");
    switch (l_.kind) {
      case kQuantize:
        need(l_.x >= 0 && l_.x < kMostCount, "no such input");
        need(l_.mode >= kFloatNchw && l_.mode <= kByteNhwc, "no such form of an input");
        if (l_.mode == kFloatNchw) scales(l_.scale, 1), need(spec_.floats(l_.scale)[0] > 0, "a scale of zero");
        need(l_.other >= 1 && l_.other <= write(l_.y).channels, "channels of the input that do not fit the tensor");
        spec_.inputs = l_.x >= spec_.inputs ? l_.x + 1 : spec_.inputs;
        return;
      case kConv:
        return convolution();
      case kDepthwise: {
        const Tensor &x = read(l_.x), &y = write(l_.y);
        window(false);
        need(x.channels == y.channels, "channels differ");
        constant(l_.weight, l_.r * l_.s * x.channels, 1, "its weights are not inside of the constants");
        constant(l_.bias, x.channels, 4, "its bias is not inside of the constants");
        scales(l_.scale, x.channels);
        results(x.channels, l_.r * l_.s);
        return;
      }
      case kMaxPool:
      case kAveragePool:
        window(true);
        need(read(l_.x).channels == write(l_.y).channels, "channels differ");
        need(l_.mode >= 0 && l_.mode <= 3, "no such mode");
        if (l_.kind == kAveragePool) scales(l_.scale, 2), need(spec_.floats(l_.scale)[1] > 0, "a scale of zero");
        return;
      case kAdd:
      case kMultiply: {
        const int64_t channels = read(l_.x).channels;
        need(channels == read(l_.other).channels && channels == write(l_.y).channels, "channels differ");
        if (l_.kind == kAdd) {
          sum(l_.scale);
        } else {
          scales(l_.scale, 1);
        }
        return;
      }
      case kTable:
        need(read(l_.x).channels == write(l_.y).channels, "channels differ");
        need(l_.mode == kOneTable || l_.mode == kByChannel, "no such mode");
        constant(l_.weight, l_.mode == kByChannel ? 256 * tensor(l_.x).channels : 256, 1,
                 "its table is not inside of the constants");
        return;
      case kMove: {
        const Tensor &x = read(l_.x), &y = write(l_.y);
        need(l_.r >= 1 && l_.r <= kMostBlock && l_.s == l_.r, "a block is not of 1 ... 64 rows and as many columns");
        need(x.channels == y.channels * l_.r * l_.s, "channels that do not fit its blocks");
        need(l_.mode == kPixelsFirst || l_.mode == kChannelsFirst, "no such mode");
        for (const int64_t v : {l_.top, l_.left, l_.bottom, l_.right}) {
          need(v > -4096 && v < 4096, "what it adds or cuts is not within +-4095");
        }
        return;
      }
      case kNormalize: {
        const Tensor &x = read(l_.x), &y = write(l_.y);
        need(x.channels == y.channels && x.channels <= kMostNormalized, "channels that differ, or too many");
        constant(l_.weight, x.channels, 4, "its weights are not inside of the constants");
        scales(l_.scale, 3);
        need(spec_.floats(l_.scale)[1] > 0 && spec_.floats(l_.scale)[2] > 0, "a scale of zero");
        return;
      }
      case kDequantize:
        read(l_.x);
        need(l_.mode >= kToFloatNchw && l_.mode <= kToByteFlat, "no such form of an output");
        if (l_.mode == kToFloatNchw || l_.mode == kToFloatFlat) scales(l_.scale, 1);
        result();
        return;
      default:
        fail(index_, "no such kind");
    }
  }

 private:
  void need(bool right, const char* what) const {
    if (!right) fail(index_, what);
  }
  const Tensor& tensor(int64_t id) const {
    need(id >= 0 && id < int64_t(spec_.tensors.size()), "no such tensor");
    return spec_.tensors[size_t(id)];
  }
  // Of a tensor that earlier layers wrote: it, what it is a slice of, or slices that hold all of it.
  const Tensor& read(int64_t id) const {
    const Tensor& t = tensor(id);
    int64_t there = written_[size_t(id)] ? t.channels : 0;
    if (t.parent >= 0 && written_[size_t(t.parent)]) there = t.channels;
    const int64_t whole = t.parent < 0 ? id : t.parent, first = t.parent < 0 ? 0 : t.offset;
    for (size_t i = 0; i < spec_.tensors.size() && there < t.channels; ++i) {
      const Tensor& part = spec_.tensors[i];
      if (part.parent != whole || !written_[i]) continue;
      const int64_t begin = std::max(first, part.offset);
      there += std::max<int64_t>(0, std::min(first + t.channels, part.offset + part.channels) - begin);
    }
    need(there >= t.channels, "reads a tensor that no layer before it writes");
    return t;
  }
  const Tensor& write(int64_t id) {
    const Tensor& t = tensor(id);
    need(!written_[size_t(id)], "writes a tensor that is written already");
    written_[size_t(id)] = 1;
    return t;
  }
  void constant(int64_t offset, int64_t count, int64_t size, const char* what) const {
    need(offset >= 0 && offset % 64 == 0 && count > 0 && count <= spec_.blob_bytes / size &&
             offset <= spec_.blob_bytes - count * size,
         what);
  }
  void scales(int64_t offset, int64_t count) const {
    constant(offset, count, 4, "its scales are not inside of the constants");
    for (int64_t i = 0; i < count; ++i) {
      const float value = spec_.floats(offset)[i];
      need(value >= 0 && value <= 1e6f, "a scale is not within 0 ... 1e6");
    }
  }
  // Every result, before it is saturated, is a number that INT32 holds.
  void results(int64_t count, int64_t products) const {
    const double most = 255.0 * 128 * double(products);
    for (int64_t i = 0; i < count; ++i) {
      const double sum = most + std::abs(double(spec_.ints(l_.bias)[i]));
      need(sum * double(spec_.floats(l_.scale)[i]) < kMostResult, "its results may not fit INT32");
    }
  }
  void sum(int64_t offset) const {
    constant(offset, 5, 4, "the numbers of its sum are not inside of the constants");
    const float* const f = spec_.floats(offset);
    for (int i = 0; i < 5; ++i) need(f[i] >= -1e6f && f[i] <= 1e6f, "a number of its sum is not within +-1e6");
    need(f[3] >= 0 && f[3] <= 255, "the zero point of its sum is not within 0 ... 255");
  }
  void window(bool whole) const {
    for (const int64_t v : {l_.stride_h, l_.stride_w, l_.dilation_h, l_.dilation_w}) {
      need(v >= 1 && v < 4096, "a stride or dilation is not within 1 ... 4095");
    }
    for (const int64_t v : {l_.top, l_.left, l_.bottom, l_.right})
      need(v >= 0 && v < 4096, "a pad is not within 0 ... 4095");
    for (const int64_t v : {l_.r, l_.s}) need(v >= (whole ? 0 : 1) && v < 4096, "a kernel is not within 1 ... 4095");
    need((l_.r == 0) == (l_.s == 0), "a kernel of no height or width");
  }

  void result() {
    need(l_.y == spec_.outputs, "outputs are not in order");
    ++spec_.outputs;
  }

  void convolution() {
    const Tensor& x = read(l_.x);
    window(false);
    int64_t outputs = l_.other < 0 ? l_.more : 0;
    if (l_.mode == kToBytes) {
      if (l_.other >= 0) {
        need(read(l_.other).channels == tensor(l_.y).channels, "channels differ");
        sum(l_.more);
      } else if (l_.more >= 0) {
        constant(l_.more, 3, 4, "the numbers of its requantization are not inside of the constants");
        const float* const f = spec_.floats(l_.more);
        need(f[0] >= 0 && f[0] <= 255 && f[1] >= 0 && f[1] <= 1e6f && f[2] >= 1e-30f && f[2] <= 1e6f,
             "the numbers of its requantization do not fit");
        need(255 * double(f[1]) / double(f[2]) < kMostResult, "its results may not fit INT32");
      }
      outputs = write(l_.y).channels;
    } else {
      need(l_.mode == kToFloat && l_.other < 0, "no such mode");
      result();
    }
    need(outputs >= 1 && outputs < kMostCount, "no such number of outputs");
    need(l_.groups >= 1 && x.channels % l_.groups == 0 && outputs % l_.groups == 0,
         "channels that its groups do not divide");
    const Taps taps = taps_of(spec_, l_);
    need(taps.count * taps.steps * kGroup <= kMostProducts, "more products than an INT32 sum holds");
    const int64_t lanes = (outputs / l_.groups + kOutputs - 1) / kOutputs * kOutputs * l_.groups;
    constant(l_.weight, lanes * taps.count * taps.steps * kGroup, 1, "its weights are not inside of the constants");
    constant(l_.bias, lanes, 4, "its bias is not inside of the constants");
    scales(l_.scale, lanes);
    results(lanes, taps.count * taps.steps * kGroup);
  }

  Spec& spec_;
  const size_t index_;
  const Layer& l_;
  std::vector<char>& written_;
};

}  // namespace

Taps taps_of(const Spec& spec, const Layer& l) {
  const Tensor& x = spec.tensors[size_t(l.x)];
  const int64_t channels = x.channels / l.groups;
  const int64_t all = spec.tensors[size_t(root_of(spec, l.x))].channels;
  if (l.dilation_w == 1 && l.groups == 1 && channels == all) return {true, l.r, (l.s * channels + kGroup - 1) / kGroup};
  return {false, l.r * l.s, (channels + kGroup - 1) / kGroup};
}

bool Spec::byte_input(int64_t input) const {
  for (const Layer& l : layers) {
    if (l.kind == kQuantize && l.x == input) return l.mode != kFloatNchw;
  }
  return false;
}

bool Spec::byte_output(int64_t output) const {
  for (const Layer& l : layers) {
    if (l.kind == kDequantize && l.y == output) return l.mode != kToFloatNchw && l.mode != kToFloatFlat;
  }
  return false;
}

int64_t root_of(const Spec& spec, int64_t tensor) {
  const int64_t parent = spec.tensors[size_t(tensor)].parent;
  return parent < 0 ? tensor : parent;
}

Spec::Spec(const int64_t* tensor_fields, int64_t tensor_count, const int64_t* layer_fields, int64_t layer_count,
           const uint8_t* constants, int64_t bytes)
    : blob(constants), blob_bytes(bytes) {
  if (tensor_count % kTensorFields || layer_count % kLayerFields || !tensor_count || !layer_count ||
      tensor_count > kMostCount * kTensorFields || layer_count > kMostCount * kLayerFields) {
    throw Error("its tensors or layers are not whole");
  }
  tensors.resize(size_t(tensor_count / kTensorFields));
  layers.resize(size_t(layer_count / kLayerFields));
  std::memcpy(tensors.data(), tensor_fields, size_t(tensor_count) * 8);
  std::memcpy(layers.data(), layer_fields, size_t(layer_count) * 8);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    bool right = t.channels >= 1 && t.channels < kMost && t.zero >= 0 && t.zero <= 255 && t.parent >= -1 &&
                 t.parent < int64_t(tensors.size()) && t.offset >= 0;
    if (right && t.parent >= 0) {
      const Tensor& p = tensors[size_t(t.parent)];
      right = p.parent < 0 && t.zero == p.zero && t.offset <= p.channels - t.channels;
    }
    if (!right) throw Error("tensor " + std::to_string(i) + ": its numbers do not fit");
  }
  std::vector<char> written(tensors.size(), 0);
  for (size_t i = 0; i < layers.size(); ++i) Check(*this, i, written).one();
  if (!outputs) throw Error("it has no output");
}

}  // namespace pyq8::int8
