/* Measures a core's limit: fused multiply-adds on numbers in registers. */

#ifndef BYTES
#define BYTES 64 /* of a vector */
#endif

#define DEFINE(NAME, NUMBER)                                                \
  typedef NUMBER NAME##_vector __attribute__((vector_size(BYTES)));         \
  /* Does `count` times 12 independent operations; returns their number. */ \
  double fma_##NAME(long count, NUMBER* result) {                           \
    NAME##_vector sums[12], factor = {}, term = {};                         \
    for (int i = 0; i < 12; i++) sums[i] = term + (NUMBER)i;                \
    factor += (NUMBER)0.5, term += (NUMBER)1;                               \
    for (long n = 0; n < count; n++)                                        \
      for (int i = 0; i < 12; i++) {                                        \
        sums[i] = sums[i] * factor + term;                                  \
        /* Otherwise the compiler might leave operations out. */            \
        __asm__("" : "+v"(sums[i]));                                        \
      }                                                                     \
    for (int i = 0; i < 12; i++) *result += sums[i][0];                     \
    return 12.0 * count * BYTES / sizeof(NUMBER);                           \
  }

DEFINE(float32, float)
DEFINE(float64, double)
