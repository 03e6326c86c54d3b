// The fit with vectors of 512 bits: AVX-512 F, which has 32 registers.
#if defined(__x86_64__)

#include <immintrin.h>

#include "fit.h"
#include "transpose.h"

namespace linac {
namespace {

struct Float {
  using T = float;
  using R = __m512;
  static constexpr int L = 16, ROWS = 8;
  static LINAC_INLINE R load(const T* p) { return _mm512_load_ps(p); }
  static LINAC_INLINE void store(T* p, R a) { _mm512_store_ps(p, a); }
  static LINAC_INLINE R all(T a) { return _mm512_set1_ps(a); }
  static LINAC_INLINE R add(R a, R b) { return _mm512_add_ps(a, b); }
  static LINAC_INLINE R mul(R a, R b) { return _mm512_mul_ps(a, b); }
  static LINAC_INLINE R div(R a, R b) { return _mm512_div_ps(a, b); }
  static LINAC_INLINE R sqrt(R a) { return _mm512_sqrt_ps(a); }
  static LINAC_INLINE R fma(R a, R b, R c) { return _mm512_fmadd_ps(a, b, c); }
  static LINAC_INLINE T fma(T a, T b, T c) { return __builtin_fmaf(a, b, c); }
  // 0 where a < 0, else a. The second operand is the result for a NaN and for
  // two zeros, so a NaN and -0 stay.
  static LINAC_INLINE R relu(R a) { return _mm512_max_ps(all(0), a); }
  // a where x > 0, else 0.
  static LINAC_INLINE R where_positive(R x, R a) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, all(0), _CMP_GT_OQ), a);
  }
  static LINAC_INLINE void transpose(R (&rows)[L]) {
    transpose_square<L>(rows, [](R a, R b, R& low, R& high) {
      low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
                                    21, 6, 22, 7, 23);
      high = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                     13, 29, 14, 30, 15, 31);
    });
  }
};

struct Double {
  using T = double;
  using R = __m512d;
  static constexpr int L = 8, ROWS = 8;
  static LINAC_INLINE R load(const T* p) { return _mm512_load_pd(p); }
  static LINAC_INLINE void store(T* p, R a) { _mm512_store_pd(p, a); }
  static LINAC_INLINE R all(T a) { return _mm512_set1_pd(a); }
  static LINAC_INLINE R add(R a, R b) { return _mm512_add_pd(a, b); }
  static LINAC_INLINE R mul(R a, R b) { return _mm512_mul_pd(a, b); }
  static LINAC_INLINE R div(R a, R b) { return _mm512_div_pd(a, b); }
  static LINAC_INLINE R sqrt(R a) { return _mm512_sqrt_pd(a); }
  static LINAC_INLINE R fma(R a, R b, R c) { return _mm512_fmadd_pd(a, b, c); }
  static LINAC_INLINE T fma(T a, T b, T c) { return __builtin_fma(a, b, c); }
  static LINAC_INLINE R relu(R a) { return _mm512_max_pd(all(0), a); }
  static LINAC_INLINE R where_positive(R x, R a) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, all(0), _CMP_GT_OQ), a);
  }
  static LINAC_INLINE void transpose(R (&rows)[L]) {
    transpose_square<L>(rows, [](R a, R b, R& low, R& high) {
      low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    });
  }
};

}  // namespace

extern const Kernels avx512_kernels = {"avx512", kernel<Float>(),
                                       kernel<Double>()};

}  // namespace linac

#endif
