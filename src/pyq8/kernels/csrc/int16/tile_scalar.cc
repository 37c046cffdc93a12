// Any processor: the same tile in plain C++.
#include <cmath>
#include <cstring>

#include "int16/isa.h"
#include "int16/loops_plain.h"
#include "int16/tiles.h"

namespace {

struct PlainInt16 {
  static constexpr int kLanes = 4;
  struct Sum {
    int32_t of[kLanes];
  };
  struct Real {
    float of[kLanes];
  };

  static PYQ8_INLINE Sum zero() { return Sum{}; }
  static PYQ8_INLINE Sum operand(const void* from) {
    Sum v;
    std::memcpy(&v, from, sizeof v);
    return v;
  }
  static PYQ8_INLINE Sum broadcast(const void* from) {
    Sum v;
    for (int i = 0; i < kLanes; ++i) std::memcpy(&v.of[i], from, 4);
    return v;
  }
  static PYQ8_INLINE void dot(Sum& sum, const Sum& x, const Sum& w) {
    int16_t a[2 * kLanes], b[2 * kLanes];
    std::memcpy(a, &x, sizeof a);
    std::memcpy(b, &w, sizeof b);
    for (int i = 0; i < kLanes; ++i) {
      sum.of[i] = int32_t(uint32_t(sum.of[i]) + uint32_t(a[2 * i] * b[2 * i]) + uint32_t(a[2 * i + 1] * b[2 * i + 1]));
    }
  }
  template <class Function>
  static PYQ8_INLINE Real each(Function f) {
    Real r;
    for (int i = 0; i < kLanes; ++i) r.of[i] = f(i);
    return r;
  }
  static PYQ8_INLINE Real real(const Sum& v) {
    return each([&](int i) { return float(v.of[i]); });
  }
  static PYQ8_INLINE Real fill(float v) {
    return each([&](int) { return v; });
  }
  static PYQ8_INLINE Real load(const float* from) {
    return each([&](int i) { return from[i]; });
  }
  static PYQ8_INLINE Real add(const Real& a, const Real& b) {
    return each([&](int i) { return a.of[i] + b.of[i]; });
  }
  static PYQ8_INLINE Real mul(const Real& a, const Real& b) {
    return each([&](int i) { return a.of[i] * b.of[i]; });
  }
  static PYQ8_INLINE Real larger(const Real& peak, const Real& v) {
    return each([&](int i) { return std::fabs(v.of[i]) > peak.of[i] ? std::fabs(v.of[i]) : peak.of[i]; });
  }
  static PYQ8_INLINE Real first(const Real& v, int n) {
    return each([&](int i) { return i < n ? v.of[i] : 0.0f; });
  }
  static PYQ8_INLINE void store(float* to, const Real& v) { std::memcpy(to, &v, sizeof v); }
  static PYQ8_INLINE void stream(float* to, const Real& v) { store(to, v); }
  static PYQ8_INLINE void store_first(float* to, const Real& v, int n) { std::memcpy(to, &v, size_t(n) * 4); }
};

constexpr int kRows = 4;
constexpr Tiles<PlainInt16, kRows, kVectors> kTiles;

}  // namespace

constexpr Isa kScalar = [] {
  Isa isa = plain_loops("scalar", PlainInt16::kLanes);
  isa.rows = kRows;
  isa.tiles = kTiles.of;
  return isa;
}();
