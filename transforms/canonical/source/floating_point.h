// The floating-point environment that the canonical arithmetic is defined in.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <fenv.h>
#endif

namespace linac {
namespace {

// Rounds to nearest, keeps subnormal numbers and traps nothing in this thread
// during its life. TensorFlow and XLA make threads of theirs flush subnormal
// numbers to zero.
class DefaultFloatingPoint {
 public:
#if defined(__x86_64__)
  DefaultFloatingPoint() : before_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~DefaultFloatingPoint() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#else
  DefaultFloatingPoint() {
    fegetenv(&before_);
    fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatingPoint() { fesetenv(&before_); }

 private:
  fenv_t before_;
#endif
};

}  // namespace
}  // namespace linac
