// Convolutions through the register tile.
#include <algorithm>

#include "region.h"

namespace pyq8::int8 {
namespace {

constexpr int64_t kCache = 256 << 10;  // bytes of x of a task, which are read once a group of blocks
constexpr int kTasks = 6;              // of a thread, at least where there is that much

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How a row of pixels is cut: `tiles` of `pixels`, the first `longer` of them one more.
struct Cut {
  int64_t tiles, pixels, longer;
  Cut(int64_t all, int64_t most) : tiles(up(all, most)), pixels(all / tiles), longer(all % tiles) {}
  int64_t begin(int64_t tile) const { return tile * pixels + std::min(tile, longer); }
  int rows(int64_t tile) const { return int(pixels + (tile < longer)); }
};

// Time of a step of a tile, in units of one dot product: they, or loads of which two go with each.
double step_cost(int rows, int blocks) {
  const int held = rows * blocks + blocks + 1 > 32 ? rows : 0;
  return std::max<double>(rows * blocks, 0.5 * (rows + blocks + held)) + 0.5;
}

// The number of blocks of a tile that costs least.
int choose_blocks(const Isa& isa, int64_t all, int64_t row) {
  int best = 1;
  double least = 0;
  for (int v = 1; v <= kMostBlocks; ++v) {
    if (!isa.rows[v]) continue;
    double cost = 0;
    for (int64_t first = 0; first < all; first += v) {
      const int n = int(std::min<int64_t>(v, all - first));
      const int most = isa.rows[n] ? std::min(isa.rows[n], isa.rows[v]) : 1;
      const Cut cut(row, most);
      cost += double(cut.longer) * step_cost(cut.rows(0), n) + double(cut.tiles - cut.longer) * step_cost(int(cut.pixels), n);
    }
    if (least == 0 || cost <= least) best = v, least = cost;
  }
  return best;
}

}  // namespace

void run_convolution(const Run& run, const Layer& l) {
  const Spec& spec = run.spec;
  const Place& x = run.place(l.x);
  const bool real = l.mode == kToFloat;
  const Tensor& in = spec.tensors[size_t(l.x)];
  const int64_t outputs = real ? l.more : spec.tensors[size_t(l.y)].channels, of_group = outputs / l.groups;
  const Taps taps = taps_of(spec, l);
  std::vector<int64_t> offsets;
  for (int64_t r = 0; r < l.r; ++r) {
    const int64_t row = (r * l.dilation_h - l.top) * x.row();
    for (int64_t s = 0; s < (taps.rows ? 1 : l.s); ++s) offsets.push_back(row + (s * l.dilation_w - l.left) * x.channels);
  }
  // Images, rows and pixels of the result, and the bytes (of a float result: numbers) between them.
  int64_t images, rows, cols, y_image, y_row, y_pixel;
  if (real) {
    images = x.n, rows = cols = 1, y_pixel = y_row = y_image = outputs;
  } else {
    const Place& y = run.place(l.y);
    images = y.n, rows = y.h, cols = y.w, y_image = y.image(), y_row = y.row(), y_pixel = y.channels;
  }
  int64_t x_image = x.image(), x_row = l.stride_h * x.row();
  const int64_t x_pixel = l.stride_w * x.channels;
  int64_t r_image = 0, r_row = 0, r_pixel = 0;
  if (l.other >= 0) {
    const Place& place = run.place(l.other);
    r_image = place.image(), r_row = place.row(), r_pixel = place.channels;
  }
  // Rows that follow one another without a gap are one row.
  const auto follows = [](int64_t next, int64_t count, int64_t pixel) { return next == count * pixel; };
  if (follows(x_row, cols, x_pixel) && follows(y_row, cols, y_pixel) && (l.other < 0 || follows(r_row, cols, r_pixel))) {
    cols *= rows, rows = 1, x_row = x_image, y_row = y_image, r_row = r_image;
  }
  if (rows == 1 && follows(x_image, cols, x_pixel) && follows(y_image, cols, y_pixel) &&
      (l.other < 0 || follows(r_image, cols, r_pixel))) {
    cols *= images, images = 1;
  }
  const int64_t blocks = up(of_group, kOutputs), block_bytes = taps.count * taps.steps * kGroup * kOutputs;
  const int wide = choose_blocks(run.isa, blocks, cols);
  const Cut cut(cols, run.isa.rows[wide]);
  const int64_t units = images * rows * cut.tiles, bands = up(blocks, wide);
  const int64_t unit_bytes = std::max<int64_t>(1, cut.pixels * x_pixel * std::min(l.r, l.stride_h) / l.groups);
  const int64_t fit = std::max<int64_t>(1, kCache / unit_bytes), wanted = int64_t(kTasks) * run.threads.count;
  const int64_t chunk = std::max<int64_t>(1, std::min(fit, units * l.groups / wanted));
  const int64_t chunks = up(units, chunk);
  const int64_t parts = std::min(bands, up(wanted, chunks * l.groups));  // of the bands of outputs

  Tile same{};
  same.row = x_pixel;
  same.offsets = offsets.data();
  same.taps = taps.count;
  same.steps = taps.steps;
  same.block = block_bytes;
  same.other_row = r_pixel;
  same.y_row = y_pixel;
  if (l.other >= 0) {
    same.sum = sum_of(spec.floats(l.more));
  } else if (!real && l.more >= 0) {
    const float* const f = spec.floats(l.more);
    same.then = {true, f[0], f[1], f[2]};
  }
  if (!real) same.zero = int(spec.tensors[size_t(l.y)].zero);
  const uint8_t* const from = run.pixels(l.x);
  const uint8_t* const other = l.other >= 0 ? run.pixels(l.other) : nullptr;
  uint8_t* const bytes = real ? nullptr : run.pixels(l.y);
  float* const floats = real ? static_cast<float*>(run.outputs[size_t(l.y)]) : nullptr;
  const int8_t* const weights = reinterpret_cast<const int8_t*>(spec.blob + l.weight);

  run.threads.run(l.groups * chunks * parts, [&](int64_t task) {
    const int64_t part = task % parts, rest = task / parts, group = rest / chunks;
    const int64_t first = rest % chunks * chunk, last = std::min(units, first + chunk);
    for (int64_t band = bands * part / parts; band < bands * (part + 1) / parts; ++band) {
      const int64_t block = band * wide, count = std::min<int64_t>(wide, blocks - block);
      const int64_t lane = (group * blocks + block) * kOutputs, output = group * of_group + block * kOutputs;
      Tile t = same;
      t.w = weights + (group * blocks + block) * block_bytes;
      t.bias = spec.ints(l.bias) + lane;
      t.scale = spec.floats(l.scale) + lane;
      t.width = int(std::min(count * kOutputs, of_group - block * kOutputs));
      for (int64_t unit = first; unit < last; ++unit) {
        const int64_t tile = unit % cut.tiles, i = unit / cut.tiles % rows, image = unit / cut.tiles / rows;
        const int64_t j = cut.begin(tile);
        t.x = from + image * x_image + i * x_row + j * x_pixel + group * (in.channels / l.groups);
        const int64_t to = image * y_image + i * y_row + j * y_pixel + output;
        if (real) {
          t.real = floats + to;
        } else {
          t.y = bytes + to;
        }
        if (other) t.other = other + image * r_image + i * r_row + j * r_pixel + output;
        // Fewer blocks than the tile was chosen for may come with fewer rows.
        for (int left = cut.rows(tile), n; left > 0; left -= n) {
          n = std::min(left, run.isa.rows[count]);
          run.isa.tiles[count][n - 1](t);
          t.x += n * t.row;
          if (other) t.other += n * t.other_row;
          if (real) {
            t.real += n * t.y_row;
          } else {
            t.y += n * t.y_row;
          }
        }
      }
    }
  });
}

void run_depthwise(const Run& run, const Layer& l) {
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
  same.offsets = offsets.data();
  same.taps = l.r * l.s;
  same.channels = spec.tensors[size_t(l.x)].channels;
  same.w = reinterpret_cast<const int8_t*>(spec.blob + l.weight);
  same.bias = spec.ints(l.bias);
  same.scale = spec.floats(l.scale);
  same.y_row = y.channels;
  same.pixels = y.w;
  same.zero = int(spec.tensors[size_t(l.y)].zero);
  const uint8_t* const from = run.pixels(l.x);
  uint8_t* const to = run.pixels(l.y);
  run.rows(y, [&](int64_t image, int64_t row) {
    Depthwise d = same;
    d.x = from + image * x.image() + row * l.stride_h * x.row();
    d.y = to + image * y.image() + row * y.row();
    run.isa.depthwise(d);
  });
}

}  // namespace pyq8::int8
