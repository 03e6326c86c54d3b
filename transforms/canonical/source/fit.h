// The canonical fit of one image on one core; docs/reproducibility.md defines
// it operation by operation.
//
// Only the order of the terms within each sum is fixed. So results are computed
// in vectors, and several of them at once in registers, while each is one chain
// of fused multiply-adds.
//
// The state of an image, its weights and their two moments, is larger than a
// core's cache. So a step reads it in order and only twice: weights are updated
// by the gradient of one step, and multiplied by the inputs of the next step
// while they are in the first cache.
//
// Numbers have these layouts, with padding to whole vectors:
//
//   weights, moments      blocks of one or two vectors of outputs; a block is
//                         [input, output]
//   activations           panels of at most 32 pixels; a panel is [unit, pixel]
//   gradients of outputs  in such panels, and in blocks of [pixel, output]
//
// Padding never takes part in a sum of real numbers, because sums run over the
// real inputs, outputs and pixels only.
#pragma once

#include "layer.h"

namespace linac {
namespace {

// V is a type of vectors, such as `Float` in fit_avx2.cc. PANEL is the number
// of pixels of a panel, which makes addresses constants; or it is 0 if a step
// has fewer pixels. Then these are the only panel.
template <class V, int PANEL>
class Fit {
 public:
  using T = typename V::T;

  Fit(const Problem<T>& problem, void* workspace)
      : problem_(problem), arena_(workspace) {
    layers_ = arena_.array<Layer<T>>(problem.layers + 1);
    for (auto& x : activations_) x = arena_.array<T*>(problem.layers + 2);
    // Without a workspace, bytes are only counted, and `spare` takes the place
    // of each layer.
    Layer<T> spare;
    int64_t rows = 0;
    for (int64_t l = 0; l <= problem.layers; l++) {
      Layer<T>& layer = workspace ? layers_[l] : spare;
      allocate(layer, l);
      if (layer.rows > rows) rows = layer.rows;
    }
    for (auto& x : activations_) {
      for (int64_t l = 0; l <= problem.layers + 1; l++) {
        T* array = arena_.array<T>(panels() * panel_size(l));
        if (workspace) x[l] = array;
      }
    }
    for (T*& d : gradient_) d = arena_.array<T>(panels() * gradient_size());
    partial_ = arena_.array<T>(panels() > 1 ? rows * 2 * L : 0);
  }

  size_t workspace() const { return arena_.used(); }

  void run(const Image<T>& image) {
    const int64_t batch = problem_.batch;
    initialise();
    load_inputs(problem_.batches);
    for (int64_t l = 0; l <= problem_.layers; l++) forward(l);
    for (int64_t s = 0; s < problem_.steps; s++) {
      const int32_t* indices = problem_.batches + s * batch;
      image.losses[s] = loss(image.targets, indices);
      for (int64_t l = problem_.layers; l > 0; l--) backward(l);
      T** before = activations_[0];
      activations_[0] = activations_[1];
      activations_[1] = before;
      // After the last step come the first pixels of the grid.
      load_inputs(s + 1 < problem_.steps ? indices + batch : nullptr);
      const Adam<V> adam(problem_.constants, problem_.factors + 3 * s);
      for (int64_t l = 0; l <= problem_.layers; l++) update_forward(l, adam);
    }
    for (int64_t first = 0; first < problem_.pixels; first += batch) {
      if (first) {
        load_inputs(nullptr, first);
        for (int64_t l = 0; l <= problem_.layers; l++) forward(l);
      }
      emit(problem_.representation_layer, image.representation, first);
      emit(problem_.layers, image.outputs, first);
    }
  }

 private:
  using R = typename V::R;
  static constexpr int L = V::L;
  static constexpr int ROWS = V::ROWS;  // Of a tile of results in registers.
  static constexpr int64_t kUnits = L > ROWS ? L : ROWS;
  // The updated rows of weights that are multiplied at once. They stay in the
  // first cache, and sums are loaded and stored once for all of them.
  static constexpr int64_t kGroup = 8 * ROWS;

  int64_t outputs_of(int64_t l) const {
    return l < problem_.layers ? problem_.width : problem_.channels;
  }

  // The distance of the units of a panel.
  int64_t stride() const {
    return PANEL ? PANEL : round_up(problem_.batch, L);
  }
  int64_t panels() const {
    return PANEL ? (problem_.batch + PANEL - 1) / PANEL : 1;
  }
  int64_t pixels_of(int64_t panel) const {
    const int64_t rest = problem_.batch - panel * stride();
    return PANEL && rest > PANEL ? PANEL : rest;
  }
  // The numbers in a panel of the inputs of layer l, or of the outputs.
  int64_t panel_size(int64_t l) const {
    const int64_t units = l == 0 ? problem_.features : outputs_of(l - 1);
    return round_up(units, kUnits) * stride();
  }
  // The numbers in a panel of the gradient of any layer's outputs.
  int64_t gradient_size() const {
    const int64_t hidden = panel_size(1), last = panel_size(problem_.layers + 1);
    return hidden > last ? hidden : last;
  }

  void allocate(Layer<T>& layer, int64_t l) {
    layer.inputs = l == 0 ? problem_.features : problem_.width;
    layer.outputs = outputs_of(l);
    layer.rows = round_up(layer.inputs, ROWS);
    layer.columns = round_up(layer.outputs, L);
    layer.has_bias = problem_.use_bias || l == problem_.layers;
    layer.weights.allocate(arena_, layer.rows * layer.columns);
    layer.bias.allocate(arena_, layer.columns);
    layer.gradient = arena_.array<T>(layer.columns * problem_.batch);
  }

  struct One {
    static constexpr int value = 1;
  };
  struct Two {
    static constexpr int value = 2;
  };
  // Calls function(c, vectors) for each block of a layer's outputs.
  template <class F>
  static LINAC_INLINE void for_blocks(const Layer<T>& layer, F function) {
    int64_t c = 0;
    for (; c + 2 * L <= layer.columns; c += 2 * L) function(c, Two());
    if (c < layer.columns) function(c, One());
  }
  // Calls function(p, vectors) for each part of the pixels of a panel.
  template <class F>
  static LINAC_INLINE void for_pixels(int64_t pixels, F function) {
    int64_t p = 0;
    for (; p + L < pixels; p += 2 * L) function(p, Two());
    if (p < pixels) function(p, One());
  }

  void initialise() {
    for (int64_t l = 0; l <= problem_.layers; l++) {
      Layer<T>& layer = layers_[l];
      const T* source = problem_.weights[l];
      layer.weights.clear(layer.rows * layer.columns);
      layer.bias.clear(layer.columns);
      clear(layer.gradient, layer.columns * problem_.batch);
      for_blocks(layer, [&](int64_t c, auto vectors) {
        constexpr int64_t block = vectors.value * L;
        T* target = layer.weights.value + c * layer.rows;
        for (int64_t k = 0; k < layer.inputs; k++) {
          for (int64_t i = 0; i < block && c + i < layer.outputs; i++) {
            target[k * block + i] = source[k * layer.outputs + c + i];
          }
        }
      });
    }
    for (T** x : activations_) {
      for (int64_t l = 0; l <= problem_.layers + 1; l++) {
        clear(x[l], panels() * panel_size(l));
      }
    }
    for (T* d : gradient_) clear(d, panels() * gradient_size());
  }

  // Loads the encoded coordinates of the given pixels of the grid, or of those
  // from `first` on.
  void load_inputs(const int32_t* indices, int64_t first = 0) {
    const int64_t features = problem_.features;
    for (int64_t i = 0; i < panels(); i++) {
      T* target = activations_[0][0] + i * panel_size(0);
      for (int64_t p = 0; p < pixels_of(i); p++) {
        const int64_t q = i * stride() + p;
        const int64_t pixel = indices ? indices[q] : first + q;
        const T* source = problem_.inputs + pixel * features;
        for (int64_t f = 0; f < features; f++) {
          target[f * stride() + p] = source[f];
        }
      }
    }
  }

  // Adds the bias of an output to its sums and applies the activation function.
  LINAC_INLINE R complete(const Layer<T>& layer, int64_t c, R sum,
                          bool hidden) const {
    if (layer.has_bias) sum = V::add(sum, V::all(layer.bias.value[c]));
    return hidden ? V::relu(sum) : sum;
  }

  // Adds to the sums of ROWS outputs the products of `count` rows of a block of
  // weights and of a panel of inputs.
  template <int BLOCK, int Q>
  LINAC_INLINE void multiply(Tile<V, ROWS, Q>& tile, const T* weights,
                             const T* x, int64_t count) const {
    for (int64_t k = 0; k < count; k++) {
      tile.add(weights + k * BLOCK, 1, x + k * stride());
    }
  }

  // The forward pass of one layer.
  __attribute__((noinline)) void forward(int64_t l) {
    const Layer<T>& layer = layers_[l];
    const bool hidden = l < problem_.layers;
    for_blocks(layer, [&](int64_t c, auto vectors) {
      constexpr int block = vectors.value * L;
      for (int64_t i = 0; i < panels(); i++) {
        const T* x = activations_[0][l] + i * panel_size(l);
        T* z = activations_[0][l + 1] + i * panel_size(l + 1);
        for (int64_t o = c; o < c + block; o += ROWS) {
          const T* weights = layer.weights.value + c * layer.rows + o - c;
          for_pixels(pixels_of(i), [&](int64_t p, auto parts) {
            Tile<V, ROWS, parts.value> tile;
            tile.clear();
            multiply<block>(tile, weights, x + p, layer.inputs);
            tile.store(z + o * stride() + p, stride(),
                       [&](int row, int, R sum) {
                         return complete(layer, o + row, sum, hidden);
                       });
          });
        }
      }
    });
  }

  // Adds to the sums of a block of outputs the products of `count` rows of its
  // weights, from row k on.
  template <int J>
  LINAC_INLINE void accumulate(int64_t l, int64_t c, int64_t k, int64_t count) {
    constexpr int block = J * L;
    const Layer<T>& layer = layers_[l];
    const T* weights = layer.weights.value + c * layer.rows + k * block;
    for (int64_t i = 0; i < panels(); i++) {
      const T* x = activations_[0][l] + i * panel_size(l) + k * stride();
      T* z = activations_[0][l + 1] + i * panel_size(l + 1) + c * stride();
      for (int o = 0; o < block; o += ROWS) {
        for_pixels(pixels_of(i), [&](int64_t p, auto parts) {
          Tile<V, ROWS, parts.value> tile;
          tile.load(z + o * stride() + p, stride());
          multiply<block>(tile, weights + o, x + p, count);
          tile.store(z + o * stride() + p, stride());
        });
      }
    }
  }

  // Adds the products of a panel to the gradient of ROWS rows of weights.
  // Between them stand the updates of the rows before by the gradient
  // `previous`, because a core divides and multiplies at the same time.
  template <int J, bool UPDATES>
  LINAC_INLINE void gradient(Tile<V, ROWS, J>& tile, const T* x, const T* d,
                             int64_t pixels, const Adam<V>& adam,
                             const Parameters<T>& before,
                             const T* previous) const {
    constexpr int count = ROWS * J;
    int64_t p = 0;
    for (int u = 0; u < count; u++) {
      const int64_t end = (u + 1) * pixels / count;
      for (; p < end; p++) tile.add(x + p, stride(), d + p * J * L);
      if (UPDATES) adam.update(before.at(u * L), V::load(previous + u * L));
    }
  }

  // Updates a layer by the gradients of the step before, and does its forward
  // pass of this step.
  __attribute__((noinline)) void update_forward(int64_t l,
                                                const Adam<V>& adam) {
    for_blocks(layers_[l], [&](int64_t c, auto vectors) {
      constexpr int J = vectors.value;
      add_panels<J>(l, c);
      if (PANEL && pixels_of(panels() - 1) == PANEL) {
        update_block<J>(l, c, adam, PANEL);
      } else {
        update_block<J>(l, c, adam, pixels_of(panels() - 1));
      }
      update_bias<J>(l, c, adam);
      complete_block(l, c, J * L);
    });
  }

  // Sums the gradients of a block of weights over all panels but the last.
  template <int J>
  void add_panels(int64_t l, int64_t c) {
    const Layer<T>& layer = layers_[l];
    for (int64_t i = 0; i + 1 < panels(); i++) {
      const T* x = activations_[1][l] + i * panel_size(l);
      const T* d = layer.gradient + c * problem_.batch + i * stride() * J * L;
      for (int64_t k = 0; k < layer.rows; k += ROWS) {
        Tile<V, ROWS, J> tile;
        start<J>(tile, k, i);
        for (int64_t p = 0; p < PANEL; p++) {
          tile.add(x + k * stride() + p, stride(), d + p * J * L);
        }
        tile.store(partial_ + k * J * L, J * L);
      }
    }
  }

  // Starts the gradient of ROWS rows with the sums over the panels before.
  template <int J>
  LINAC_INLINE void start(Tile<V, ROWS, J>& tile, int64_t k,
                          int64_t panel) const {
    if (panel) {
      tile.load(partial_ + k * J * L, J * L);
    } else {
      tile.clear();
    }
  }

  // Completes the gradients of a block of weights with the last panel, updates
  // the weights and multiplies them by the inputs of the next step.
  template <int J>
  LINAC_INLINE void update_block(int64_t l, int64_t c, const Adam<V>& adam,
                                 int64_t pixels) {
    constexpr int64_t block = J * L;
    const Layer<T>& layer = layers_[l];
    const int64_t last = panels() - 1;
    const T* x = activations_[1][l] + last * panel_size(l);
    const T* d = layer.gradient + c * problem_.batch + last * stride() * block;
    const Parameters<T> weights = layer.weights.at(c * layer.rows);
    for (int64_t i = 0; i < panels(); i++) {
      clear(activations_[0][l + 1] + i * panel_size(l + 1) + c * stride(),
            block * stride());
    }
    alignas(64) T gradients[ROWS * block];
    int64_t multiplied = 0;
    for (int64_t k = 0; k < layer.rows; k += ROWS) {
      Tile<V, ROWS, J> tile;
      start<J>(tile, k, last);
      const T* inputs = x + k * stride();
      const Parameters<T> before = weights.at((k - ROWS) * block);
      if (k == 0) {
        gradient<J, false>(tile, inputs, d, pixels, adam, weights, gradients);
      } else {
        gradient<J, true>(tile, inputs, d, pixels, adam, before, gradients);
      }
      tile.store(gradients, block);
      if (k - multiplied == kGroup) {
        accumulate<J>(l, c, multiplied, kGroup);
        multiplied = k;
      }
    }
    const Parameters<T> rows = weights.at((layer.rows - ROWS) * block);
    for (int u = 0; u < ROWS * J; u++) {
      adam.update(rows.at(u * L), V::load(gradients + u * L));
    }
    accumulate<J>(l, c, multiplied, layer.inputs - multiplied);
  }

  // Updates the biases of a block of outputs.
  template <int J>
  void update_bias(int64_t l, int64_t c, const Adam<V>& adam) {
    const Layer<T>& layer = layers_[l];
    if (!layer.has_bias) return;
    const T* d = layer.gradient + c * problem_.batch;
    for (int j = 0; j < J; j++) {
      R sum = V::all(0);
      for (int64_t p = 0; p < problem_.batch; p++) {
        sum = V::add(sum, V::load(d + (p * J + j) * L));
      }
      adam.update(layer.bias.at(c + j * L), sum);
    }
  }

  // Completes the sums of a block of outputs.
  void complete_block(int64_t l, int64_t c, int64_t block) {
    for (int64_t i = 0; i < panels(); i++) {
      T* z = activations_[0][l + 1] + i * panel_size(l + 1);
      for (int64_t o = c; o < c + block; o++) {
        for (int64_t p = 0; p < pixels_of(i); p += L) {
          T* value = z + o * stride() + p;
          V::store(value, complete(layers_[l], o, V::load(value),
                                   l < problem_.layers));
        }
      }
    }
  }

  // Computes the loss of the outputs and their gradient.
  T loss(const T* targets, const int32_t* indices) {
    const int64_t l = problem_.layers, channels = problem_.channels;
    T sum = 0;
    for (int64_t i = 0; i < panels(); i++) {
      const T* z = activations_[0][l + 1] + i * panel_size(l + 1);
      T* d = gradient_[0] + i * gradient_size();
      for (int64_t p = 0; p < pixels_of(i); p++) {
        const int64_t pixel = indices[i * stride() + p];
        for (int64_t c = 0; c < channels; c++) {
          T error = z[c * stride() + p] - targets[pixel * channels + c];
          sum = V::fma(error, error, sum);
          d[c * stride() + p] = error * problem_.constants[5];
        }
      }
    }
    transpose(layers_[l], gradient_[0]);
    return sum / problem_.constants[6];
  }

  // Computes the gradient of a layer's inputs through the activation function
  // of the layer before.
  __attribute__((noinline)) void backward(int64_t l) {
    const Layer<T>& layer = layers_[l];
    for (int64_t k = 0; k < layer.rows; k += ROWS) {
      for (int64_t i = 0; i < panels(); i++) {
        const T* x = activations_[0][l] + i * panel_size(l) + k * stride();
        const T* d = gradient_[0] + i * gradient_size();
        T* result = gradient_[1] + i * gradient_size() + k * stride();
        for_pixels(pixels_of(i), [&](int64_t p, auto parts) {
          Tile<V, ROWS, parts.value> tile;
          tile.clear();
          for_blocks(layer, [&](int64_t c, auto vectors) {
            constexpr int64_t block = vectors.value * L;
            const T* weights = layer.weights.value + c * layer.rows + k * block;
            int64_t count = layer.outputs - c;
            if (count > block) count = block;
            for (int64_t o = 0; o < count; o++) {
              tile.add(weights + o, block, d + (c + o) * stride() + p);
            }
          });
          tile.store(result + p, stride(), [&](int row, int column, R sum) {
            const T* input = x + row * stride() + p + column;
            return V::where_positive(V::load(input), sum);
          });
        });
      }
    }
    T* swap = gradient_[0];
    gradient_[0] = gradient_[1];
    gradient_[1] = swap;
    transpose(layers_[l - 1], gradient_[0]);
  }

  // Brings the gradient of a layer's outputs into the blocks of its weights.
  void transpose(const Layer<T>& layer, const T* gradient) {
    for_blocks(layer, [&](int64_t c, auto vectors) {
      constexpr int J = vectors.value;
      for (int64_t i = 0; i < panels(); i++) {
        const T* d = gradient + i * gradient_size() + c * stride();
        T* target = layer.gradient + c * problem_.batch + i * stride() * J * L;
        for (int64_t p = 0; p < pixels_of(i); p += L) {
          for (int j = 0; j < J; j++) {
            R square[L];
            LINAC_UNROLL
            for (int r = 0; r < L; r++) {
              square[r] = V::load(d + (j * L + r) * stride() + p);
            }
            V::transpose(square);
            LINAC_UNROLL
            for (int r = 0; r < L; r++) {
              if (p + r < pixels_of(i)) {
                V::store(target + ((p + r) * J + j) * L, square[r]);
              }
            }
          }
        }
      }
    });
  }

  // Writes the outputs of layer l for the pixels from `first` on.
  void emit(int64_t l, T* target, int64_t first) const {
    const int64_t units = outputs_of(l);
    for (int64_t i = 0; i < panels(); i++) {
      const T* source = activations_[0][l + 1] + i * panel_size(l + 1);
      for (int64_t p = 0; p < pixels_of(i); p++) {
        T* row = target + (first + i * stride() + p) * units;
        for (int64_t c = 0; c < units; c++) row[c] = source[c * stride() + p];
      }
    }
  }

  const Problem<T>& problem_;
  Arena arena_;
  Layer<T>* layers_;
  // The inputs of each layer and the outputs, of this step and of the one
  // before.
  T** activations_[2];
  T* gradient_[2];  // Of the outputs of a layer and of the layer before.
  T* partial_;      // The gradients of a block over some of the panels.
};

constexpr int kPanel = 32;

template <class V>
size_t workspace(const Problem<typename V::T>& problem) {
  return problem.batch < kPanel ? Fit<V, 0>(problem, nullptr).workspace()
                                : Fit<V, kPanel>(problem, nullptr).workspace();
}

template <class V>
void fit(const Problem<typename V::T>& problem,
         const Image<typename V::T>& image, void* workspace) {
  if (problem.batch < kPanel) {
    Fit<V, 0>(problem, workspace).run(image);
  } else {
    Fit<V, kPanel>(problem, workspace).run(image);
  }
}

template <class V>
constexpr Kernel<typename V::T> kernel() {
  return {workspace<V>, fit<V>};
}

}  // namespace
}  // namespace linac
