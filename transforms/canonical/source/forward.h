// The forward pass: sums over the inputs of a layer.
#pragma once

#include "state.h"

namespace linac {
namespace {

// Adds the bias of an output to its sums and applies the activation function.
template <class V>
LINAC_INLINE typename V::R complete(const Layer<typename V::T>& layer,
                                    int64_t c, typename V::R sum, bool hidden) {
  if (layer.has_bias) sum = V::add(sum, V::all(layer.bias.value[c]));
  return hidden ? V::relu(sum) : sum;
}

// Adds to the sums of ROWS outputs the products of `count` rows of a block of
// weights and of a panel of inputs.
template <int BLOCK, class V, int ROWS, int Q>
LINAC_INLINE void multiply(Tile<V, ROWS, Q>& tile, const typename V::T* weights,
                           const typename V::T* x, int64_t stride,
                           int64_t count) {
  for (int64_t k = 0; k < count; k++) {
    tile.add(weights + k * BLOCK, 1, x + k * stride);
  }
}

// The forward pass of one layer.
template <class V, int PANEL>
__attribute__((noinline)) void forward(State<V, PANEL>& s, int64_t l) {
  using T = typename V::T;
  constexpr int L = V::L, ROWS = V::ROWS;
  const Layer<T>& layer = s.layers[l];
  const bool hidden = l < s.problem.layers;
  s.for_blocks(layer, [&](int64_t c, auto vectors) {
    constexpr int block = vectors.value * L;
    for (int64_t i = 0; i < s.panels(); i++) {
      const T* x = s.activations[0][l] + i * s.panel_size(l);
      T* z = s.activations[0][l + 1] + i * s.panel_size(l + 1);
      for (int64_t o = c; o < c + block; o += ROWS) {
        const T* weights = layer.weights.value + c * layer.rows + o - c;
        s.for_pixels(s.pixels_of(i), [&](int64_t p, auto parts) {
          Tile<V, ROWS, parts.value> tile;
          tile.clear();
          multiply<block>(tile, weights, x + p, s.stride(), layer.inputs);
          tile.store(z + o * s.stride() + p, s.stride(),
                     [&](int row, int, typename V::R sum) {
                       return complete<V>(layer, o + row, sum, hidden);
                     });
        });
      }
    }
  });
}

// Adds to the sums of a block of J vectors of outputs the products of `count`
// rows of its weights, from row k on.
template <int J, class V, int PANEL>
LINAC_INLINE void accumulate(State<V, PANEL>& s, int64_t l, int64_t c,
                             int64_t k, int64_t count) {
  using T = typename V::T;
  constexpr int block = J * V::L, ROWS = V::ROWS;
  const Layer<T>& layer = s.layers[l];
  const T* weights = layer.weights.value + c * layer.rows + k * block;
  for (int64_t i = 0; i < s.panels(); i++) {
    const T* x = s.activations[0][l] + i * s.panel_size(l) + k * s.stride();
    T* z = s.activations[0][l + 1] + i * s.panel_size(l + 1) + c * s.stride();
    for (int o = 0; o < block; o += ROWS) {
      s.for_pixels(s.pixels_of(i), [&](int64_t p, auto parts) {
        Tile<V, ROWS, parts.value> tile;
        tile.load(z + o * s.stride() + p, s.stride());
        multiply<block>(tile, weights + o, x + p, s.stride(), count);
        tile.store(z + o * s.stride() + p, s.stride());
      });
    }
  }
}

// Completes the sums of a block of outputs.
template <class V, int PANEL>
void complete_block(State<V, PANEL>& s, int64_t l, int64_t c, int64_t block) {
  for (int64_t i = 0; i < s.panels(); i++) {
    auto* z = s.activations[0][l + 1] + i * s.panel_size(l + 1);
    for (int64_t o = c; o < c + block; o++) {
      for (int64_t p = 0; p < s.pixels_of(i); p += V::L) {
        auto* value = z + o * s.stride() + p;
        V::store(value, complete<V>(s.layers[l], o, V::load(value),
                                    l < s.problem.layers));
      }
    }
  }
}

}  // namespace
}  // namespace linac
