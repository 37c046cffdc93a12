// The data caches, as the processor describes them: CPUID, leaf 4 of Intel's and 0x8000001D of AMD's.
#pragma once

#include <cstdint>

namespace pyq8 {

struct Cache {
  int64_t bytes = 0;    // 0: the processor does not say
  int64_t threads = 1;  // of the processor, that share it
};

struct Caches {
  Cache level[3];  // L1d, L2, L3, of the core that asked
};

const Caches& caches();

// What the blocking of layers counts on. How fast a layer is depends on it, never what it computes.
struct Machine {
  int64_t l2 = 0;  // bytes, of a core
  int64_t l3 = 0;  // bytes, a core's share
};

Machine machine_of(const Caches& found);

// That of the caches here, or another one for trials; zeros: that of the caches again.
Machine machine();
void set_machine(Machine trial);

}  // namespace pyq8
