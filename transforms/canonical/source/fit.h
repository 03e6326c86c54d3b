// The canonical fit, which each of fit_*.cc compiles for one instruction set.
//
// This is a placeholder: it only shows how the files are built together.

#ifndef LINAC_FIT_H_
#define LINAC_FIT_H_

#include <cstdint>
#include <type_traits>

namespace linac {

// Each function adds `factor` times `x` to `y`, rounding once.
void add_portable(float factor, const float* x, float* y, int64_t count);
void add_avx2(float factor, const float* x, float* y, int64_t count);
void add_avx512(float factor, const float* x, float* y, int64_t count);

// Each file needs its own copy of the code, or the linker would keep one of the
// three for all, perhaps one that this CPU cannot run. So it has no name outside.
namespace {

template <typename T>
inline void Add(T factor, const T* x, T* y, int64_t count) {
  static_assert(std::is_floating_point<T>::value, "T must be a float type");
  for (int64_t i = 0; i < count; ++i) {
    y[i] = __builtin_fmaf(factor, x[i], y[i]);
  }
}

}  // namespace

}  // namespace linac

#endif  // LINAC_FIT_H_
