// A block of threads that fits an image, alone or with other blocks.
#pragma once

#include "tile.h"

namespace linac {
namespace cuda {

// A layer's parameters in the workspace of an image.
template <class T>
struct Layer {
  int inputs, outputs;
  bool hidden, has_bias;
  T* weights;       // [input, output]; the moments follow.
  T* bias;          // [output]; the moments follow.
  unsigned matrix;  // The distance of the weights, first and second moments.
  unsigned stride;  // That of two rows, and of the biases and their moments.
};

// A block of threads, and what it needs to find its numbers.
template <class T>
struct Block {
  const Parameters<T>& p;
  Layout<unsigned> layout;
  long long image;
  int rank;               // Of this block among those of its image.
  int thread;             // Of this thread within its block.
  T* memory;              // The workspace of the image.
  unsigned barriers = 0;  // Those of the image that were passed, times blocks.

  LINAC_DEVICE Block(const Parameters<T>& p, int block, int thread)
      : p(p),
        layout{p.sizes},
        image(block / p.blocks_per_image),
        rank(block % p.blocks_per_image),
        thread(thread),
        memory(p.workspace + image * layout.size()) {}

  // Waits until all blocks of the image are here.
  LINAC_DEVICE void meet() {
    synchronise();
    if (p.blocks_per_image == 1) return;
    if (thread == 0) {
      barriers += p.blocks_per_image;
      arrive_and_wait(p.arrivals + image, barriers);
    }
    synchronise();
  }

  LINAC_DEVICE Layer<T> layer(int l) const {
    const bool hidden = l < p.sizes.layers;
    return {p.sizes.inputs(l),
            p.sizes.outputs(l),
            hidden,
            !hidden || p.sizes.use_bias,
            memory + layout.weights(l),
            memory + layout.biases(l),
            layout.matrix(l),
            layout.stride(l)};
  }

  // The real pixels of a panel.
  LINAC_DEVICE int pixels_of(int panel) const {
    const int rest = p.sizes.batch - panel * kPanel;
    return rest < kPanel ? rest : kPanel;
  }

  // The activations that layer l reads in a unit of work, for a panel, [unit,
  // pixel]. The units of work are the steps, and then the parts of the grid.
  LINAC_DEVICE T* inputs(int l, int unit, int panel) const {
    return memory + layout.activations(l, unit & 1) +
           static_cast<unsigned>(panel) * p.sizes.inputs(l) * kPanel;
  }

  // The outputs of layer l in a unit of work for a panel, [output, pixel].
  LINAC_DEVICE T* outputs(int l, int unit, int panel) const {
    if (l < p.sizes.layers) return inputs(l + 1, unit, panel);
    return memory + layout.last_outputs() +
           static_cast<unsigned>(panel) * p.sizes.channels * kPanel;
  }

  // The gradient of the outputs of layer l for a panel, [output, pixel].
  LINAC_DEVICE T* gradient(int l, int panel) const {
    return memory + layout.gradient(l) +
           static_cast<unsigned>(panel) * p.sizes.outputs(l) * kPanel;
  }
};

// The numbers of one step of Adam.
template <class T>
struct Adam {
  T b1, rest1, b2, rest2, eps, c1, c2, minus_rate;

  // `step` counts from 0.
  LINAC_DEVICE Adam(const Parameters<T>& p, int step)
      : b1(p.constants[0]),
        rest1(p.constants[1]),
        b2(p.constants[2]),
        rest2(p.constants[3]),
        eps(p.constants[4]),
        c1(p.factors[3LL * step]),
        c2(p.factors[3LL * step + 1]),
        minus_rate(-p.factors[3LL * step + 2]) {}

  LINAC_DEVICE void update(T gradient, T& value, T& mean, T& square) const {
    mean = fma(b1, mean, mul(rest1, gradient));
    square = fma(b2, square, mul(rest2, mul(gradient, gradient)));
    const T root = add(sqrt(mul(square, c2)), eps);
    value = fma(minus_rate, div(mul(mean, c1), root), value);
  }
};

}  // namespace cuda
}  // namespace linac
