// The fit for any CPU: the compiler chooses the instructions. Where the CPU has
// no fused multiply-add, the C library computes it, which is slow.
#include "fit.h"
#include "transpose.h"

namespace linac {
namespace {

LINAC_INLINE float fused(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
LINAC_INLINE double fused(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}
LINAC_INLINE float root(float a) { return __builtin_sqrtf(a); }
LINAC_INLINE double root(double a) { return __builtin_sqrt(a); }

template <class Number>
struct Vector {
  using T = Number;
  static constexpr int L = 4, ROWS = 4;
  struct R {
    T lanes[L];
  };

  template <class F>
  static LINAC_INLINE R map(F function) {
    R result;
    LINAC_UNROLL
    for (int i = 0; i < L; i++) result.lanes[i] = function(i);
    return result;
  }
  static LINAC_INLINE R load(const T* p) {
    return map([&](int i) { return p[i]; });
  }
  static LINAC_INLINE void store(T* p, R a) {
    LINAC_UNROLL
    for (int i = 0; i < L; i++) p[i] = a.lanes[i];
  }
  static LINAC_INLINE R all(T a) {
    return map([&](int) { return a; });
  }
  static LINAC_INLINE R add(R a, R b) {
    return map([&](int i) { return a.lanes[i] + b.lanes[i]; });
  }
  static LINAC_INLINE R mul(R a, R b) {
    return map([&](int i) { return a.lanes[i] * b.lanes[i]; });
  }
  static LINAC_INLINE R div(R a, R b) {
    return map([&](int i) { return a.lanes[i] / b.lanes[i]; });
  }
  static LINAC_INLINE R sqrt(R a) {
    return map([&](int i) { return root(a.lanes[i]); });
  }
  static LINAC_INLINE R fma(R a, R b, R c) {
    return map(
        [&](int i) { return fused(a.lanes[i], b.lanes[i], c.lanes[i]); });
  }
  static LINAC_INLINE T fma(T a, T b, T c) { return fused(a, b, c); }
  static LINAC_INLINE R relu(R a) {
    return map([&](int i) { return a.lanes[i] < 0 ? T(0) : a.lanes[i]; });
  }
  static LINAC_INLINE R where_positive(R x, R a) {
    return map([&](int i) { return x.lanes[i] > 0 ? a.lanes[i] : T(0); });
  }
  static LINAC_INLINE void transpose(R (&rows)[L]) {
    transpose_square<L>(rows, [](R a, R b, R& low, R& high) {
      low = {a.lanes[0], b.lanes[0], a.lanes[1], b.lanes[1]};
      high = {a.lanes[2], b.lanes[2], a.lanes[3], b.lanes[3]};
    });
  }
};

}  // namespace

extern const Kernels portable_kernels = {"portable", kernel<Vector<float>>(),
                                         kernel<Vector<double>>()};

}  // namespace linac
