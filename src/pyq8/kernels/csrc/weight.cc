// dw[k][t][c] = sum over pixels p of dy[p][k] * x[p at tap t][c]: dy is broadcast, x is the vector, a step is two pixels.
//
// Pixels are taken in blocks of kBlock: the operands of a block are interleaved by pairs of pixels, and its chains end with
// it. The sums of a tile go through all blocks in order, whatever thread adds them.
#include "weight.h"

#include <algorithm>
#include <vector>

#include "chain.h"
#include "threads.h"
#include "workspace.h"

namespace pyq8 {
namespace {

constexpr int64_t kBlock = 1024;            // pixels; part of what the result is, see reference.py
constexpr int64_t kRegion = 1 << 20;        // bytes of dy interleaved at a time
constexpr int64_t kSteps = kBlock / 2;

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

class Gradient {
 public:
  Gradient(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* dy, float* dw)
      : isa_(isa), call_(call), c_(c), x_(x), dy_(dy), dw_(dw) {
    width_ = kVectors * isa.lanes;
    cg_ = c.c / c.groups, kg_ = c.k / c.groups;
    c_blocks_ = up(cg_, width_);
    rows_ = up(kg_, up(kg_, isa.rows));
    k_tiles_ = up(kg_, rows_);
    taps_ = c.r * c.s;
    pixels_ = c.n * c.ho * c.wo;
    blocks_ = up(pixels_, kBlock);
    panel_ = kSteps * rows_ * 2;
    region_ = std::clamp<int64_t>(kRegion / (k_tiles_ * panel_ * 2), 1, blocks_);
    chains_.resize(size_t(region_ * k_tiles_));
    panels_ = workspace().packed.of<int16_t>(region_ * k_tiles_ * panel_);
    if (blocks_ > 1) sums_ = workspace().sums.of<float>(taps_ * c_blocks_ * k_tiles_ * rows_ * width_);
  }

  void run() {
    for (int64_t group = 0; group < c_.groups; ++group) {
      for (int64_t first = 0; first < blocks_; first += region_) {
        const int64_t last = std::min(blocks_, first + region_);
        parallel((last - first) * k_tiles_, [&](int64_t task, int worker) {
          pack_dy(group, first + task / k_tiles_, task % k_tiles_, panels_ + task * panel_, chains_[size_t(task)],
                  workspace().workers[size_t(worker)]);
        });
        const int64_t panels = taps_ * c_blocks_;
        const int64_t splits = std::min(k_tiles_, up(2 * threads(), panels));  // of the tiles of one panel of x
        parallel(panels * splits, [&](int64_t task, int worker) {
          const int64_t split = task % splits;
          add(group, first, last, task / splits, split * k_tiles_ / splits, (split + 1) * k_tiles_ / splits,
              workspace().workers[size_t(worker)]);
        });
      }
    }
  }

 private:
  int64_t steps(int64_t block) const { return up(std::min(kBlock, pixels_ - block * kBlock), 2); }

  // [step][rows_][2] of one tile of output channels, and the chain that is safe for it.
  void pack_dy(int64_t group, int64_t block, int64_t tile, int16_t* to, int64_t& chain, Worker& worker) const {
    const int64_t first = block * kBlock, k = tile * rows_;
    worker.pixels.assign(kBlock, nullptr);
    for (int64_t p = first; p < std::min(pixels_, first + kBlock); ++p) {
      worker.pixels[size_t(p - first)] = dy_ + p * c_.k + group * kg_ + k;
    }
    isa_.interleave(worker.pixels.data(), steps(block), int(std::min(rows_, kg_ - k)), int(rows_), to);
    chain = call_.chain ? call_.chain : safe_steps(isa_, to, steps(block), int(rows_), call_.bound);
  }

  // Where a tap finds the pixels of a block in x, null outside.
  void find_pixels(int64_t group, int64_t block, int64_t tap, int64_t c, Worker& worker) const {
    const int64_t r = tap / c_.s * c_.dilation_h - c_.top, s = tap % c_.s * c_.dilation_w - c_.left;
    int64_t p = block * kBlock;
    const int64_t last = std::min(pixels_, p + kBlock);
    worker.pixels.assign(kBlock, nullptr);
    const int16_t** to = worker.pixels.data();
    while (p < last) {  // a row of the output at a time
      const int64_t col = p % c_.wo, row = p / c_.wo % c_.ho, image = p / c_.wo / c_.ho;
      const int64_t n = std::min(c_.wo - col, last - p), y = row * c_.stride_h + r;
      if (y >= 0 && y < c_.h) {
        const int16_t* const from = x_ + (image * c_.h + y) * c_.w * c_.c + group * cg_ + c;
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = (col + i) * c_.stride_w + s;
          if (at >= 0 && at < c_.w) to[i] = from + at * c_.c;
        }
      }
      to += n;
      p += n;
    }
  }

  void add(int64_t group, int64_t first, int64_t last, int64_t panel, int64_t k_first, int64_t k_last, Worker& worker) {
    const int64_t tap = panel / c_blocks_, c = panel % c_blocks_ * width_;
    const int64_t offset = 0;
    int16_t* const w = worker.operand.of<int16_t>(kSteps * width_ * 2);
    for (int64_t block = first; block < last; ++block) {
      find_pixels(group, block, tap, c, worker);
      const int width = int(std::min<int64_t>(width_, cg_ - c));
      isa_.interleave(worker.pixels.data(), steps(block), width, width_, w);
      const int64_t* const chains = &chains_[size_t((block - first) * k_tiles_)];
      Tile t;
      t.row = 4;
      t.step = rows_ * 4;
      t.offsets = &offset;
      t.taps = 1;
      t.steps = steps(block);
      t.chain = *std::min_element(chains, chains + k_tiles_);
      t.w = w;
      t.block = 0;
      t.resume = block > 0;
      t.width = width;
      t.out_row = taps_ * cg_;
      t.scale[0] = call_.scale[0];
      t.scale[1] = call_.scale[1];
      t.bias = nullptr;
      t.peak = worker.peak;
      t.stream = false;
      for (int64_t tile = k_first; tile < k_last; ++tile) {
        t.x = panels_ + ((block - first) * k_tiles_ + tile) * panel_;
        t.sums = sums_ ? sums_ + (panel * k_tiles_ + tile) * rows_ * width_ : worker.sums;
        const int64_t k = group * kg_ + tile * rows_;
        t.out = block + 1 == blocks_ ? dw_ + (k * taps_ + tap) * cg_ + c : nullptr;
        run_tile(isa_, call_, t, int(std::min(rows_, kg_ - tile * rows_)), false);
      }
    }
  }

  const Isa& isa_;
  Pyq8Call& call_;
  const Pyq8Conv& c_;
  const int16_t *x_, *dy_;
  float* dw_;
  int width_;                    // input channels of a panel of x
  int64_t cg_, kg_;              // channels a group
  int64_t c_blocks_, k_tiles_;   // panels of x, tiles of dy
  int64_t rows_;                 // output channels of a tile
  int64_t taps_, pixels_, blocks_;
  int64_t panel_;                // numbers in a panel of dy
  int64_t region_;               // blocks interleaved at a time
  std::vector<int64_t> chains_;  // steps, of every panel of dy
  int16_t* panels_;
  float* sums_ = nullptr;        // [tap][block of c][tile of k][rows][width]
};

}  // namespace

void backward_weight(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* dy, float* dw) {
  Gradient(isa, call, c, x, dy, dw).run();
}

}  // namespace pyq8
