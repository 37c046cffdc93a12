#include "int16/call.h"

#include <vector>

namespace pyq8 {

const Isa& isa_of(int index) {
  static const Isa* const known[] = {PYQ8_ISAS(PYQ8_ADDRESS_OF_ISA)};
  static const std::vector<const Isa*> found = usable(known);
  return size_t(index) < found.size() ? *found[size_t(index)] : *found.back();
}

namespace {

// The same tile with INT64 sums: counts the chains that do not fit INT32.
int64_t count_overflows(const Isa& isa, const Tile& t, int rows, int vectors) {
  int64_t count = 0;
  const int width = kVectors * isa.lanes;
  const auto* x = static_cast<const char*>(t.x);
  for (int p = 0; p < rows; ++p) {
    for (int lane = 0; lane < vectors * isa.lanes; ++lane) {
      const auto* w = static_cast<const char*>(t.w) + lane / width * t.block + lane % width * 4;
      int64_t sum = 0;
      for (int64_t i = 0; i < t.taps * t.steps; ++i) {
        const int64_t offset = t.offsets[i / t.steps];
        if (offset != kOutside) {
          int16_t a[2], b[2];
          __builtin_memcpy(a, x + offset + p * t.row + i % t.steps * t.step, 4);
          __builtin_memcpy(b, w + i * width * 4, 4);
          sum += a[0] * b[0];
          sum += a[1] * b[1];
        }
        if ((i + 1) % t.chain == 0 || i + 1 == t.taps * t.steps) {
          count += sum > INT32_MAX || sum < INT32_MIN;
          sum = 0;
        }
      }
    }
  }
  return count;
}

}  // namespace

void run_tile(const Isa& isa, Pyq8Call& call, const Tile& tile, int rows, bool wide) {
  if (call.overflows >= 0) {
    __atomic_fetch_add(&call.overflows, count_overflows(isa, tile, rows, wide ? 2 * kVectors : kVectors),
                       __ATOMIC_RELAXED);
  }
  (wide ? isa.tiles_wide : isa.tiles)[rows - 1](tile);
}

}  // namespace pyq8
