// Tiles keep their sums in registers: their loops are unrolled, their functions inlined.
#pragma once

#define PYQ8_INLINE inline __attribute__((always_inline))
#define PYQ8_UNROLL _Pragma("GCC unroll 16")
