// The kernels that are compiled: which tiles each has, and how many of its
// blocks fit the registers of a multiprocessor.
#pragma once

#include "tile.h"

namespace linac {
namespace cuda {

// For each kernel: the type of numbers, the tile's columns, the blocks, and the
// shapes of the tiles of hidden layers and of the last layer. The widest tiles
// read the least memory. Narrow ones divide a layer among more blocks.
#define LINAC_FOR_KERNELS(KERNEL)                         \
  KERNEL(float, float32, 256, 2, 4, 4, 4, 2, 1, 1, 16, 2) \
  KERNEL(float, float32, 64, 4, 1, 4, 8, 4, 1, 1, 8, 4)   \
  KERNEL(float, float32, 32, 4, 1, 2, 8, 4, 1, 1, 8, 4)   \
  KERNEL(float, float32, 16, 4, 1, 1, 8, 4, 1, 1, 8, 4)   \
  KERNEL(double, float64, 128, 3, 2, 4, 4, 2, 1, 1, 8, 4) \
  KERNEL(double, float64, 64, 3, 1, 4, 8, 2, 1, 1, 8, 4)  \
  KERNEL(double, float64, 32, 4, 1, 2, 8, 4, 1, 1, 8, 4)  \
  KERNEL(double, float64, 16, 4, 1, 1, 8, 4, 1, 1, 8, 4)

// The bytes that the blocks of a kernel share.
template <class T, class S, class LAST>
LINAC_SHARED constexpr int shared_bytes() {
  return sizeof(Shared<T, S>) > sizeof(Shared<T, LAST>)
             ? sizeof(Shared<T, S>)
             : sizeof(Shared<T, LAST>);
}

}  // namespace cuda
}  // namespace linac
