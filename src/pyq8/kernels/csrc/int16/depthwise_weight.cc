// The gradient of a depthwise weight: channels are the vector, and only the proof interleaves pixels.
#include <algorithm>
#include <cmath>

#include "int16/chain.h"
#include "int16/depthwise.h"
#include "int16/pixels.h"
#include "common/threads.h"

namespace pyq8 {
namespace {

constexpr int64_t kChannels = 64;  // of a task

// The chain of every block of pixels, in steps, safe for all channels.
std::vector<int64_t> prove(const Isa& isa, const Pyq8Call& call, const Pyq8Conv& c, const int16_t* dy) {
  const int64_t pixels = c.n * c.ho * c.wo, blocks = up(pixels, kBlock);
  std::vector<int64_t> chains(size_t(blocks), call.chain);
  if (call.chain) return chains;
  const int width = kVectors * isa.lanes;
  const int16_t* const zeros = workspace().zeros(c.c);
  parallel(blocks, [&](int64_t block, int id) {
    Worker& worker = workspace().workers[size_t(id)];
    const int64_t first = block * kBlock, n = std::min(kBlock, pixels - first), steps = up(n, 2);
    const int64_t panel = steps * width * 2;
    worker.pixels.assign(size_t(steps * 2), zeros);
    for (int64_t i = 0; i < n; ++i) worker.pixels[size_t(i)] = dy + (first + i) * c.c;
    int16_t* const pairs = worker.operand.of<int16_t>(up(c.c, width) * panel);
    isa.interleave(worker.pixels.data(), steps, c.c, width, panel, pairs);
    int64_t chain = steps;
    for (int64_t i = 0; i < up(c.c, width); ++i) {
      chain = std::min(chain, safe_steps(isa, pairs + i * panel, steps, width, call.bound));
    }
    chains[size_t(block)] = chain;
  });
  return chains;
}

}  // namespace

void depthwise_weight(const Isa& isa, Pyq8Call& call, const Pyq8Conv& c, const int16_t* x, const int16_t* dy,
                      float* dw) {
  const std::vector<int64_t> chains = prove(isa, call, c, dy);
  const int64_t taps = c.r * c.s, pixels = c.n * c.ho * c.wo, pieces = up(c.c, kChannels);
  const int16_t* const zeros = workspace().zeros(kChannels);
  parallel(taps * pieces, [&](int64_t task, int id) {
    Worker& worker = workspace().workers[size_t(id)];
    const int64_t tap = task / pieces, first = task % pieces * kChannels, channels = std::min(kChannels, c.c - first);
    float sums[kChannels] = {};
    std::vector<const int16_t*> gradient(kBlock);
    for (size_t block = 0; block < chains.size(); ++block) {
      const int64_t p = int64_t(block) * kBlock, n = std::min(kBlock, pixels - p);
      find_pixels(c, x + first, p, n, tap, zeros, worker.pixels);
      for (int64_t i = 0; i < n; ++i) gradient[size_t(i)] = dy + (p + i) * c.c + first;
      isa.depthwise_weight(worker.pixels.data(), gradient.data(), n, 2 * chains[block], channels, sums);
    }
    for (int64_t k = 0; k < channels; ++k) {
      const float value = sums[k] * call.scale[0] * call.scale[1];
      dw[(first + k) * taps + tap] = value;
      worker.peak[0] = std::max(worker.peak[0], std::fabs(value));
    }
  });
}

}  // namespace pyq8
