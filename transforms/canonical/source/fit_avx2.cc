// The fit for CPUs with AVX2 and FMA.

#include "fit.h"

namespace linac {

void add_avx2(float factor, const float* x, float* y, int64_t count) {
  Add(factor, x, y, count);
}

}  // namespace linac
