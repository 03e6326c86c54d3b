// The kernels as the driver finds them, by names such as linac_float32_256.
#include "fit.h"
#include "kernels.h"

#define LINAC_KERNEL(T, NAME, COLUMNS, BLOCKS, A, B, C, D, E, F, G, H)       \
  extern "C" __global__ void __launch_bounds__(                              \
      linac::cuda::Shape<A, B, C, D>::kThreads, BLOCKS)                      \
      linac_##NAME##_##COLUMNS(                                              \
          const __grid_constant__ linac::cuda::Parameters<T> parameters) {   \
    linac::cuda::fit<linac::cuda::Shape<A, B, C, D>,                         \
                     linac::cuda::Shape<E, F, G, H>>(parameters, blockIdx.x, \
                                                     threadIdx.x);           \
  }

LINAC_FOR_KERNELS(LINAC_KERNEL)
