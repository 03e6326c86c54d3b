// The fit for any CPU.

#include "fit.h"

namespace linac {

void add_portable(float factor, const float* x, float* y, int64_t count) {
  Add(factor, x, y, count);
}

}  // namespace linac
