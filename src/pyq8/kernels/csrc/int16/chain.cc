#include "int16/chain.h"

#include <algorithm>
#include <vector>

#include "int16/call.h"

namespace pyq8 {

namespace {

constexpr int64_t kFinest = 8, kGranules = 16;
constexpr int64_t kMost = INT32_MAX;

using Sums = std::vector<int64_t>;

// Whether every n neighbouring granules are safe; before[g][lane] is the sum of the granules before g.
bool safe(const Sums& before, int64_t granules, int width, int64_t n, int64_t peak) {
  for (int64_t i = 0; i < (granules - n + 1) * width; ++i) {
    if ((before[size_t(i + n * width)] - before[size_t(i)]) * peak > kMost) return false;
  }
  return true;
}

// The largest n that is safe.
int64_t longest(const Sums& before, int64_t granules, int width, int64_t peak) {
  int64_t low = 0, high = granules;
  if (safe(before, granules, width, granules, peak)) return granules;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (safe(before, granules, width, middle, peak)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

// Where a granule of the finest size is not safe: by the largest of the lane.
int64_t by_largest(const Isa& isa, const int16_t* x, int64_t steps, int width, int64_t peak) {
  int64_t least = kFinest;
  std::vector<int32_t> sums(static_cast<size_t>(width));
  std::vector<bool> unsafe(static_cast<size_t>(width));
  for (int64_t s = 0; s < steps; s += kFinest) {
    isa.magnitudes(x + s * width * 2, std::min(kFinest, steps - s), width, sums.data());
    for (int lane = 0; lane < width; ++lane) {
      if (sums[size_t(lane)] * peak > kMost) unsafe[size_t(lane)] = true;
    }
  }
  for (int lane = 0; lane < width; ++lane) {
    if (!unsafe[size_t(lane)]) continue;
    int64_t most = 0;
    for (int64_t s = 0; s < steps; ++s) {
      for (int i = 0; i < 2; ++i) most = std::max<int64_t>(most, std::abs(int(x[(s * width + lane) * 2 + i])));
    }
    least = std::min(least, std::max<int64_t>(1, kMost / (2 * most * peak)));
  }
  return least;
}

}  // namespace

int64_t safe_steps(const Isa& isa, const int16_t* x, int64_t steps, int width, int64_t peak) {
  int64_t granule = kFinest;
  while (granule * kGranules < steps) granule *= 2;
  Sums before;
  std::vector<int32_t> sums(static_cast<size_t>(width));
  for (; granule >= kFinest; granule /= 2) {
    const int64_t granules = up(steps, granule);
    before.assign(size_t((granules + 1) * width), 0);
    int64_t most = 0;
    for (int64_t g = 0; g < granules; ++g) {
      const int64_t n = std::min(granule, steps - g * granule);
      most = std::max<int64_t>(most, isa.magnitudes(x + g * granule * width * 2, n, width, sums.data()));
      for (int lane = 0; lane < width; ++lane) {
        before[size_t((g + 1) * width + lane)] = before[size_t(g * width + lane)] + sums[size_t(lane)];
      }
    }
    if (most * 2 * steps * peak <= kMost) return steps;
    const int64_t n = longest(before, granules, width, peak);
    if (n == granules) return steps;
    if (n > 0) return n * granule;
  }
  return by_largest(isa, x, steps, width, peak);
}

}  // namespace pyq8
