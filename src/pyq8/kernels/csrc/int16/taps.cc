#include "int16/taps.h"

#include <algorithm>
#include <cstring>

#include "int16/chain.h"
#include "int16/depthwise.h"
#include "common/threads.h"

namespace pyq8 {
namespace {

constexpr int64_t kCache = 192 << 10;  // bytes of x of a task, which are read once a block of weights
constexpr int64_t kPage = 4096;        // rows of a tile this far apart fall into one set of the first cache

// Everything a task needs to know, the same for all tasks.
struct Plan {
  const Isa& isa;
  const TapConv& conv;
  int width;            // outputs of a block
  int64_t blocks;       // of outputs, a group
  int64_t steps;        // of a tap
  int64_t block_bytes;  // of packed weights
  int64_t tile;         // pixels
  int64_t tiles_row;    // tiles of a row
  bool wide;
  int64_t low_x, span_x, span_tile;  // columns a tap reaches, of one pixel and of a tile
  std::vector<int64_t> ys;           // distinct rows that taps reach
  int64_t tile_bytes;                // of a packed tile
  int64_t pixel_bytes;               // of a packed pixel

  Plan(const Isa& set, const TapConv& c) : isa(set), conv(c) {
    width = kVectors * isa.lanes;
    blocks = up(c.outputs, width);
    steps = up(c.channels, 2);
    block_bytes = int64_t(c.taps.size()) * steps * width * 4;
    tiles_row = up(c.cols, isa.rows);
    tile = up(c.cols, tiles_row);
    tiles_row = up(c.cols, tile);
    wide = blocks > 1 && tile <= isa.rows_wide;
    low_x = c.taps[0].x;
    int64_t high_x = low_x;
    for (const Tap& tap : c.taps) {
      low_x = std::min(low_x, tap.x);
      high_x = std::max(high_x, tap.x);
      if (std::find(ys.begin(), ys.end(), tap.y) == ys.end()) ys.push_back(tap.y);
    }
    span_x = high_x - low_x + 1;
    span_tile = (tile - 1) * c.step_x + span_x;
    pixel_bytes = steps * 4;
    if (pixel_bytes * c.step_x % 512 == 0) pixel_bytes += 64;
    tile_bytes = up(int64_t(ys.size()) * span_tile * pixel_bytes, 64) * 64;
  }

  int64_t tiles() const { return conv.n * conv.rows * tiles_row; }
};

// Where one tile is.
struct Place {
  int64_t image, i, j, pixels;

  Place(const Plan& plan, int64_t index) {
    j = index % plan.tiles_row * plan.tile;
    i = index / plan.tiles_row % plan.conv.rows;
    image = index / plan.tiles_row / plan.conv.rows;
    pixels = std::min(plan.tile, plan.conv.cols - j);
  }
};

bool inside(const Plan& plan, const Place& at) {
  const int64_t first = at.j * plan.conv.step_x + plan.low_x;
  return first >= 0 && first + (at.pixels - 1) * plan.conv.step_x + plan.span_x <= plan.conv.w;
}

// Whether a tile reads x itself: no column outside, channels in pairs, rows that do not push one another from the cache.
bool direct(const Plan& plan, const Place& at) {
  const TapConv& c = plan.conv;
  return c.channels % 2 == 0 && c.step_x * c.groups * c.channels * 2 % kPage != 0 && inside(plan, at);
}

// The pixels that a tile's taps reach, zeros outside of the image: [ys][span_tile] pixels. What is behind an odd number
// of channels meets a weight of zero.
void pack_tile(const Plan& plan, const Place& at, int64_t group, char* to) {
  const TapConv& c = plan.conv;
  const int64_t all = c.groups * c.channels, cols = (at.pixels - 1) * c.step_x + plan.span_x;
  const size_t bytes = size_t(c.channels) * 2;
  for (const int64_t y : plan.ys) {
    const int64_t row = at.i * c.step_y + y;
    if (row >= 0 && row < c.h) {  // else skipped
      const int16_t* from = c.x + ((at.image * c.h + row) * c.w) * all + group * c.channels;
      for (int64_t i = 0; i < cols; ++i) {
        const int64_t col = at.j * c.step_x + plan.low_x + i;
        char* pixel = to + i * plan.pixel_bytes;
        if (col >= 0 && col < c.w) {
          std::memcpy(pixel, from + col * all, bytes);
        } else {
          std::memset(pixel, 0, size_t(plan.steps) * 4);
        }
      }
    }
    to += plan.span_tile * plan.pixel_bytes;
  }
}

// Weights as [group][block][tap][step][width][2].
const int16_t* pack_weights(const Plan& plan, const Weights& from) {
  const TapConv& c = plan.conv;
  const int64_t taps = int64_t(c.taps.size()), of_step = plan.width * 2;
  int16_t* const packed = workspace().packed.of<int16_t>(c.groups * plan.blocks * taps * plan.steps * of_step);
  const int16_t* const zeros = workspace().zeros(plan.width);
  parallel(c.groups * plan.blocks * taps, [&](int64_t task, int worker) {
    const int64_t slot = c.taps[size_t(task % taps)].slot;
    const int64_t block = task / taps % plan.blocks, group = task / taps / plan.blocks;
    const int64_t first = block * plan.width;
    const int lanes = int(std::min<int64_t>(plan.width, c.outputs - first));
    int16_t* const to = packed + task * plan.steps * of_step;
    if (!from.transposed) {
      const int64_t stride = from.slots * from.channels;
      const int16_t* w = from.w + (group * c.outputs + first) * stride + slot * from.channels;
      plan.isa.transpose(w, stride, lanes, c.channels, plan.width, to);
    } else {
      std::vector<const int16_t*>& rows = workspace().workers[size_t(worker)].pixels;
      rows.assign(size_t(plan.steps * 2), zeros);
      for (int64_t k = 0; k < c.channels; ++k) {
        rows[size_t(k)] = from.w + ((group * c.channels + k) * from.slots + slot) * from.channels + first;
      }
      plan.isa.interleave(rows.data(), plan.steps, lanes, plan.width, 0, to);
    }
  });
  return packed;
}

// The longest chain that is safe in all groups.
int64_t prove(const Plan& plan, int64_t bound, const int16_t* packed) {
  const TapConv& c = plan.conv;
  const int64_t steps = int64_t(c.taps.size()) * plan.steps;
  std::vector<int64_t> safe(size_t(c.groups * plan.blocks));
  parallel(int64_t(safe.size()), [&](int64_t task, int) {
    safe[size_t(task)] = safe_steps(plan.isa, packed + task * plan.block_bytes / 2, steps, plan.width, bound);
  });
  return *std::min_element(safe.begin(), safe.end());
}

const float* pad_bias(const Plan& plan, const float* bias) {
  if (!bias) return nullptr;
  const int64_t padded = plan.blocks * plan.width;
  float* const to = workspace().bias.of<float>(plan.conv.groups * padded);
  for (int64_t group = 0; group < plan.conv.groups; ++group) {
    std::fill_n(to + group * padded, padded, 0.0f);
    std::copy_n(bias + group * plan.conv.outputs, plan.conv.outputs, to + group * padded);
  }
  return to;
}

// Few enough tiles that their x stays in the cache, many enough tasks to share.
int64_t tiles_of_task(const Plan& plan) {
  const int64_t pixels = int64_t(plan.ys.size()) * plan.span_tile;
  const int64_t fit = std::max<int64_t>(1, kCache / (pixels * plan.steps * 4));
  return std::max<int64_t>(1, std::min(fit, plan.tiles() * plan.conv.groups / (4 * threads())));
}

// Some tiles of one group, made ready once and run with every block of weights.
class Task {
 public:
  Task(const Plan& plan, Pyq8Call& call, int64_t chain, const int16_t* packed, const float* bias, Worker& worker)
      : plan_(plan), call_(call), chain_(chain), packed_(packed), bias_(bias), worker_(worker) {}

  void run(int64_t group, int64_t first, int64_t last) {
    const int64_t taps = int64_t(plan_.conv.taps.size()), n = last - first;
    char* const memory = static_cast<char*>(worker_.operand.bytes(size_t(n * plan_.tile_bytes)));
    worker_.offsets.resize(size_t(n * taps));
    worker_.tiles.assign(size_t(n), Tile{});
    worker_.rows.resize(size_t(n));
    for (int64_t i = 0; i < n; ++i) {
      const Place at(plan_, first + i);
      worker_.rows[size_t(i)] = int(at.pixels);
      prepare(group, at, memory + i * plan_.tile_bytes, &worker_.offsets[size_t(i * taps)], worker_.tiles[size_t(i)]);
    }
    // What is packed was just written; what is read in place comes from far away the first time.
    for (int64_t i = 0; i + 1 < n; ++i) {
      const Tile& next = worker_.tiles[size_t(i + 1)];
      worker_.tiles[size_t(i)].next = static_cast<const char*>(next.x) + start(next);
    }
    for (int64_t block = 0; block < plan_.blocks; block += plan_.wide ? 2 : 1) {
      for (int64_t i = 0; i < n; ++i) {
        Tile& t = worker_.tiles[size_t(i)];
        one(group, block, t, worker_.rows[size_t(i)]);
        if (block == 0) t.next = static_cast<const char*>(t.x) + start(t);
      }
    }
  }

 private:
  static int64_t start(const Tile& t) {
    int64_t tap = 0;
    while (tap + 1 < t.taps && t.offsets[tap] == kOutside) ++tap;
    return t.offsets[tap] == kOutside ? 0 : t.offsets[tap];
  }

  // Everything that is the same for all blocks of weights; x is packed into `memory` where it has to be.
  void prepare(int64_t group, const Place& at, char* memory, int64_t* offsets, Tile& t) {
    const TapConv& c = plan_.conv;
    const bool read = direct(plan_, at);
    if (!read) pack_tile(plan_, at, group, memory);
    const int64_t all = c.groups * c.channels;
    t.x = read ? reinterpret_cast<const char*>(c.x + at.image * c.h * c.w * all + group * c.channels) : memory;
    t.row = c.step_x * (read ? all * 2 : plan_.pixel_bytes);
    t.step = 4;
    t.offsets = offsets;
    t.taps = int64_t(c.taps.size());
    set_offsets(at, read, offsets);
    t.next = static_cast<const char*>(t.x) + start(t);
    t.steps = plan_.steps;
    t.chain = chain_;
    t.block = plan_.block_bytes;
    t.sums = worker_.sums;
    t.out = c.out + at.image * c.out_image + at.i * c.out_row + at.j * c.out_col + group * c.outputs;
    t.out_row = c.out_col;
    t.scale[0] = call_.scale[0];
    t.scale[1] = call_.scale[1];
    t.peak = worker_.peak;
    t.stream = c.aligned && c.n * c.out_image * 4 >= kStream;
  }

  void set_offsets(const Place& at, bool read, int64_t* to) const {
    const TapConv& c = plan_.conv;
    for (const Tap& tap : c.taps) {
      const int64_t row = at.i * c.step_y + tap.y;
      if (row < 0 || row >= c.h) {
        *to++ = kOutside;
      } else if (read) {
        *to++ = (row * c.w + at.j * c.step_x + tap.x) * c.groups * c.channels * 2;
      } else {
        const int64_t packed_row = std::find(plan_.ys.begin(), plan_.ys.end(), tap.y) - plan_.ys.begin();
        *to++ = (packed_row * plan_.span_tile + tap.x - plan_.low_x) * plan_.pixel_bytes;
      }
    }
  }

  void one(int64_t group, int64_t block, Tile& t, int rows) {
    const int64_t of_group = plan_.conv.outputs;
    const bool wide = plan_.wide && block + 1 < plan_.blocks;
    t.w = packed_ + (group * plan_.blocks + block) * plan_.block_bytes / 2;
    t.width = int(std::min<int64_t>(of_group - block * plan_.width, plan_.width * (wide ? 2 : 1)));
    t.bias = bias_ ? bias_ + (group * plan_.blocks + block) * plan_.width : nullptr;
    float* const out = t.out;
    t.out += block * plan_.width;
    run_tile(plan_.isa, call_, t, rows, wide);
    t.out = out;
  }

  const Plan& plan_;
  Pyq8Call& call_;
  const int64_t chain_;
  const int16_t* packed_;
  const float* bias_;
  Worker& worker_;
};

// A convolution that takes every pixel once is a matrix product: one image of one row.
void flatten(TapConv& c) {
  const bool same = c.taps.size() == 1 && c.taps[0].y == 0 && c.taps[0].x == 0 && c.step_y == 1 && c.step_x == 1 &&
                    c.rows == c.h && c.cols == c.w && c.out_row == c.cols * c.out_col &&
                    c.out_image == c.rows * c.out_row;
  if (!same) return;
  c.w = c.cols = c.n * c.rows * c.cols;
  c.out_image = c.out_row = c.cols * c.out_col;
  c.n = c.h = c.rows = 1;
}

}  // namespace

void run(const Isa& isa, Pyq8Call& call, TapConv conv, const Weights& weights, const float* bias) {
  if (is_depthwise(call, conv, weights)) return run_depthwise(isa, call, conv, weights, bias);
  flatten(conv);
  const Plan plan(isa, conv);
  const int16_t* const packed = pack_weights(plan, weights);
  const int64_t chain = call.chain ? call.chain : prove(plan, call.bound, packed);
  const float* const padded = pad_bias(plan, bias);
  const int64_t tiles = plan.tiles(), of_task = tiles_of_task(plan), tasks = up(tiles, of_task);
  parallel(conv.groups * tasks, [&](int64_t task, int worker) {
    const int64_t group = task / tasks, first = task % tasks * of_task;
    Task(plan, call, chain, packed, padded, workspace().workers[size_t(worker)])
        .run(group, first, std::min(tiles, first + of_task));
  });
}

}  // namespace pyq8
