// The transpose of a square of vectors in registers.
#pragma once

namespace linac {
namespace {

// Transposes L vectors of L numbers. interleave(a, b, low, high) gives
// a0 b0 a1 b1 ..., in two vectors. Each round of it moves the index of a number
// by one binary digit; after log2(L) rounds, rows and columns have changed
// places.
template <int L, class R, class Interleave>
inline __attribute__((always_inline)) void transpose_square(
    R (&rows)[L], Interleave interleave) {
  LINAC_UNROLL
  for (int round = 1; round < L; round *= 2) {
    R next[L];
    LINAC_UNROLL
    for (int i = 0; i < L / 2; i++) {
      interleave(rows[i], rows[i + L / 2], next[2 * i], next[2 * i + 1]);
    }
    LINAC_UNROLL
    for (int i = 0; i < L; i++) rows[i] = next[i];
  }
}

}  // namespace
}  // namespace linac
