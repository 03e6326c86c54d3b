// The instructions of this CPU that the operating system lets programs use.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace linac {
namespace {

struct Cpu {
  bool avx2 = false;    // All of x86-64-v3.
  bool avx512 = false;  // All of x86-64-v4.

  Cpu() {
#if defined(__x86_64__)
    // The bits are those of Intel's manual, volume 2A, CPUID.
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const bool v3_of_leaf_1 = has(c, 12) && has(c, 22) && has(c, 27) &&
                              has(c, 28) &&
                              has(c, 29);  // FMA MOVBE OSXSAVE AVX F16C
    if (!v3_of_leaf_1) return;
    unsigned state, high;  // The registers that are saved for each thread.
    __asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    const unsigned leaf_7 = b;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d)) return;
    avx2 = (state & 0x6) == 0x6 && has(leaf_7, 3) && has(leaf_7, 5) &&
           has(leaf_7, 8) && has(c, 5);  // BMI1, AVX2, BMI2, LZCNT
    // AVX-512 F, DQ, CD, BW and VL
    avx512 = avx2 && (state & 0xe6) == 0xe6 && has(leaf_7, 16) &&
             has(leaf_7, 17) && has(leaf_7, 28) && has(leaf_7, 30) &&
             has(leaf_7, 31);
#endif
  }

 private:
  static bool has(unsigned word, int bit) { return word >> bit & 1; }
};

}  // namespace
}  // namespace linac
