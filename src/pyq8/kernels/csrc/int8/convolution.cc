// Convolutions through the register tile.
#include <algorithm>

#include "int8/work.h"

namespace pyq8::int8 {
namespace {

// How a row of pixels is cut: `tiles` of `pixels`, the first `longer` of them one more.
struct Cut {
  int64_t tiles, pixels, longer;
  Cut(int64_t all, int64_t most) : tiles(up(all, most)), pixels(all / tiles), longer(all % tiles) {}
  int64_t begin(int64_t tile) const { return tile * pixels + std::min(tile, longer); }
  int rows(int64_t tile) const { return int(pixels + (tile < longer)); }
};

constexpr double kOfProduct = kOutputs * kGroup;  // products in a dot product of a block
// Beside the dot products, in their time: to begin a tile, for every step of it, to requantize a block of a pixel.
constexpr double kTile = 40, kStep = 5, kResult = 10;

// Time of a step of a tile, in units of one dot product: they, or loads of which two go with each.
double step_cost(int rows, int blocks) {
  const int held = rows * blocks + blocks + 1 > 32 ? rows : 0;
  return std::max<double>(rows * blocks, 0.5 * (rows + blocks + held)) + 0.5;
}

// The number of blocks of a tile that costs least.
int choose_blocks(const Tiles& tiles, int64_t all, int64_t row) {
  int best = 1;
  double least = 0;
  for (int v = 1; v <= kMostBlocks; ++v) {
    if (!tiles.rows[v]) continue;
    double cost = 0;
    for (int64_t first = 0; first < all; first += v) {
      const int n = int(std::min<int64_t>(v, all - first));
      const Cut cut(row, tiles.rows[n]);
      cost += double(cut.longer) * step_cost(cut.rows(0), n) +
              double(cut.tiles - cut.longer) * step_cost(int(cut.pixels), n);
    }
    if (least == 0 || cost <= least) best = v, least = cost;
  }
  return best;
}

class Convolution : public Work {
 public:
  Convolution(const Run& run, const Layer& l) : isa_(run.isa), listed_(run.listed_of(l)), groups_(l.groups) {
    const Spec& spec = run.spec;
    const Place& x = run.place(l.x);
    const bool real = l.mode == kToFloat;
    const int64_t outputs = real ? l.more : spec.tensors[size_t(l.y)].channels;
    of_group_ = outputs / groups_;
    in_group_ = spec.tensors[size_t(l.x)].channels / groups_;
    const Taps taps = taps_of(spec, l);
    for (int64_t r = 0; r < l.r; ++r) {
      const int64_t row = (r * l.dilation_h - l.top) * x.row();
      for (int64_t s = 0; s < (taps.rows ? 1 : l.s); ++s)
        offsets_.push_back(row + (s * l.dilation_w - l.left) * x.channels);
    }
    x_ = {x.image(), l.stride_h * x.row(), l.stride_w * x.channels};
    if (real) {
      load.images = x.n, load.height = cols_ = 1, y_ = {outputs, outputs, outputs};
    } else {
      const Place& y = run.place(l.y);
      load.images = y.n, load.height = y.h, cols_ = y.w, y_ = {y.image(), y.row(), y.channels};
    }
    if (l.other >= 0) {
      const Place& other = run.place(l.other);
      other_ = {other.image(), other.row(), other.channels};
    }
    of_row_ = cols_;
    const int64_t images = load.images, height = load.height;
    load.row_bytes = x.row() * std::min(l.r, l.stride_h) + y_.row * (real ? 4 : 1) + other_.row;
    const auto all = [&](auto follow) { return follow(x_) && follow(y_) && (l.other < 0 || follow(other_)); };
    rows_joined_ = all([&](const Steps& s) { return s.row == cols_ * s.pixel; });
    joined_ = rows_joined_ && all([&](const Steps& s) { return s.image == height * s.row; });
    blocks_ = up(of_group_, kOutputs);
    steps_ = taps.count * taps.steps;
    block_bytes_ = steps_ * kGroup * kOutputs;
    load.weight_bytes = groups_ * blocks_ * block_bytes_;
    wide_ = choose_blocks(isa_.tiles, blocks_,
                          joined_        ? images * height * cols_
                          : rows_joined_ ? height * cols_
                                         : cols_);
    load.units = groups_ * blocks_;

    same_.row = x_.pixel;
    same_.offsets = offsets_.data();
    same_.taps = taps.count;
    same_.steps = taps.steps;
    same_.other_row = other_.pixel;
    same_.y_row = y_.pixel;
    if (l.other >= 0) {
      same_.sum = sum_of(spec.floats(l.more));
    } else if (!real && l.more >= 0) {
      const float* const f = spec.floats(l.more);
      same_.then = {true, f[0], f[1], f[2]};
    }
    if (!real) same_.zero = int(spec.tensors[size_t(l.y)].zero);
    same_.x = run.pixels(l.x);
    same_.other = l.other >= 0 ? run.pixels(l.other) : nullptr;
    same_.y = real ? nullptr : run.pixels(l.y);
    same_.real = real ? static_cast<float*>(run.outputs[size_t(l.y)]) : nullptr;
    weights_ = reinterpret_cast<const int8_t*>(spec.blob + l.weight);
    same_.bias = spec.ints(l.bias);
    same_.scale = spec.floats(l.scale);
  }

  void flatten() override {
    load.height *= cols_, load.row_bytes = up(load.row_bytes, cols_);
    of_row_ = 1;
    if (joined_) load.height *= load.images, load.images = 1;
  }

  double cost(int64_t rows, int64_t units) const override {
    const int64_t all = rows * of_row_, lines = rows_joined_ ? 1 : all / cols_;
    double sum = 0;
    for (int64_t first = 0; first < units; first += chunk(first, units).count) {
      const int64_t blocks = chunk(first, units).count;
      if (lines) sum += double(lines) * line_cost(rows_joined_ ? all : cols_, blocks);
      // What is no whole row lies in two of them.
      if (!rows_joined_ && all % cols_) sum += 2 * line_cost(up(all % cols_, 2), blocks);
    }
    return sum;
  }

  void compute(const Piece& piece, const Parts& units) const override {
    const int64_t begin = piece.first * of_row_, end = piece.last * of_row_, end_lane = units.begin(piece.part + 1);
    for (int64_t lane = units.begin(piece.part), count; lane < end_lane; lane += count) {
      const Chunk some = chunk(lane, end_lane);
      count = some.count;
      const int64_t output = some.group * of_group_ + some.block * kOutputs;
      const Tiles& tiles = isa_.tiles;
      Tile t = same_;
      for (int64_t i = 0; i < count; ++i) t.w[i] = weights_ + (lane + i) * block_bytes_;
      t.bias += lane * kOutputs;
      if (isa_.listed) {  // one block
        t.listed = listed_[size_t(lane)].vectors.data();
        t.bias = listed_[size_t(lane)].bias.data();
      }
      t.scale += lane * kOutputs;
      t.width = int(std::min(count * kOutputs, of_group_ - some.block * kOutputs));
      const auto line = [&](int64_t row, int64_t first, int64_t last) {
        const Cut cut(last - first, tiles.rows[count]);
        for (int64_t tile = 0; tile < cut.tiles; ++tile) {
          const int64_t col = first + cut.begin(tile);
          t.x = same_.x + x_.at(piece.image, row, col) + some.group * in_group_;
          const int64_t to = y_.at(piece.image, row, col) + output;
          if (same_.y) {
            t.y = same_.y + to;
          } else {
            t.real = same_.real + to;
          }
          if (same_.other) t.other = same_.other + other_.at(piece.image, row, col) + output;
          tiles.of[count][cut.rows(tile) - 1](t);
        }
      };
      if (rows_joined_) {
        line(0, begin, end);  // columns beyond those of a row are in the next one
      } else {
        each_row(begin, end, cols_, line);
      }
    }
  }

 private:
  // Bytes, of a float result numbers, from image to image, row to row and pixel to pixel.
  struct Steps {
    int64_t image = 0, row = 0, pixel = 0;
    int64_t at(int64_t i, int64_t j, int64_t k) const { return i * image + j * row + k * pixel; }
  };

  // Blocks that a tile computes together: of one group.
  struct Chunk {
    int64_t group, block, count;
  };
  Chunk chunk(int64_t lane, int64_t end) const {
    const int64_t block = lane % blocks_;
    return {lane / blocks_, block, std::min({int64_t(wide_), blocks_ - block, end - lane})};
  }

  // Of so many pixels side by side.
  double line_cost(int64_t pixels, int64_t blocks) const {
    const Cut cut(pixels, isa_.tiles.rows[blocks]);
    const auto of = [&](int64_t tiles, int64_t wide) {
      const double finish = kTile + kResult * double(wide * blocks);
      return kOfProduct * double(tiles) * (double(steps_) * (kStep + step_cost(int(wide), int(blocks))) + finish);
    };
    return of(cut.longer, cut.pixels + 1) + of(cut.tiles - cut.longer, cut.pixels);
  }

  const Isa& isa_;
  const std::vector<ListedBlock>& listed_;  // block by block, or empty
  const int64_t groups_;
  int64_t of_group_, in_group_, cols_, of_row_, blocks_, steps_, block_bytes_;
  const int8_t* weights_;
  int wide_;                   // blocks of a tile
  bool rows_joined_, joined_;  // rows, images follow one another without a gap
  std::vector<int64_t> offsets_;
  Steps x_, y_, other_;
  Tile same_{};
};

}  // namespace

std::unique_ptr<Work> convolution(const Run& run, const Layer& l) { return std::make_unique<Convolution>(run, l); }

}  // namespace pyq8::int8
