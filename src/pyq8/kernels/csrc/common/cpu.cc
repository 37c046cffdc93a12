#include "common/cpu.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pyq8 {
namespace {

#if defined(__x86_64__)
struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  Registers(uint32_t leaf, uint32_t subleaf) { __get_cpuid_count(leaf, subleaf, &a, &b, &c, &d); }
};

constexpr bool bit(uint64_t word, int n) { return word >> n & 1; }

// Which registers the system keeps when it switches programs.
uint64_t kept_registers() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

Cpu ask() {
  Cpu found;
  if (Registers(0x80000000, 0).a >= 0x80000004) {
    for (uint32_t i = 0; i < 3; ++i) {
      const Registers part(0x80000002 + i, 0);
      std::memcpy(found.name + 16 * i, &part, 16);
    }
  }
  const Registers first(1, 0), seventh(7, 0), more(7, 1);
  const uint64_t kept = bit(first.c, 27) ? kept_registers() : 0;
  const bool ymm = (kept & 0x6) == 0x6, zmm = ymm && (kept & 0xe0) == 0xe0, tiles = (kept & 0x60000) == 0x60000;
  found.avx2 = ymm && bit(seventh.b, 5) && bit(first.c, 12);
  found.avx_vnni = found.avx2 && seventh.a >= 1 && bit(more.a, 4);
  found.avx512 =
      found.avx2 && zmm && bit(seventh.b, 16) && bit(seventh.b, 17) && bit(seventh.b, 30) && bit(seventh.b, 31);
  found.avx512_vnni = found.avx512 && bit(seventh.c, 11);
  found.avx512_vbmi = found.avx512 && bit(seventh.c, 1);
  found.amx_int8 = tiles && bit(seventh.d, 24) && bit(seventh.d, 25);
  return found;
}
#else
Cpu ask() { return {}; }
#endif

}  // namespace

const Cpu& cpu() {
  static const Cpu found = ask();
  return found;
}

}  // namespace pyq8
