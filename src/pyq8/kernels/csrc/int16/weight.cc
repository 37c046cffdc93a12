// dw[k][t][c] = sum over pixels p of dy[p][k] * x[p at tap t][c]: dy is broadcast, x is the vector, a step is two
// pixels.
//
// Pixels are taken in blocks of kBlock: the operands of a block are interleaved by pairs of pixels, and its chains end
// with it. The sums of a tile go through all blocks in order, whatever thread adds them.
#include "int16/weight.h"

#include <algorithm>
#include <vector>

#include "int16/chain.h"
#include "int16/depthwise.h"
#include "int16/pixels.h"
#include "common/threads.h"
#include "int16/workspace.h"

namespace pyq8 {
namespace {

constexpr int64_t kRegion = 1 << 20;  // bytes of operands interleaved at a time
constexpr int64_t kPiece = 128;       // pixels interleaved by one task
constexpr int64_t kSteps = kBlock / 2;
constexpr int64_t kGap = 32;  // numbers between panels, which would else begin in the same set of the cache

class Gradient {
 public:
  Gradient(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* dy, float* dw)
      : isa_(isa), call_(call), c_(c), x_(x), dy_(dy), dw_(dw) {
    width_ = kVectors * isa.lanes;
    cg_ = c.c / c.groups, kg_ = c.k / c.groups;
    c_blocks_ = up(cg_, width_);
    rows_ = int(up(kg_, up(kg_, isa.rows)));
    k_tiles_ = up(kg_, rows_);
    taps_ = c.r * c.s;
    pixels_ = c.n * c.ho * c.wo;
    blocks_ = up(pixels_, kBlock);
    x_panel_ = kSteps * width_ * 2 + kGap;
    dy_panel_ = kSteps * rows_ * 2 + kGap;
    shared_ = taps_ == 1;
    group_ = k_tiles_ * dy_panel_ + (shared_ ? c_blocks_ * x_panel_ : 0);
    block_ = c.groups * group_;
    region_ = std::clamp<int64_t>(kRegion / (block_ * 2), 1, blocks_);
    chains_.resize(size_t(region_ * c.groups * k_tiles_));
    panels_ = workspace().packed.of<int16_t>(region_ * block_);
    zeros_ = workspace().zeros(std::max(cg_, kg_));
    if (blocks_ > 1) sums_ = workspace().sums.of<float>(c.groups * taps_ * c_blocks_ * k_tiles_ * rows_ * width_);
  }

  void run() {
    const int64_t panels = c_.groups * taps_ * c_blocks_, dy_panels = c_.groups * k_tiles_;
    const int64_t splits = std::min(k_tiles_, up(2 * threads(), panels));  // of the tiles of one panel of x
    constexpr int64_t pieces = kBlock / kPiece;
    for (int64_t first = 0; first < blocks_; first += region_) {
      const int64_t last = std::min(blocks_, first + region_);
      parallel((last - first) * pieces * c_.groups, [&](int64_t task, int worker) {
        const int64_t piece = task / c_.groups;
        pack(task % c_.groups, first, piece / pieces, piece % pieces * kPiece, workspace().workers[size_t(worker)]);
      });
      parallel((last - first) * dy_panels,
               [&](int64_t task, int) { prove(first, task / dy_panels, task % dy_panels); });
      parallel(panels * splits, [&](int64_t task, int worker) {
        const int64_t split = task % splits;
        add(first, last, task / splits, split * k_tiles_ / splits, (split + 1) * k_tiles_ / splits,
            workspace().workers[size_t(worker)]);
      });
    }
  }

 private:
  int64_t pixels(int64_t block) const { return std::min(kBlock, pixels_ - block * kBlock); }
  int64_t steps(int64_t block) const { return up(pixels(block), 2); }
  int16_t* dy_panel(int64_t index, int64_t group, int64_t tile) const {
    return panels_ + index * block_ + group * group_ + tile * dy_panel_;
  }
  int16_t* x_panel(int64_t index, int64_t group, int64_t c_block) const {
    return dy_panel(index, group, k_tiles_) + c_block * x_panel_;
  }

  // A piece of the pixels of a block: dy, and x where all tasks want the same of it.
  void pack(int64_t group, int64_t first, int64_t index, int64_t from, Worker& worker) const {
    const int64_t block = first + index, n = std::min(kPiece, pixels(block) - from), p = block * kBlock + from;
    if (n <= 0) return;
    worker.pixels.resize(size_t(n + n % 2));
    for (int64_t i = 0; i < n; ++i) worker.pixels[size_t(i)] = dy_ + (p + i) * c_.k + group * kg_;
    if (n % 2) worker.pixels[size_t(n)] = zeros_;
    isa_.interleave(worker.pixels.data(), up(n, 2), kg_, rows_, dy_panel_, dy_panel(index, group, 0) + from * rows_);
    if (!shared_) return;
    find_pixels(c_, x_ + group * cg_, p, n, 0, zeros_, worker.pixels);
    isa_.interleave(worker.pixels.data(), up(n, 2), cg_, width_, x_panel_, x_panel(index, group, 0) + from * width_);
  }

  void prove(int64_t first, int64_t index, int64_t panel) {
    int64_t& chain = chains_[size_t(index * c_.groups * k_tiles_ + panel)];
    chain = call_.chain;
    if (chain) return;
    const int16_t* const dy = dy_panel(index, panel / k_tiles_, panel % k_tiles_);
    chain = safe_steps(isa_, dy, steps(first + index), rows_, call_.bound);
  }

  // The sums of one panel of x with some tiles of dy, over all blocks of the region.
  void add(int64_t first, int64_t last, int64_t panel, int64_t k_first, int64_t k_last, Worker& worker) {
    const int64_t group = panel / c_blocks_ / taps_, tap = panel / c_blocks_ % taps_, c_block = panel % c_blocks_;
    const int64_t c = c_block * width_, dy_panels = c_.groups * k_tiles_;
    const int64_t offset = 0;
    int16_t* const own = worker.operand.of<int16_t>(kSteps * width_ * 2);
    for (int64_t block = first; block < last; ++block) {
      const int64_t index = block - first;
      const int width = int(std::min<int64_t>(width_, cg_ - c));
      if (!shared_) {
        find_pixels(c_, x_ + group * cg_ + c, block * kBlock, pixels(block), tap, zeros_, worker.pixels);
        isa_.interleave(worker.pixels.data(), steps(block), width, width_, 0, own);
      }
      const int64_t* const chains = &chains_[size_t(index * dy_panels)];
      Tile t{};
      t.row = 4;
      t.step = rows_ * 4;
      t.offsets = &offset;
      t.taps = 1;
      t.steps = steps(block);
      t.chain = *std::min_element(chains, chains + dy_panels);
      t.w = shared_ ? x_panel(index, group, c_block) : own;
      t.resume = block > 0;
      t.width = width;
      t.out_row = taps_ * cg_;
      t.scale[0] = call_.scale[0];
      t.scale[1] = call_.scale[1];
      t.peak = worker.peak;
      for (int64_t tile = k_first; tile < k_last; ++tile) {
        t.x = t.next = dy_panel(index, group, tile);
        t.sums = sums_ ? sums_ + (panel * k_tiles_ + tile) * rows_ * width_ : worker.sums;
        const int64_t k = group * kg_ + tile * rows_;
        t.out = block + 1 == blocks_ ? dw_ + (k * taps_ + tap) * cg_ + c : nullptr;
        run_tile(isa_, call_, t, int(std::min<int64_t>(rows_, kg_ - tile * rows_)), false);
      }
    }
  }

  const Isa& isa_;
  Pyq8Call& call_;
  const Pyq8Conv& c_;
  const int16_t *x_, *dy_;
  float* dw_;
  int width_, rows_;            // channels of a panel: input channels of x, output channels of dy
  int64_t cg_, kg_;             // channels a group
  int64_t c_blocks_, k_tiles_;  // panels of x, of dy
  int64_t taps_, pixels_, blocks_;
  int64_t x_panel_, dy_panel_;   // numbers in a panel
  bool shared_;                  // x is interleaved once for all tasks; else by every task for its tap
  int64_t group_, block_;        // numbers in the panels of a group, and of all groups, in a block of pixels
  int64_t region_;               // blocks interleaved at a time
  std::vector<int64_t> chains_;  // steps, of every panel of dy
  int16_t* panels_;
  const int16_t* zeros_;
  float* sums_ = nullptr;  // [tap][block of c][tile of k][rows][width]
};

}  // namespace

void backward_weight(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* dy,
                     float* dw) {
  if (c.c == c.groups && c.k == c.groups && call.overflows < 0) {
    depthwise_weight(isa, call, c, x, dy, dw);
  } else {
    Gradient(isa, call, c, x, dy, dw).run();
  }
}

}  // namespace pyq8
