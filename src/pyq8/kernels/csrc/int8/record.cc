#include "int8/record.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "common/api.h"

namespace pyq8::int8 {
namespace {

std::atomic<bool> wanted{false};
std::mutex mutex;
std::vector<int64_t> numbers;

}  // namespace

bool recording() { return wanted.load(std::memory_order_relaxed); }

void record(const std::vector<int64_t>& nanoseconds, const std::vector<int64_t>& products) {
  const std::lock_guard<std::mutex> guard(mutex);
  numbers.push_back(int64_t(nanoseconds.size()));
  for (size_t i = 0; i < nanoseconds.size(); ++i) {
    numbers.push_back(nanoseconds[i]);
    numbers.push_back(products[i]);
  }
}

}  // namespace pyq8::int8

using namespace pyq8::int8;

// Begin (1) or end (0); what was recorded before is forgotten when it begins.
PYQ8_API void pyq8_region_record(int on) {
  const std::lock_guard<std::mutex> guard(mutex);
  if (on) numbers.clear();
  wanted = on != 0;
}

// How many numbers were recorded; the first `room` of them go to `to`. A run is its number of layers and, for each,
// nanoseconds and multiply-adds.
PYQ8_API int64_t pyq8_region_recorded(int64_t* to, int64_t room) {
  const std::lock_guard<std::mutex> guard(mutex);
  std::copy_n(numbers.begin(), std::min<int64_t>(room, int64_t(numbers.size())), to);
  return int64_t(numbers.size());
}
