// The forward pass of a layer, in which it is first updated by the gradients of
// the step before. So a step reads and writes the state of an image once.
#pragma once

#include "block.h"

namespace linac {
namespace cuda {

// A thread's weights of one tile, which it updates and brings into shared
// memory row by row.
template <class T, class S>
class Weights {
 public:
  // Chooses the weights of the inputs from k0 on and the outputs from c0 on.
  LINAC_DEVICE Weights(const Layer<T>& layer, int k0, int c0, int thread)
      : layer_(layer), input_(S::input(thread)), column_(S::column(thread)) {
    first_ = (k0 + input_) * layer.stride + c0 + column_;
    const bool is_real = c0 + column_ < static_cast<int>(layer.stride);
    rows_ = is_real ? layer.inputs - k0 - input_ : 0;
  }

  // Brings the weights and moments of the next tile closer.
  LINAC_DEVICE void prefetch_next() const {
#pragma unroll
    for (int i = 0; i < S::kInputsEach; i++) {
      if (S::kRows + i < rows_) {
        cuda::prefetch(address(S::kRows + i));
        cuda::prefetch(address(S::kRows + i, 1));
        cuda::prefetch(address(S::kRows + i, 2));
      }
    }
  }

  LINAC_DEVICE void stage(T* target) const {
#pragma unroll
    for (int i = 0; i < S::kInputsEach; i++) {
      stage_row(target, i, i < rows_ ? load<kColumns>(address(i)) : zeros());
    }
  }

  LINAC_DEVICE void update_and_stage(
      T* target, const Adam<T>& adam,
      const Results<T, S::kInputsEach, S::kColumnsEach>& gradient) const {
    Row row = load_row(0);
#pragma unroll
    for (int i = 0; i < S::kInputsEach; i++) {
      // The next row is loaded while this one is updated.
      const Row next = load_row(i + 1);
#pragma unroll
      for (int j = 0; j < kColumns; j++) {
        adam.update(gradient.at[i][j], row.value.at[j], row.mean.at[j],
                    row.square.at[j]);
      }
      if (i < rows_) {
        store(address(i), row.value);
        store(address(i, 1), row.mean);
        store(address(i, 2), row.square);
      }
      stage_row(target, i, row.value);
      row = next;
    }
  }

 private:
  static constexpr int kColumns = S::kColumnsEach;
  using Numbers = Pack<T, kColumns>;
  struct Row {
    Numbers value, mean, square;
  };

  LINAC_DEVICE static Numbers zeros() { return all<kColumns>(T(0)); }

  // Of row i: the weights, or one of their moments.
  LINAC_DEVICE T* address(int i, int moment = 0) const {
    return layer_.weights +
           (first_ + i * layer_.stride + moment * layer_.matrix);
  }

  LINAC_DEVICE Row load_row(int i) const {
    if (i >= S::kInputsEach || i >= rows_) return {zeros(), zeros(), zeros()};
    return {load<kColumns>(address(i)), load<kColumns>(address(i, 1)),
            load<kColumns>(address(i, 2))};
  }

  LINAC_DEVICE void stage_row(T* target, int i, const Numbers& row) const {
    const int c = swizzle<S, S::kRows>(column_, (input_ + i) / 4);
    store(target + (input_ + i) * S::kColumns + c, row);
  }

  const Layer<T>& layer_;
  int input_, column_, rows_;  // Of the tile; the rows that are real.
  unsigned first_;             // The first of the thread's weights.
};

// Updates the bias of output c by the gradients of the step before.
template <class T>
LINAC_DEVICE void update_bias(const Block<T>& block, int l,
                              const Layer<T>& layer, int unit, int c) {
  T sum = 0;
  for (int panel = 0; panel < block.p.sizes.panels(); panel++) {
    const T* d = block.gradient(l, panel) + c * kPanel;
    const int count = block.pixels_of(panel);
#pragma unroll 4
    for (int p = 0; p < count; p += 4) {
      const Pack<T, 4> pack = load<4>(d + p);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (p + i < count) sum = add(sum, pack.at[i]);
      }
    }
  }
  T* bias = layer.bias + c;
  Adam<T>(block.p, unit - 1)
      .update(sum, bias[0], bias[layer.stride], bias[2 * layer.stride]);
}

// Completes the sums of a tile and writes them for the next layer.
template <class S, class T, class Sums>
LINAC_DEVICE void complete(const Layer<T>& layer, T* outputs, const T* bias,
                           int c0, const Sums& sums, int thread) {
#pragma unroll
  for (int j = 0; j < S::kColumnsEach; j++) {
    const int column = S::column(thread) + j, c = c0 + column;
    if (c >= layer.outputs) return;
    T* z = outputs + c * kPanel + S::pixel(thread);
#pragma unroll
    for (int p = 0; p < S::kPixelsEach; p += S::kPack) {
      Pack<T, S::kPack> pack;
#pragma unroll
      for (int i = 0; i < S::kPack; i++) {
        T value = sums.at[p + i][j];
        if (layer.has_bias) value = add(value, bias[column]);
        pack.at[i] = layer.hidden && value < T(0) ? T(0) : value;
      }
      store(z + p, pack);
    }
  }
}

// Sums the gradients of a thread's weights over the pixels of the step before.
// A single panel of gradients is brought into shared memory for the first tile
// of inputs, and stays there for the others.
template <class S, class T, class Sums>
LINAC_DEVICE void sum_gradient(const Block<T>& block, int l, int unit, int k0,
                               int c0, Sums& sums) {
  const Sizes& s = block.p.sizes;
  Shared<T, S>& tiles = Shared<T, S>::get();
  const int panels = s.panels(), thread = block.thread;
  sums.clear();
  for (int panel = 0; panel < panels; panel++) {
    if (panel) synchronise();
    stage_rows<S>(tiles.previous, block.inputs(l, unit - 1, panel), k0,
                  s.inputs(l), thread);
    if (k0 == 0 || panels > 1) {
      stage_gradient<S>(tiles.gradient, block.gradient(l, panel), c0,
                        s.outputs(l), thread);
    }
    synchronise();
    add_gradient<S>(sums, tiles.previous, tiles.gradient,
                    block.pixels_of(panel), thread);
  }
}

// The outputs from c0 on of layer l for one panel. If `updates`, the weights
// are first updated by the gradients of the unit of work before.
template <class S, class T>
LINAC_DEVICE void forward_tile(const Block<T>& block, int l, int unit,
                               int panel, int c0, bool updates) {
  const int thread = block.thread;
  const Layer<T> layer = block.layer(l);
  Shared<T, S>& tiles = Shared<T, S>::get();
  const T* x = block.inputs(l, unit, panel);
  Results<T, S::kPixelsEach, S::kColumnsEach> sums;
  sums.clear();
  synchronise();  // The tile before has been read.
  if (thread < S::kColumns && c0 + thread < layer.outputs && layer.has_bias) {
    if (updates) update_bias(block, l, layer, unit, c0 + thread);
    tiles.bias[thread] = layer.bias[c0 + thread];
  }
#pragma unroll 1
  for (int k0 = 0; k0 < layer.inputs; k0 += S::kRows) {
    // A buffer is written again after two barriers, when all threads have read
    // it.
    T* staged = tiles.x[k0 / S::kRows & 1];
    const Weights<T, S> weights(layer, k0, c0, thread);
    stage_rows<S>(staged, x, k0, layer.inputs, thread);
    if (updates) {
      weights.prefetch_next();
      Results<T, S::kInputsEach, S::kColumnsEach> gradient;
      sum_gradient<S>(block, l, unit, k0, c0, gradient);
      weights.update_and_stage(tiles.weights, Adam<T>(block.p, unit - 1),
                               gradient);
    } else {
      synchronise();  // The tile before has been read.
      weights.stage(tiles.weights);
    }
    synchronise();
    multiply<S>(sums, staged, tiles.weights, layer.inputs - k0, thread);
  }
  complete<S>(layer, block.outputs(l, unit, panel), tiles.bias, c0, sums,
              thread);
}

// The forward pass of layer l. Each block of the image has some of the outputs.
template <class S, class T>
LINAC_FUNCTION void forward(const Block<T>& block, int l, int unit) {
  const Sizes& s = block.p.sizes;
  const bool updates = unit > 0 && unit <= s.steps;
  for (int tile = block.rank; tile * S::kColumns < s.outputs(l);
       tile += block.p.blocks_per_image) {
    for (int panel = 0; panel < s.panels(); panel++) {
      forward_tile<S>(block, l, unit, panel, tile * S::kColumns,
                      updates && panel == 0);
    }
  }
}

}  // namespace cuda
}  // namespace linac
