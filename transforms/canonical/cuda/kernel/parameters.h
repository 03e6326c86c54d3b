// What the kernel is given, and where the numbers of a fit lie in memory. Both
// the host and the device read this file.
#pragma once

#if defined(__CUDACC__)
#define LINAC_SHARED __host__ __device__
#else
#define LINAC_SHARED
#endif

namespace linac {
namespace cuda {

constexpr int kPanel = 32;  // The pixels that a block multiplies at once.

template <class I>
LINAC_SHARED constexpr I round_up(I n, I multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// The sizes of a fit. `steps` counts optimisation steps, `batch` the pixels of
// one step, and `layers` the hidden layers.
struct Sizes {
  int steps, batch, pixels, features, width, layers, channels;
  int representation_layer;  // `layers` stands for the reconstruction.
  int use_bias;              // Whether hidden layers have a bias.

  LINAC_SHARED int inputs(int l) const { return l == 0 ? features : width; }
  LINAC_SHARED int outputs(int l) const {
    return l < layers ? width : channels;
  }
  LINAC_SHARED int panels() const { return (batch + kPanel - 1) / kPanel; }
  // The steps, and then the parts of the grid that are as large as a batch.
  LINAC_SHARED int units() const { return steps + pixels / batch; }
};

// Where the numbers of one image lie in its workspace, counted by integers of
// type I. The kernel counts them by 32 bits, which saves registers. Matrices of
// weights and moments are row-major, [input, output]. Activations and gradients
// are panels of [unit, pixel] with 32 pixels.
template <class I>
struct Layout {
  Sizes sizes;

  // The distance of two rows of a layer's weights.
  LINAC_SHARED I stride(int l) const {
    return round_up<I>(sizes.outputs(l), 4);
  }
  // The distance of a layer's weights, first moments and second moments.
  LINAC_SHARED I matrix(int l) const { return sizes.inputs(l) * stride(l); }
  // The numbers of a layer's parameters with their moments.
  LINAC_SHARED I layer_size(int l) const {
    return round_up<I>(3 * (matrix(l) + stride(l)), 32);
  }
  // The numbers in all panels of some units.
  LINAC_SHARED I panels_of(int units) const {
    return static_cast<I>(sizes.panels()) * units * kPanel;
  }

  // A layer's weights; its biases follow the second moments. Hidden layers
  // after the first have equal sizes.
  LINAC_SHARED I weights(int l) const {
    if (l == 0) return 0;
    return layer_size(0) + (l - 1) * (l > 1 ? layer_size(1) : 0);
  }
  LINAC_SHARED I biases(int l) const { return weights(l) + 3 * matrix(l); }
  // The activations that layer l reads in units of work of one parity.
  LINAC_SHARED I activations(int l, int parity) const {
    const I first = weights(sizes.layers) + layer_size(sizes.layers);
    const I one = panels_of(sizes.features);
    const I others = sizes.layers * panels_of(sizes.width);
    return first + parity * (one + others) +
           (l == 0 ? 0 : one + (l - 1) * panels_of(sizes.width));
  }
  // The outputs of the last layer.
  LINAC_SHARED I last_outputs() const { return activations(0, 2); }
  // The gradient of the outputs of layer l.
  LINAC_SHARED I gradient(int l) const {
    return last_outputs() + panels_of(sizes.channels) +
           l * panels_of(sizes.width);
  }
  LINAC_SHARED I size() const {
    return round_up<I>(gradient(sizes.layers) + panels_of(sizes.channels), 32);
  }
};

// A launch of the kernel. It has `blocks_per_image` blocks for each image, and
// does the units of work from `first` to before `end`.
template <class T>
struct Parameters {
  Sizes sizes;
  int first, end, blocks_per_image;
  const T* weights;    // The initial ones, of one layer after the other.
  const T* inputs;     // The encoded grid, [pixels, features].
  const int* batches;  // Grid indices, [steps, batch].
  const T* factors;    // c1, c2 and r of each step, [steps, 3].
  const T* constants;  // b1, 1 - b1, b2, 1 - b2, eps, 2 / P and P.
  const T* targets;    // [images, pixels, channels]
  T* representation;   // [images, pixels, units]
  T* outputs;          // [images, pixels, channels]
  T* losses;           // [images, steps]
  T* workspace;        // [images, Layout::size()]
  unsigned* arrivals;  // Of blocks at the barrier of each image, [images].
};

}  // namespace cuda
}  // namespace linac
