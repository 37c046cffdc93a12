// A layer, ready to compute any piece of its result.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "int8/division.h"
#include "int8/isa.h"
#include "int8/listed.h"
#include "int8/plan.h"

namespace pyq8::int8 {

struct Input {
  const void* data;
  Shape shape;
};

// What the layers of one run share.
struct Run {
  const Isa& isa;
  const Spec& spec;
  const ListedLayers& listed;
  const Plan& plan;
  uint8_t* memory;
  const std::vector<Input>& inputs;
  const std::vector<void*>& outputs;

  const std::vector<ListedBlock>& listed_of(const Layer& layer) const {
    return listed[size_t(&layer - spec.layers.data())];
  }
  const Place& place(int64_t tensor) const { return plan.places[size_t(root_of(spec, tensor))]; }
  // Where pixel (0, 0) of image 0 is.
  uint8_t* pixels(int64_t tensor) const {
    const Place& p = place(tensor);
    const Tensor& t = spec.tensors[size_t(tensor)];
    return memory + p.begin + p.top * p.row() + p.left * p.channels + (t.parent < 0 ? 0 : t.offset);
  }
};

class Work {
 public:
  virtual ~Work() = default;
  virtual void compute(const Piece& piece, const Parts& units) const = 0;
  // In products, as `Cost`.
  virtual double cost(int64_t rows, int64_t units) const = 0;

  // From now on its rows are single pixels, beyond the end of an image too where images follow one another without a gap.
  virtual void flatten() {}

  Load load;
};

std::unique_ptr<Work> convolution(const Run& run, const Layer& layer);
std::unique_ptr<Work> depthwise(const Run& run, const Layer& layer);
std::unique_ptr<Work> pool(const Run& run, const Layer& layer);
std::unique_ptr<Work> elementwise(const Run& run, const Layer& layer);
std::unique_ptr<Work> move(const Run& run, const Layer& layer);
std::unique_ptr<Work> quantize(const Run& run, const Layer& layer);
std::unique_ptr<Work> dequantize(const Run& run, const Layer& layer);

// What a byte costs that is read or written by a layer which does little else, in products of a convolution.
constexpr double kOfMovedByte = 20;

// Calls f(image, row) for every row.
template <class F>
class RowWork : public Work {
 public:
  RowWork(const Place& place, int64_t bytes, F f) : f_(std::move(f)) {
    load.images = place.n, load.height = place.h, load.row_bytes = bytes;
  }
  void compute(const Piece& piece, const Parts&) const override {
    for (int64_t row = piece.first; row < piece.last; ++row) f_(piece.image, row);
  }
  double cost(int64_t rows, int64_t) const override { return kOfMovedByte * double(rows * load.row_bytes); }

 private:
  const F f_;
};

template <class F>
std::unique_ptr<Work> row_work(const Place& place, int64_t bytes, F f) {
  return std::make_unique<RowWork<F>>(place, bytes, std::move(f));
}

// Calls f(row, first, last) for the columns of every row that some of the pixels of an image of `width` are in.
template <class F>
void each_row(int64_t pixel, int64_t end, int64_t width, F f) {
  while (pixel < end) {
    const int64_t row = pixel / width, first = pixel % width, last = std::min(width, first + end - pixel);
    f(row, first, last);
    pixel += last - first;
  }
}

// Calls f(image, row, first column, behind the last one, first unit, behind the last one). A call costs as much as `ahead`
// columns before it begins.
template <class F>
class PixelWork : public Work {
 public:
  PixelWork(const Place& place, const Load& load, double products, int64_t ahead, F f)
      : width_(place.w), of_row_(place.w), products_(products), ahead_(ahead), f_(std::move(f)) {
    this->load = load;
    this->load.images = place.n, this->load.height = place.h;
  }
  void flatten() override {
    load.height *= width_, load.row_bytes = up(load.row_bytes, width_);
    of_row_ = 1;
  }
  void compute(const Piece& piece, const Parts& units) const override {
    const int64_t first_unit = units.begin(piece.part), last_unit = units.begin(piece.part + 1);
    each_row(piece.first * of_row_, piece.last * of_row_, width_, [&](int64_t row, int64_t first, int64_t last) {
      f_(piece.image, row, first, last, first_unit, last_unit);
    });
  }
  double cost(int64_t rows, int64_t units) const override {
    const int64_t pixels = rows * of_row_;
    return products_ * double(pixels + ahead_ * up(pixels, width_)) * double(units) / double(load.units);
  }

 private:
  const int64_t width_;
  int64_t of_row_;         // pixels of what is counted as a row
  const double products_;  // what a pixel costs
  const int64_t ahead_;
  const F f_;
};

template <class F>
std::unique_ptr<Work> pixel_work(const Place& place, const Load& load, double products, int64_t ahead, F f) {
  return std::make_unique<PixelWork<F>>(place, load, products, ahead, std::move(f));
}

inline Sum sum_of(const float* f) { return {f[0], f[1], f[2], f[3], f[4] != 0}; }

}  // namespace pyq8::int8
