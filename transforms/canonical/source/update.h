// The update of a layer, with its forward pass of the next step.
#pragma once

#include "forward.h"

namespace linac {
namespace {

// Adds the products of a panel to the gradient of ROWS rows of weights. Between
// them stand the updates of the rows before by the gradient `previous`, because
// a core divides and multiplies at the same time.
template <bool UPDATES, class V, int ROWS, int J>
LINAC_INLINE void add_products(Tile<V, ROWS, J>& tile, const typename V::T* x,
                               int64_t stride, const typename V::T* d,
                               int64_t pixels, const Adam<V>& adam,
                               const Parameters<typename V::T>& before,
                               const typename V::T* previous) {
  constexpr int L = V::L, count = ROWS * J;
  int64_t p = 0;
  for (int u = 0; u < count; u++) {
    const int64_t end = (u + 1) * pixels / count;
    for (; p < end; p++) tile.add(x + p, stride, d + p * J * L);
    if (UPDATES) adam.update(before.at(u * L), V::load(previous + u * L));
  }
}

// Starts the gradient of ROWS rows with the sums over the panels before.
template <class V, int PANEL, int ROWS, int J>
LINAC_INLINE void start(const State<V, PANEL>& s, Tile<V, ROWS, J>& tile,
                        int64_t k, int64_t panel) {
  if (panel) {
    tile.load(s.partial + k * J * V::L, J * V::L);
  } else {
    tile.clear();
  }
}

// Sums the gradients of a block of weights over all panels but the last.
template <int J, class V, int PANEL>
void add_panels(State<V, PANEL>& s, int64_t l, int64_t c) {
  using T = typename V::T;
  constexpr int block = J * V::L, ROWS = V::ROWS;
  const Layer<T>& layer = s.layers[l];
  for (int64_t i = 0; i + 1 < s.panels(); i++) {
    const T* x = s.activations[1][l] + i * s.panel_size(l);
    const T* d = layer.gradient + c * s.problem.batch + i * s.stride() * block;
    for (int64_t k = 0; k < layer.rows; k += ROWS) {
      Tile<V, ROWS, J> tile;
      start(s, tile, k, i);
      for (int64_t p = 0; p < PANEL; p++) {
        tile.add(x + k * s.stride() + p, s.stride(), d + p * block);
      }
      tile.store(s.partial + k * block, block);
    }
  }
}

// Completes the gradients of a block of weights with the last panel, updates
// the weights and multiplies them by the inputs of the next step.
template <int J, class V, int PANEL>
LINAC_INLINE void update_block(State<V, PANEL>& s, int64_t l, int64_t c,
                               const Adam<V>& adam, int64_t pixels) {
  using T = typename V::T;
  constexpr int L = V::L, ROWS = V::ROWS;
  constexpr int64_t block = J * L;
  // The updated rows that are multiplied at once. They stay in the first cache,
  // and sums are loaded and stored once for all of them.
  constexpr int64_t group = 8 * ROWS;
  const Layer<T>& layer = s.layers[l];
  const int64_t last = s.panels() - 1;
  const T* x = s.activations[1][l] + last * s.panel_size(l);
  const T* d = layer.gradient + c * s.problem.batch + last * s.stride() * block;
  const Parameters<T> weights = layer.weights.at(c * layer.rows);
  for (int64_t i = 0; i < s.panels(); i++) {
    clear(s.activations[0][l + 1] + i * s.panel_size(l + 1) + c * s.stride(),
          block * s.stride());
  }
  alignas(64) T gradients[ROWS * block];
  int64_t multiplied = 0;
  for (int64_t k = 0; k < layer.rows; k += ROWS) {
    Tile<V, ROWS, J> tile;
    start(s, tile, k, last);
    const T* inputs = x + k * s.stride();
    if (k == 0) {
      add_products<false>(tile, inputs, s.stride(), d, pixels, adam, weights,
                          gradients);
    } else {
      add_products<true>(tile, inputs, s.stride(), d, pixels, adam,
                         weights.at((k - ROWS) * block), gradients);
    }
    tile.store(gradients, block);
    if (k - multiplied == group) {
      accumulate<J>(s, l, c, multiplied, group);
      multiplied = k;
    }
  }
  const Parameters<T> rows = weights.at((layer.rows - ROWS) * block);
  for (int u = 0; u < ROWS * J; u++) {
    adam.update(rows.at(u * L), V::load(gradients + u * L));
  }
  accumulate<J>(s, l, c, multiplied, layer.inputs - multiplied);
}

// Updates the biases of a block of outputs.
template <int J, class V, int PANEL>
void update_bias(State<V, PANEL>& s, int64_t l, int64_t c,
                 const Adam<V>& adam) {
  constexpr int L = V::L;
  const auto& layer = s.layers[l];
  if (!layer.has_bias) return;
  const auto* d = layer.gradient + c * s.problem.batch;
  for (int j = 0; j < J; j++) {
    auto sum = V::all(0);
    for (int64_t p = 0; p < s.problem.batch; p++) {
      sum = V::add(sum, V::load(d + (p * J + j) * L));
    }
    adam.update(layer.bias.at(c + j * L), sum);
  }
}

// Updates a layer by the gradients of the step before, and does its forward
// pass of this step.
template <class V, int PANEL>
__attribute__((noinline)) void update_forward(State<V, PANEL>& s, int64_t l,
                                              const Adam<V>& adam) {
  s.for_blocks(s.layers[l], [&](int64_t c, auto vectors) {
    constexpr int J = vectors.value;
    add_panels<J>(s, l, c);
    const int64_t pixels = s.pixels_of(s.panels() - 1);
    if (PANEL && pixels == PANEL) {
      update_block<J>(s, l, c, adam, PANEL);
    } else {
      update_block<J>(s, l, c, adam, pixels);
    }
    update_bias<J>(s, l, c, adam);
    complete_block(s, l, c, J * V::L);
  });
}

}  // namespace
}  // namespace linac
