// What a region computes, as its node says it: tensors, layers, and a blob of their constants. Checked once, when the
// kernel is made; `docs/reference/pyq8-operators.md` has the fields.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace pyq8::int8 {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// uint8, channels-last. A slice is some channels of its parent.
struct Tensor {
  int64_t channels, zero, parent, offset;  // parent -1: a tensor of its own
};
constexpr int kTensorFields = 4;

enum Kind : int64_t { kQuantize, kConv, kDepthwise, kMaxPool, kAveragePool, kAdd, kMultiply, kTable, kDequantize, kNormalize, kMove };

// Fields that a kind does not need are 0, -1 for tensors and offsets.
struct Layer {
  int64_t kind;
  int64_t x, other, y;              // tensors; x of kQuantize is an input, y of kDequantize an output of the node
  int64_t r, s;                     // kernel; 0 x 0: the whole image; of kMove a block
  int64_t stride_h, stride_w;
  int64_t top, left, bottom, right;  // pads; of kMove by which the image grows, its edge repeated, or is cut
  int64_t dilation_h, dilation_w;
  int64_t groups;
  int64_t mode;                     // see below
  int64_t weight, bias, scale, more;  // bytes into the blob
};
constexpr int kLayerFields = sizeof(Layer) / sizeof(int64_t);

// Layer::mode
enum Source : int64_t { kFloatNchw, kByteNchw, kByteNhwc };            // kQuantize: the input
enum Result : int64_t { kToBytes, kToFloat };                         // kConv: y is a tensor, or a float output [n][k]
enum Lookup : int64_t { kOneTable, kByChannel };                       // kTable
enum Pool : int64_t { kCountAll = 1, kCeil = 2 };                     // pools, added: divide by the pads too; ceil_mode
enum Order : int64_t { kPixelsFirst, kChannelsFirst };                // kMove: pixel and channel of a block as one number
enum Sink : int64_t { kToFloatNchw, kToByteNchw, kToFloatFlat, kToByteNhwc, kToByteFlat };  // kDequantize

// Constants of a layer in the blob, each at a multiple of 64 bytes:
//   kQuantize     scale: float[1]
//   kConv         weight: int8[groups][blocks][taps][steps][16][4], bias: int32[groups][blocks * 16], scale: float[same],
//                 more: the numbers of a Sum, float[5], where there is an `other`; scale is then that of the sum's operand;
//                 or those of a Requantized, float[3] (zero, scale, divisor), where its codes become others; else -1
//   kDepthwise    weight: int8[r * s][channels], bias: int32[channels], scale: float[channels]
//   kAveragePool  scale: float[2], of x and of y
//   kAdd          scale: the numbers of a Sum, float[5]
//   kMultiply     scale: float[1], of x times that of `other` over that of y
//   kTable        weight: uint8[256], or uint8[channels][256]
//   kDequantize   scale: float[1]
//   kNormalize    weight: float[channels], scale: float[3], of x, the least length, of y
struct Spec {
  std::vector<Tensor> tensors;
  std::vector<Layer> layers;
  const uint8_t* blob;
  int64_t blob_bytes;
  int64_t inputs = 0, outputs = 0;

  Spec(const int64_t* tensor_fields, int64_t tensor_count, const int64_t* layer_fields, int64_t layer_count,
       const uint8_t* blob, int64_t blob_bytes);

  const float* floats(int64_t offset) const { return reinterpret_cast<const float*>(blob + offset); }
  bool byte_input(int64_t input) const;
  bool byte_output(int64_t output) const;
  const int32_t* ints(int64_t offset) const { return reinterpret_cast<const int32_t*>(blob + offset); }
};

// Of a convolution of `channels` inputs a group: a tap is a row of the kernel where its pixels lie side by side.
struct Taps {
  bool rows;
  int64_t count, steps;
};
Taps taps_of(const Spec& spec, const Layer& layer);
int64_t root_of(const Spec& spec, int64_t tensor);

}  // namespace pyq8::int8
