// The loss, and the gradients of the inputs of each layer.
#pragma once

#include "block.h"

namespace linac {
namespace cuda {

// Computes the loss of a step and the gradient of the outputs. The threads
// compute the errors of some outputs, and then one thread adds their squares.
template <int THREADS, class T>
LINAC_FUNCTION void loss(const Block<T>& block, int step) {
  const Sizes& s = block.p.sizes;
  const int* indices = block.p.batches + static_cast<long long>(step) * s.batch;
  const T* targets = block.p.targets + block.image * s.pixels * s.channels;
  T* errors = reinterpret_cast<T*>(shared_memory());
  const int count = s.batch * s.channels;
  T sum = 0;
  for (int start = 0; start < count; start += THREADS) {
    const int i = start + block.thread;
    if (i < count) {
      const int p = i / s.channels, c = i % s.channels, panel = p / kPanel;
      const int offset = c * kPanel + p % kPanel;
      const T z = block.outputs(s.layers, step, panel)[offset];
      const T y = targets[indices[p] * s.channels + c];
      const T error = add(z, -y);
      errors[block.thread] = error;
      block.gradient(s.layers, panel)[offset] =
          mul(error, block.p.constants[5]);
    }
    synchronise();
    if (block.thread == 0) {
#pragma unroll 8
      for (int j = 0; j < THREADS && start + j < count; j++) {
        sum = fma(errors[j], errors[j], sum);
      }
    }
    synchronise();
  }
  if (block.thread == 0) {
    block.p.losses[block.image * s.steps + step] =
        div(sum, block.p.constants[6]);
  }
}

// The weights that lie in one line of a cache, or in two in float64.
constexpr int kLine = 32;

// Brings the weights of the inputs from k0 on and the outputs from c on closer.
template <class S, class T>
LINAC_DEVICE void prefetch_rows(const Layer<T>& layer, int k0, int c,
                                int thread) {
  if (c >= layer.outputs) return;
  for (int k = k0 + thread; k < k0 + S::kColumns && k < layer.inputs;
       k += S::kThreads) {
    prefetch(layer.weights + (k * layer.stride + c));
  }
}

// The gradient of the inputs from k0 on of layer l for one panel, through the
// activation function of the layer before.
template <class S, class T>
LINAC_DEVICE void backward_tile(const Block<T>& block, int l, int unit,
                                int panel, int k0) {
  const int thread = block.thread;
  const Layer<T> layer = block.layer(l);
  Shared<T, S>& tiles = Shared<T, S>::get();
  const T* gradients = block.gradient(l, panel);
  Results<T, S::kPixelsEach, S::kColumnsEach> sums;
  sums.clear();
#pragma unroll 1
  for (int c0 = 0; c0 < layer.outputs; c0 += S::kRows) {
    if (c0 % kLine == 0) prefetch_rows<S>(layer, k0, c0 + kLine, thread);
    synchronise();  // The tiles before have been read.
    stage_rows<S>(tiles.x[0], gradients, c0, layer.outputs, thread);
    stage_transposed<S>(tiles.weights, layer.weights, layer.stride, k0,
                        layer.inputs, c0, thread);
    synchronise();
    multiply<S>(sums, tiles.x[0], tiles.weights, layer.outputs - c0, thread);
  }
  const T* x = block.inputs(l, unit, panel);
  T* result = block.gradient(l - 1, panel);
#pragma unroll
  for (int j = 0; j < S::kColumnsEach; j++) {
    const int k = k0 + S::column(thread) + j;
    if (k >= layer.inputs) return;
#pragma unroll
    for (int p = 0; p < S::kPixelsEach; p += S::kPack) {
      const int first = k * kPanel + S::pixel(thread) + p;
      Pack<T, S::kPack> pack = load<S::kPack>(x + first);
#pragma unroll
      for (int i = 0; i < S::kPack; i++) {
        pack.at[i] = pack.at[i] > T(0) ? sums.at[p + i][j] : T(0);
      }
      store(result + first, pack);
    }
  }
}

// The gradient of the inputs of layer l. Each block of the image has some of
// the inputs.
template <class S, class T>
LINAC_FUNCTION void backward(const Block<T>& block, int l, int unit) {
  const Sizes& s = block.p.sizes;
  for (int tile = block.rank; tile * S::kColumns < s.inputs(l);
       tile += block.p.blocks_per_image) {
    for (int panel = 0; panel < s.panels(); panel++) {
      backward_tile<S>(block, l, unit, panel, tile * S::kColumns);
    }
  }
}

}  // namespace cuda
}  // namespace linac
