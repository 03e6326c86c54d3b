// The canonical fit on a GPU; docs/reproducibility.md defines it operation by
// operation.
//
// Only the order of the terms within each sum is fixed. So the results of a
// layer are computed in tiles, while each is one chain of fused multiply-adds
// in a thread's registers.
//
// One or more blocks of threads fit an image. Each of several blocks has some
// columns of every layer, and they meet at a barrier after each layer. Either
// many images are fitted at once, each by one block, and their state streams
// through memory; or a few, each by several blocks, and their state stays in
// the second-level cache.
#pragma once

#include "backward.h"
#include "forward.h"

namespace linac {
namespace cuda {

// Brings the encoded coordinates of the pixels of a unit of work into panels.
// The caller lets the blocks meet.
template <int THREADS, class T>
LINAC_FUNCTION void gather_inputs(const Block<T>& block, int unit) {
  const Sizes& s = block.p.sizes;
  const long long start = static_cast<long long>(unit) * s.batch;
  const int grid = (unit - s.steps) * s.batch;
  for (int i = block.rank * THREADS + block.thread; i < s.batch * s.features;
       i += block.p.blocks_per_image * THREADS) {
    const int p = i / s.features, feature = i % s.features;
    const int pixel = unit < s.steps ? block.p.batches[start + p] : grid + p;
    block.inputs(0, unit, p / kPanel)[feature * kPanel + p % kPanel] =
        block.p.inputs[static_cast<long long>(pixel) * s.features + feature];
  }
}

// Sets the weights to their initial values and all else to zero.
template <int THREADS, class T>
LINAC_FUNCTION void initialise(Block<T>& block) {
  const Sizes& s = block.p.sizes;
  const unsigned first = block.rank * THREADS + block.thread;
  const unsigned threads = block.p.blocks_per_image * THREADS;
  T* memory = block.memory;
  for (unsigned i = first; i < block.layout.size(); i += threads) {
    memory[i] = 0;
  }
  block.meet();
  const T* source = block.p.weights;
  for (int l = 0; l <= s.layers; l++) {
    const unsigned outputs = s.outputs(l), count = s.inputs(l) * outputs;
    T* target = memory + block.layout.weights(l);
    for (unsigned i = first; i < count; i += threads) {
      const unsigned row = i / outputs;
      target[row * block.layout.stride(l) + i - row * outputs] = source[i];
    }
    source += count;
  }
  gather_inputs<THREADS>(block, 0);
  block.meet();
}

// Copies the outputs of layer l for a part of the grid to the results.
template <int THREADS, class T>
LINAC_FUNCTION void emit(const Block<T>& block, int l, int unit, T* target) {
  const Sizes& s = block.p.sizes;
  const unsigned units = s.outputs(l), count = s.batch * units;
  const long long first = block.image * s.pixels + (unit - s.steps) * s.batch;
  for (unsigned i = block.rank * THREADS + block.thread; i < count;
       i += block.p.blocks_per_image * THREADS) {
    const int p = i / units, c = i % units;
    target[first * units + i] =
        block.outputs(l, unit, p / kPanel)[c * kPanel + p % kPanel];
  }
}

// Does the part of a step after the forward pass.
template <class S, class LAST, class T>
LINAC_DEVICE void finish_step(Block<T>& block, int step) {
  const Sizes& s = block.p.sizes;
  // If the last layer is one tile, the first block has all of it.
  if (s.channels > LAST::kColumns) block.meet();
  synchronise();
  if (block.rank == 0) loss<S::kThreads>(block, step);
  block.meet();
#pragma unroll 1
  for (int l = s.layers; l > 0; l--) {
    backward<S>(block, l, step);
    // The first layer's gradients are read by the block that wrote them.
    if (l > 1) block.meet();
  }
}

// Fits an image, or does a part of its units of work. S is the shape of tiles
// of hidden layers, and LAST that of the last layer.
template <class S, class LAST, class T>
LINAC_DEVICE void fit(const Parameters<T>& p, int block_index, int thread) {
  static_assert(S::kThreads == LAST::kThreads, "A block has one size.");
  const Sizes& s = p.sizes;
  Block<T> block(p, block_index, thread);
  if (p.first == 0) initialise<S::kThreads>(block);
#pragma unroll 1
  for (int unit = p.first; unit < p.end; unit++) {
#pragma unroll 1
    for (int l = 0; l < s.layers; l++) {
      forward<S>(block, l, unit);
      block.meet();
    }
    forward<LAST>(block, s.layers, unit);
    if (unit + 1 < s.units()) gather_inputs<S::kThreads>(block, unit + 1);
    if (unit < s.steps) {
      finish_step<S, LAST>(block, unit);
    } else {
      block.meet();
      emit<S::kThreads>(block, s.representation_layer, unit, p.representation);
      emit<S::kThreads>(block, s.layers, unit, p.outputs);
    }
  }
}

}  // namespace cuda
}  // namespace linac
