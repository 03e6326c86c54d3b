// Tiles: what a block computes at once, in the registers of its threads and in
// shared memory.
#pragma once

#include "device.h"

namespace linac {
namespace cuda {

// How the threads of a block divide a tile of results. The tile has
// 16 * COLUMN_WARPS * COLUMNS columns. Its rows are the pixels of a panel or
// some inputs of a layer; they are divided among GROUPS groups of threads. So a
// thread has COLUMNS columns of 32 / GROUPS pixels or of INPUTS inputs.
template <int COLUMN_WARPS, int COLUMNS, int GROUPS, int INPUTS>
struct Shape {
  static constexpr int kThreads = 16 * COLUMN_WARPS * GROUPS;
  static constexpr int kColumns = 16 * COLUMN_WARPS * COLUMNS;
  static constexpr int kRows = GROUPS * INPUTS;  // The inputs of a tile.
  static constexpr int kColumnsEach = COLUMNS;
  static constexpr int kPixelsEach = kPanel / GROUPS;
  static constexpr int kPack = kPixelsEach < 4 ? kPixelsEach : 4;
  static constexpr int kInputsEach = INPUTS;

  // The first column, pixel and input of a thread in a tile. The threads of a
  // warp share 2 groups of rows and 16 of columns, so they read few numbers
  // from shared memory.
  LINAC_DEVICE static int column(int thread) {
    return (thread / 32 % COLUMN_WARPS * 16 + thread % 16) * COLUMNS;
  }
  LINAC_DEVICE static int group(int thread) {
    return thread / 32 / COLUMN_WARPS * 2 + thread % 32 / 16;
  }
  LINAC_DEVICE static int pixel(int thread) {
    return group(thread) * kPixelsEach;
  }
  LINAC_DEVICE static int input(int thread) { return group(thread) * INPUTS; }
};

// Rows of 32 pixels in shared memory begin in different banks.
constexpr int kRowStride = kPanel + 4;

// The shared memory of a block.
template <class T, class S>
struct alignas(16) Shared {
  T gradient[kPanel * S::kColumns];   // Of outputs, [pixel, output].
  T weights[S::kRows * S::kColumns];  // [input, output]
  T x[2][S::kRows * kRowStride];      // Activations, [unit, pixel].
  T previous[S::kRows * kRowStride];  // Those of the step before.
  T bias[S::kColumns];

  LINAC_DEVICE static Shared& get() {
    return *reinterpret_cast<Shared*>(shared_memory());
  }
};

// Where column c of a row lies, if the first of four rows has the number
// 4 * four_rows and the tile has ROWS rows. Threads that write a column of
// four rows at once find other banks than their neighbours.
template <class S, int ROWS>
LINAC_DEVICE int swizzle(int c, int four_rows) {
  return c ^ ((four_rows * (128 / ROWS)) & (S::kColumns - 4));
}

// Copies the rows from `first` on, of `rows` in all, into shared memory.
template <class S, class T>
LINAC_DEVICE void stage_rows(T* target, const T* source, int first, int rows,
                             int thread) {
  source += first * kPanel;
  for (int i = thread; i < S::kRows * kPanel / 4; i += S::kThreads) {
    const int row = i / (kPanel / 4), p = i % (kPanel / 4) * 4;
    if (first + row < rows) {
      store(target + row * kRowStride + p, load<4>(source + i * 4));
    }
  }
}

// Copies the gradients of the outputs from c0 on, transposed, from a panel of
// [output, pixel].
template <class S, class T>
LINAC_DEVICE void stage_gradient(T* target, const T* panel, int c0, int outputs,
                                 int thread) {
  constexpr int kFours = kPanel / 4;
#pragma unroll 2
  for (int i = thread; i < S::kColumns * kFours; i += S::kThreads) {
    const int c = i / kFours, four = i % kFours;
    const Pack<T, 4> pack = c0 + c < outputs
                                ? load<4>(panel + (c0 + c) * kPanel + four * 4)
                                : all<4>(T(0));
#pragma unroll
    for (int j = 0; j < 4; j++) {
      target[(four * 4 + j) * S::kColumns + swizzle<S, kPanel>(c, four)] =
          pack.at[j];
    }
  }
}

// Copies the weights of the inputs from k0 on and the outputs from c0 on,
// transposed, so that inputs are the columns of the tile.
template <class S, class T>
LINAC_DEVICE void stage_transposed(T* target, const T* weights, int stride,
                                   int k0, int inputs, int c0, int thread) {
  constexpr int kFours = S::kRows / 4;
#pragma unroll 4
  for (int i = thread; i < S::kColumns * kFours; i += S::kThreads) {
    const int k = i / kFours, four = i % kFours, c = c0 + four * 4;
    if (k0 + k < inputs && c < stride) {
      const unsigned offset = static_cast<unsigned>(k0 + k) * stride + c;
      const Pack<T, 4> pack = load<4>(weights + offset);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        target[(four * 4 + j) * S::kColumns + swizzle<S, S::kRows>(k, four)] =
            pack.at[j];
      }
    }
  }
}

// The results of a thread: rows of COLUMNS columns.
template <class T, int ROWS, int COLUMNS>
struct Results {
  T at[ROWS][COLUMNS];

  LINAC_DEVICE void clear() {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) at[i][j] = 0;
    }
  }

  // Adds the product of one number per row and one per column.
  template <int STRIDE>
  LINAC_DEVICE void add_product(const T* rows,
                                const Pack<T, COLUMNS>& columns) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) {
        at[i][j] = fma(rows[i * STRIDE], columns.at[j], at[i][j]);
      }
    }
  }
};

// Adds to the sums of a thread's pixels and columns the products of at most
// `count` rows of activations and of weights.
template <class S, class T, class Sums>
LINAC_DEVICE void multiply(Sums& sums, const T* x, const T* weights, int count,
                           int thread) {
  x += S::pixel(thread);
  const auto add_row = [&](int k) {
    T pixels[S::kPixelsEach];
#pragma unroll
    for (int p = 0; p < S::kPixelsEach; p += S::kPack) {
      const auto pack = load<S::kPack>(x + k * kRowStride + p);
#pragma unroll
      for (int i = 0; i < S::kPack; i++) pixels[p + i] = pack.at[i];
    }
    const int c = swizzle<S, S::kRows>(S::column(thread), k / 4);
    sums.template add_product<1>(
        pixels, load<S::kColumnsEach>(weights + k * S::kColumns + c));
  };
  if (count >= S::kRows) {
#pragma unroll 4
    for (int k = 0; k < S::kRows; k++) add_row(k);
  } else {
#pragma unroll 1
    for (int k = 0; k < count; k++) add_row(k);
  }
}

// Adds to the sums of a thread's inputs and columns the products of `count`
// pixels of activations and of gradients.
template <class S, class T, class Sums>
LINAC_DEVICE void add_gradient(Sums& sums, const T* x, const T* gradient,
                               int count, int thread) {
  constexpr int kInputs = S::kInputsEach;
  x += S::input(thread) * kRowStride;
#pragma unroll 2
  for (int p = 0; p < count; p += 4) {
    const int c = swizzle<S, kPanel>(S::column(thread), p / 4);
    T inputs[kInputs][4];
#pragma unroll
    for (int i = 0; i < kInputs; i++) {
      const auto four = load<4>(x + i * kRowStride + p);
#pragma unroll
      for (int j = 0; j < 4; j++) inputs[i][j] = four.at[j];
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (p + j < count) {
        sums.template add_product<4>(
            &inputs[0][j],
            load<S::kColumnsEach>(gradient + (p + j) * S::kColumns + c));
      }
    }
  }
}

}  // namespace cuda
}  // namespace linac
