// The fit for CPUs with AVX-512.

#include "fit.h"

namespace linac {

void add_avx512(float factor, const float* x, float* y, int64_t count) {
  Add(factor, x, y, count);
}

}  // namespace linac
