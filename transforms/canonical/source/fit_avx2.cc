// The fit with vectors of 256 bits: AVX2 and FMA, which have 16 registers.
#if defined(__x86_64__)

#include <immintrin.h>

#include "fit.h"
#include "transpose.h"

namespace linac {
namespace {

struct Float {
  using T = float;
  using R = __m256;
  static constexpr int L = 8, ROWS = 4;
  static LINAC_INLINE R load(const T* p) { return _mm256_load_ps(p); }
  static LINAC_INLINE void store(T* p, R a) { _mm256_store_ps(p, a); }
  static LINAC_INLINE R all(T a) { return _mm256_set1_ps(a); }
  static LINAC_INLINE R add(R a, R b) { return _mm256_add_ps(a, b); }
  static LINAC_INLINE R mul(R a, R b) { return _mm256_mul_ps(a, b); }
  static LINAC_INLINE R div(R a, R b) { return _mm256_div_ps(a, b); }
  static LINAC_INLINE R sqrt(R a) { return _mm256_sqrt_ps(a); }
  static LINAC_INLINE R fma(R a, R b, R c) { return _mm256_fmadd_ps(a, b, c); }
  static LINAC_INLINE T fma(T a, T b, T c) { return __builtin_fmaf(a, b, c); }
  // 0 where a < 0, else a. The second operand is the result for a NaN and for
  // two zeros, so a NaN and -0 stay.
  static LINAC_INLINE R relu(R a) { return _mm256_max_ps(all(0), a); }
  // a where x > 0, else 0.
  static LINAC_INLINE R where_positive(R x, R a) {
    return _mm256_and_ps(_mm256_cmp_ps(x, all(0), _CMP_GT_OQ), a);
  }
  static LINAC_INLINE void transpose(R (&rows)[L]) {
    transpose_square<L>(rows, [](R a, R b, R& low, R& high) {
      low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    });
  }
};

struct Double {
  using T = double;
  using R = __m256d;
  static constexpr int L = 4, ROWS = 4;
  static LINAC_INLINE R load(const T* p) { return _mm256_load_pd(p); }
  static LINAC_INLINE void store(T* p, R a) { _mm256_store_pd(p, a); }
  static LINAC_INLINE R all(T a) { return _mm256_set1_pd(a); }
  static LINAC_INLINE R add(R a, R b) { return _mm256_add_pd(a, b); }
  static LINAC_INLINE R mul(R a, R b) { return _mm256_mul_pd(a, b); }
  static LINAC_INLINE R div(R a, R b) { return _mm256_div_pd(a, b); }
  static LINAC_INLINE R sqrt(R a) { return _mm256_sqrt_pd(a); }
  static LINAC_INLINE R fma(R a, R b, R c) { return _mm256_fmadd_pd(a, b, c); }
  static LINAC_INLINE T fma(T a, T b, T c) { return __builtin_fma(a, b, c); }
  static LINAC_INLINE R relu(R a) { return _mm256_max_pd(all(0), a); }
  static LINAC_INLINE R where_positive(R x, R a) {
    return _mm256_and_pd(_mm256_cmp_pd(x, all(0), _CMP_GT_OQ), a);
  }
  static LINAC_INLINE void transpose(R (&rows)[L]) {
    transpose_square<L>(rows, [](R a, R b, R& low, R& high) {
      low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    });
  }
};

}  // namespace

extern const Kernels avx2_kernels = {"avx2", kernel<Float>(), kernel<Double>()};

}  // namespace linac

#endif
