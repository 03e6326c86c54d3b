// The fit of a batch of images as plain data: what all instruction sets share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace linac {

// What a fit is computed from, except the image itself. All arrays are dense
// and in row-major order. `steps` counts optimisation steps, `batch` the pixels
// of one step, and `layers` the hidden layers.
template <class T>
struct Problem {
  int64_t steps, batch, pixels, features, width, layers, channels;
  int64_t representation_layer;  // `layers` stands for the reconstruction.
  bool use_bias;                 // Whether hidden layers have a bias.
  const T* const* weights;       // Per layer [inputs, outputs].
  const T* inputs;               // The encoded grid, [pixels, features].
  const int32_t* batches;        // Grid indices, [steps, batch].
  const T* factors;              // c1, c2 and r of each step, [steps, 3].
  const T* constants;            // b1, 1 - b1, b2, 1 - b2, eps, 2 / P and P.
};

// An image and the results of its fit.
template <class T>
struct Image {
  const T* targets;   // [pixels, channels]
  T* representation;  // [pixels, units]
  T* outputs;         // [pixels, channels]
  T* losses;          // [steps]
};

// The functions of one instruction set. A workspace is an array of
// `workspace` bytes, aligned to 64 bytes.
template <class T>
struct Kernel {
  size_t (*workspace)(const Problem<T>&);
  void (*fit)(const Problem<T>&, const Image<T>&, void* workspace);
};

struct Kernels {
  const char* name;
  Kernel<float> float32;
  Kernel<double> float64;
};

extern const Kernels portable_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace linac
