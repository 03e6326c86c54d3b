// The numbers of a fit in the workspace: what its passes share.
//
// They have these layouts, with padding to whole vectors:
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

struct One {
  static constexpr int value = 1;
};
struct Two {
  static constexpr int value = 2;
};

// V is a type of vectors, such as `Float` in fit_avx2.cc. PANEL is the number
// of pixels of a panel, which makes addresses constants; or it is 0 if a step
// has fewer pixels. Then these are the only panel.
template <class V, int PANEL>
class State {
 public:
  using T = typename V::T;
  static constexpr int L = V::L;
  static constexpr int ROWS = V::ROWS;  // Of a tile of results in registers.

  State(const Problem<T>& problem, void* workspace)
      : problem(problem), arena_(workspace) {
    layers = arena_.array<Layer<T>>(problem.layers + 1);
    for (auto& x : activations) x = arena_.array<T*>(problem.layers + 2);
    // Without a workspace, bytes are only counted, and `spare` takes the place
    // of each layer.
    Layer<T> spare;
    int64_t rows = 0;
    for (int64_t l = 0; l <= problem.layers; l++) {
      Layer<T>& layer = workspace ? layers[l] : spare;
      allocate(layer, l);
      if (layer.rows > rows) rows = layer.rows;
    }
    for (auto& x : activations) {
      for (int64_t l = 0; l <= problem.layers + 1; l++) {
        T* array = arena_.array<T>(panels() * panel_size(l));
        if (workspace) x[l] = array;
      }
    }
    for (T*& d : gradient) d = arena_.array<T>(panels() * gradient_size());
    partial = arena_.array<T>(panels() > 1 ? rows * 2 * L : 0);
  }

  size_t workspace() const { return arena_.used(); }

  // The distance of the units of a panel.
  int64_t stride() const { return PANEL ? PANEL : round_up(problem.batch, L); }
  int64_t panels() const {
    return PANEL ? (problem.batch + PANEL - 1) / PANEL : 1;
  }
  int64_t pixels_of(int64_t panel) const {
    const int64_t rest = problem.batch - panel * stride();
    return PANEL && rest > PANEL ? PANEL : rest;
  }
  // The numbers in a panel of the inputs of layer l, or of the outputs.
  int64_t panel_size(int64_t l) const {
    const int64_t units = l == 0 ? problem.features : outputs_of(l - 1);
    return round_up(units, kUnits) * stride();
  }
  // The numbers in a panel of the gradient of any layer's outputs.
  int64_t gradient_size() const {
    const int64_t hidden = panel_size(1), last = panel_size(problem.layers + 1);
    return hidden > last ? hidden : last;
  }

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

  // Sets the weights to their initial values and all else to zero.
  void initialise() {
    for (int64_t l = 0; l <= problem.layers; l++) {
      Layer<T>& layer = layers[l];
      const T* source = problem.weights[l];
      layer.weights.clear(layer.rows * layer.columns);
      layer.bias.clear(layer.columns);
      clear(layer.gradient, layer.columns * problem.batch);
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
    for (T** x : activations) {
      for (int64_t l = 0; l <= problem.layers + 1; l++) {
        clear(x[l], panels() * panel_size(l));
      }
    }
    for (T* d : gradient) clear(d, panels() * gradient_size());
  }

  // Loads the encoded coordinates of the given pixels of the grid, or of those
  // from `first` on.
  void load_inputs(const int32_t* indices, int64_t first = 0) {
    const int64_t features = problem.features;
    for (int64_t i = 0; i < panels(); i++) {
      T* target = activations[0][0] + i * panel_size(0);
      for (int64_t p = 0; p < pixels_of(i); p++) {
        const int64_t q = i * stride() + p;
        const int64_t pixel = indices ? indices[q] : first + q;
        const T* source = problem.inputs + pixel * features;
        for (int64_t f = 0; f < features; f++) {
          target[f * stride() + p] = source[f];
        }
      }
    }
  }

  // Writes the outputs of layer l for the pixels from `first` on.
  void emit(int64_t l, T* target, int64_t first) const {
    const int64_t units = outputs_of(l);
    for (int64_t i = 0; i < panels(); i++) {
      const T* source = activations[0][l + 1] + i * panel_size(l + 1);
      for (int64_t p = 0; p < pixels_of(i); p++) {
        T* row = target + (first + i * stride() + p) * units;
        for (int64_t c = 0; c < units; c++) row[c] = source[c * stride() + p];
      }
    }
  }

  const Problem<T>& problem;
  Layer<T>* layers;
  // The inputs of each layer and the outputs, of this step and of the one
  // before.
  T** activations[2];
  T* gradient[2];  // Of the outputs of a layer and of the layer before.
  T* partial;      // The gradients of a block over some of the panels.

 private:
  static constexpr int64_t kUnits = L > ROWS ? L : ROWS;

  int64_t outputs_of(int64_t l) const {
    return l < problem.layers ? problem.width : problem.channels;
  }

  void allocate(Layer<T>& layer, int64_t l) {
    layer.inputs = l == 0 ? problem.features : problem.width;
    layer.outputs = outputs_of(l);
    layer.rows = round_up(layer.inputs, ROWS);
    layer.columns = round_up(layer.outputs, L);
    layer.has_bias = problem.use_bias || l == problem.layers;
    layer.weights.allocate(arena_, layer.rows * layer.columns);
    layer.bias.allocate(arena_, layer.columns);
    layer.gradient = arena_.array<T>(layer.columns * problem.batch);
  }

  Arena arena_;
};

}  // namespace
}  // namespace linac
