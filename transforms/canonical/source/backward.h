// The loss, and the gradients of the inputs of each layer: sums over outputs.
#pragma once

#include "state.h"

namespace linac {
namespace {

// Brings the gradient of a layer's outputs into the blocks of its weights.
template <class V, int PANEL>
void transpose(State<V, PANEL>& s, const Layer<typename V::T>& layer) {
  constexpr int L = V::L;
  s.for_blocks(layer, [&](int64_t c, auto vectors) {
    constexpr int J = vectors.value;
    for (int64_t i = 0; i < s.panels(); i++) {
      const auto* d = s.gradient[0] + i * s.gradient_size() + c * s.stride();
      auto* target =
          layer.gradient + c * s.problem.batch + i * s.stride() * J * L;
      for (int64_t p = 0; p < s.pixels_of(i); p += L) {
        for (int j = 0; j < J; j++) {
          typename V::R square[L];
          LINAC_UNROLL
          for (int r = 0; r < L; r++) {
            square[r] = V::load(d + (j * L + r) * s.stride() + p);
          }
          V::transpose(square);
          LINAC_UNROLL
          for (int r = 0; r < L; r++) {
            if (p + r < s.pixels_of(i)) {
              V::store(target + ((p + r) * J + j) * L, square[r]);
            }
          }
        }
      }
    }
  });
}

// Computes the loss of the outputs and their gradient.
template <class V, int PANEL>
typename V::T loss(State<V, PANEL>& s, const typename V::T* targets,
                   const int32_t* indices) {
  using T = typename V::T;
  const int64_t l = s.problem.layers, channels = s.problem.channels;
  T sum = 0;
  for (int64_t i = 0; i < s.panels(); i++) {
    const T* z = s.activations[0][l + 1] + i * s.panel_size(l + 1);
    T* d = s.gradient[0] + i * s.gradient_size();
    for (int64_t p = 0; p < s.pixels_of(i); p++) {
      const int64_t pixel = indices[i * s.stride() + p];
      for (int64_t c = 0; c < channels; c++) {
        T error = z[c * s.stride() + p] - targets[pixel * channels + c];
        sum = V::fma(error, error, sum);
        d[c * s.stride() + p] = error * s.problem.constants[5];
      }
    }
  }
  transpose(s, s.layers[l]);
  return sum / s.problem.constants[6];
}

// Computes the gradient of a layer's inputs through the activation function of
// the layer before.
template <class V, int PANEL>
__attribute__((noinline)) void backward(State<V, PANEL>& s, int64_t l) {
  using T = typename V::T;
  constexpr int ROWS = V::ROWS;
  const Layer<T>& layer = s.layers[l];
  for (int64_t k = 0; k < layer.rows; k += ROWS) {
    for (int64_t i = 0; i < s.panels(); i++) {
      const T* x = s.activations[0][l] + i * s.panel_size(l) + k * s.stride();
      const T* d = s.gradient[0] + i * s.gradient_size();
      T* result = s.gradient[1] + i * s.gradient_size() + k * s.stride();
      s.for_pixels(s.pixels_of(i), [&](int64_t p, auto parts) {
        Tile<V, ROWS, parts.value> tile;
        tile.clear();
        s.for_blocks(layer, [&](int64_t c, auto vectors) {
          constexpr int64_t block = vectors.value * V::L;
          const T* weights = layer.weights.value + c * layer.rows + k * block;
          int64_t count = layer.outputs - c;
          if (count > block) count = block;
          for (int64_t o = 0; o < count; o++) {
            tile.add(weights + o, block, d + (c + o) * s.stride() + p);
          }
        });
        tile.store(result + p, s.stride(),
                   [&](int row, int column, typename V::R sum) {
                     const T* input = x + row * s.stride() + p + column;
                     return V::where_positive(V::load(input), sum);
                   });
      });
    }
  }
  T* swap = s.gradient[0];
  s.gradient[0] = s.gradient[1];
  s.gradient[1] = swap;
  transpose(s, s.layers[l - 1]);
}

}  // namespace
}  // namespace linac
