#include "common/caches.h"

#include <algorithm>
#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pyq8 {
namespace {

// Where the processor does not say, and the bounds of what is believed. A virtual machine may show two of its threads the
// third cache of the whole host, and share it with all others there.
constexpr int64_t kL2 = 512 << 10, kLeastL2 = 256 << 10, kMostL2 = 4 << 20;
constexpr int64_t kL3 = 2 << 20, kMostL3 = 8 << 20;

#if defined(__x86_64__)
Caches ask() {
  uint32_t a, b, c, d;
  uint32_t leaf = 4;
  // Its TopologyExtensions say that AMD's leaf is there, which has the layout of Intel's.
  if (__get_cpuid(0x80000001, &a, &b, &c, &d) && c >> 22 & 1) leaf = 0x8000001d;
  Caches found;
  for (uint32_t index = 0; index < 16 && __get_cpuid_count(leaf, index, &a, &b, &c, &d); ++index) {
    const uint32_t type = a & 31, level = a >> 5 & 7;  // 0: no more, 1: data, 2: instructions, 3: both
    if (type == 0) break;
    if (type == 2 || level < 1 || level > 3) continue;
    const int64_t ways = (b >> 22) + 1, partitions = (b >> 12 & 1023) + 1, line = (b & 4095) + 1;
    found.level[level - 1] = {ways * partitions * line * (int64_t(c) + 1), int64_t(a >> 14 & 4095) + 1};
  }
  return found;
}
#else
Caches ask() { return {}; }
#endif

std::atomic<int64_t> trial_l2{0}, trial_l3{0};

}  // namespace

const Caches& caches() {
  static const Caches found = ask();
  return found;
}

Machine machine_of(const Caches& found) {
  // Threads that share a first cache are one core.
  const int64_t of_core = std::max<int64_t>(1, found.level[0].threads);
  const auto share = [&](const Cache& cache) { return cache.bytes / std::max<int64_t>(1, cache.threads / of_core); };
  const int64_t l2 = share(found.level[1]), l3 = share(found.level[2]);
  // Without a first cache nothing was said, and a missing third one is none.
  return {l2 ? std::clamp(l2, kLeastL2, kMostL2) : kL2, found.level[0].bytes ? std::min(l3, kMostL3) : kL3};
}

Machine machine() {
  static const Machine here = machine_of(caches());
  const Machine trial = {trial_l2, trial_l3};
  return trial.l2 ? trial : here;
}

void set_machine(Machine trial) { trial_l2 = trial.l2, trial_l3 = trial.l3; }

}  // namespace pyq8
