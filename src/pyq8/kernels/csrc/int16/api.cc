// The C interface of INT16, as library.py declares it. One call runs at a time; the others wait.
#include "common/api.h"

#include <algorithm>
#include <exception>
#include <new>
#include <vector>

#include "common/lock.h"
#include "common/threads.h"
#include "int16/call.h"
#include "int16/data.h"
#include "int16/weight.h"
#include "int16/workspace.h"

namespace pyq8 {
namespace {

// 0, or 1 where there is not enough memory.
template <class F>
int guarded(Pyq8Call* call, F f) {
  std::lock_guard<std::mutex> guard(lock);
  try {
    workspace().begin();
    f(isa_of(call->isa));
    call->peak = workspace().peak();
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

constexpr int64_t kPiece = 1 << 16;  // numbers of a task

}  // namespace
}  // namespace pyq8

using namespace pyq8;

PYQ8_API int pyq8_forward(const Pyq8Conv* c, Pyq8Call* call, const int16_t* x, const int16_t* w, const float* bias,
                          float* out) {
  return guarded(call, [&](const Isa& isa) { forward(isa, *call, *c, x, w, bias, out); });
}

PYQ8_API int pyq8_backward_data(const Pyq8Conv* c, Pyq8Call* call, const int16_t* dy, const int16_t* w, float* dx) {
  return guarded(call, [&](const Isa& isa) { backward_data(isa, *call, *c, dy, w, dx); });
}

PYQ8_API int pyq8_backward_weight(const Pyq8Conv* c, Pyq8Call* call, const int16_t* x, const int16_t* dy, float* dw) {
  return guarded(call, [&](const Isa& isa) { backward_weight(isa, *call, *c, x, dy, dw); });
}

// Runs the widest tile `repeats` times in every thread, its operands in the first cache; returns the operations.
PYQ8_API int64_t pyq8_peak(int index, int64_t repeats) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  constexpr int64_t kSteps = 64;
  const Isa& isa = isa_of(index);
  workspace().begin();
  const int width = kVectors * isa.lanes;
  parallel(threads(), [&](int64_t, int id) {
    Worker& worker = workspace().workers[size_t(id)];
    const int64_t w = kSteps * width * 4, x = kSteps * isa.rows * 4, offset = 0;
    char* const memory = static_cast<char*>(worker.operand.bytes(size_t(w + x)));
    std::fill_n(memory, w + x, char(0));
    Tile t{};
    t.x = t.next = memory + w;
    t.row = 4;
    t.step = isa.rows * 4;
    t.offsets = &offset;
    t.taps = 1;
    t.steps = t.chain = kSteps;
    t.w = memory;
    t.sums = worker.sums;
    for (int64_t i = 0; i < repeats; ++i) isa.tiles[isa.rows - 1](t);
  });
  return repeats * threads() * kSteps * width * isa.rows * 4;
}

PYQ8_API float pyq8_absmax(int isa, const float* x, int64_t n) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  std::vector<float> most(size_t(up(n, kPiece)));
  pieces(n, kPiece,
         [&](int64_t i, int64_t first, int64_t count) { most[size_t(i)] = isa_of(isa).absmax(x + first, count); });
  return isa_of(isa).absmax(most.data(), int64_t(most.size()));
}

PYQ8_API int pyq8_absmax16(int isa, const int16_t* x, int64_t n) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  std::vector<int> most(size_t(up(n, kPiece)));
  pieces(n, kPiece,
         [&](int64_t i, int64_t first, int64_t count) { most[size_t(i)] = isa_of(isa).absmax16(x + first, count); });
  return most.empty() ? 0 : *std::max_element(most.begin(), most.end());
}

// Returns max|x|.
PYQ8_API float pyq8_quantize(int isa, const float* x, int64_t n, const float* scale, int limit, int16_t* to) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  const bool stream = n * 2 >= kStream && reinterpret_cast<uintptr_t>(to) % 64 == 0;
  std::vector<float> most(size_t(up(n, kPiece)));
  pieces(n, kPiece, [&](int64_t i, int64_t first, int64_t count) {
    most[size_t(i)] = isa_of(isa).quantize(x + first, count, scale, limit, to + first, stream);
  });
  return isa_of(isa).absmax(most.data(), int64_t(most.size()));
}

// These three run in the thread that calls them: calibration has threads of its own.
PYQ8_API void pyq8_ends(int isa, const float* x, int64_t n, float* low_high) { isa_of(isa).ends(x, n, low_high); }

PYQ8_API void pyq8_bins(int isa, const float* x, int64_t n, float scale, int64_t* counts) {
  constexpr int64_t kMost = int64_t(1) << 31;
  for (int64_t first = 0; first < n; first += kMost)
    isa_of(isa).bins(x + first, std::min(kMost, n - first), scale, counts);
}

PYQ8_API int pyq8_gram(int isa, const uint8_t* rows, int64_t groups, int64_t n, int64_t count, int zero, int64_t part,
                       int64_t parts, int32_t* products, int32_t* sums) {
  try {
    isa_of(isa).gram({rows, groups, n, count, zero, part, parts, products, sums});
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}
