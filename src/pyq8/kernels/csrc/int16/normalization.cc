// Normalization in tasks of kNormRows rows. Sums are float within a task and double over tasks, in their order: results do not
// depend on the number of threads.
#include "int16/normalization.h"

#include <algorithm>
#include <new>
#include <vector>

#include "common/api.h"
#include "common/lock.h"
#include "common/threads.h"
#include "int16/call.h"

namespace pyq8 {
namespace {

const NormLoops& loops(int index) { return isa_of(index).normalization; }

enum class Join { kSum, kMin, kMax };

// out[4][channels] from the partial results [tasks][4][channels].
template <class F>
int reduce(int64_t rows, int64_t channels, const Join (&how)[4], double* out, F f) {
  std::lock_guard<std::mutex> guard(lock);
  try {
    const int64_t size = 4 * channels, count = up(rows, kNormRows);
    std::vector<float> partial(size_t(count * size));
    pieces(rows, kNormRows, [&](int64_t task, int64_t first, int64_t n) { f(first, n, partial.data() + task * size); });
    parallel(4, [&](int64_t kind, int) {
      double* to = out + kind * channels;
      for (int64_t c = 0; c < channels; ++c)
        to[c] = how[kind] == Join::kSum ? 0.0 : partial[size_t(kind * channels + c)];
      for (int64_t task = 0; task < count; ++task) {
        const float* from = partial.data() + task * size + kind * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const double v = from[c];
          to[c] = how[kind] == Join::kSum   ? to[c] + v
                  : how[kind] == Join::kMin ? std::min(to[c], v)
                                            : std::max(to[c], v);
        }
      }
    });
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

}  // namespace
}  // namespace pyq8

using namespace pyq8;

PYQ8_API int pyq8_moments(int isa, const float* x, int64_t rows, int64_t channels, double* out) {
  return reduce(
      rows, channels, {Join::kSum, Join::kSum, Join::kMin, Join::kMax}, out,
      [&](int64_t first, int64_t n, float* sums) { loops(isa).moments(x + first * channels, n, channels, x, sums); });
}

PYQ8_API void pyq8_normalize(int isa, const Pyq8Norm* norm, const float* x, float* y, int16_t* q) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  pieces(norm->rows, kNormRows, [&](int64_t, int64_t first, int64_t n) {
    const int64_t at = first * norm->channels;
    loops(isa).normalize(*norm, x + at, n, y ? y + at : nullptr, q ? q + at : nullptr);
  });
}

PYQ8_API int pyq8_norm_backward_sums(int isa, const Pyq8Norm* norm, const float* dy, const float* x, double* out) {
  return reduce(norm->rows, norm->channels, {Join::kSum, Join::kSum, Join::kMax, Join::kMax}, out,
                [&](int64_t first, int64_t n, float* sums) {
                  loops(isa).backward_sums(*norm, dy + first * norm->channels, x + first * norm->channels, n, sums);
                });
}

PYQ8_API void pyq8_norm_backward(int isa, const Pyq8Norm* norm, const float* dy, const float* x, const float* k1,
                                 const float* k2, float* dx, int16_t* q) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  pieces(norm->rows, kNormRows, [&](int64_t, int64_t first, int64_t n) {
    const int64_t at = first * norm->channels;
    loops(isa).backward(*norm, dy + at, x + at, k1, k2, n, dx ? dx + at : nullptr, q ? q + at : nullptr);
  });
}
