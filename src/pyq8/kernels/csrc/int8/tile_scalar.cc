// Any processor, in plain C++; the oracle of the others.
#include <cmath>

#include "int8/loops.h"

namespace {

uint8_t saturate(float value, int zero) {
  const float low = float(-zero), high = float(255 - zero);
  return uint8_t(int(std::nearbyint(std::fmin(std::fmax(value, low), high))) + zero);
}

void pixel(const pyq8::int8::Tile& t) {
  for (int k = 0; k < t.width; ++k) {
    int32_t sum = t.bias[k];
    const int8_t* w = t.w[0] + k * 4;
    for (int64_t tap = 0; tap < t.taps; ++tap) {
      const uint8_t* x = t.x + t.offsets[tap];
      for (int64_t i = 0; i < t.steps; ++i, x += 4, w += 64) {
        for (int g = 0; g < 4; ++g) sum = int32_t(uint32_t(sum) + uint32_t(int32_t(x[g]) * w[g]));
      }
    }
    float value = float(sum) * t.scale[k];
    if (t.other) {
      const float mine = float(saturate(value, int(t.sum.zero))), theirs = float(t.other[k]);
      const float a = t.sum.other_first ? theirs : mine, b = t.sum.other_first ? mine : theirs;
      value = std::fma(a, t.sum.scale_a, std::fma(b, t.sum.scale_b, t.sum.fixed));
    }
    if (t.then.wanted) {
      value = (float(saturate(value, int(t.then.zero))) - t.then.zero) * t.then.scale / t.then.divisor;
    }
    if (t.y) {
      t.y[k] = saturate(value, t.other ? 0 : t.zero);
    } else {
      t.real[k] = value;
    }
  }
}

constexpr pyq8::int8::TileFunction kTiles[] = {pixel};

}  // namespace

namespace pyq8::int8 {
constexpr Isa kScalar = [] {
  Isa isa = plain_loops("scalar", 1);
  isa.rate = 1;
  isa.tiles = {{0, 1}, {nullptr, kTiles}};
  return isa;
}();
}  // namespace pyq8::int8
