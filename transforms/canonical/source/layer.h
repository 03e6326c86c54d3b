// The state of a fit: layers with their weights and moments, and Adam.
#pragma once

#include "problem.h"

#if defined(__clang__)
#define LINAC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LINAC_UNROLL _Pragma("GCC unroll 32")
#endif
#define LINAC_INLINE inline __attribute__((always_inline))

namespace linac {
namespace {

constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

template <class T>
void clear(T* array, int64_t size) {
  for (int64_t i = 0; i < size; i++) array[i] = 0;
}

// Hands out parts of a workspace, or only counts their bytes if it has none.
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<char*>(base)) {}

  // Arrays begin at different offsets within a page. Otherwise a load would
  // wait for a store to another array at the same offset.
  template <class T>
  T* array(int64_t size) {
    used_ += 192;
    T* result = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += round_up(size * sizeof(T), 64);
    return result;
  }

  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

// Parameters with their first and second moments.
template <class T>
struct Parameters {
  T* value;
  T* mean;
  T* square;

  void allocate(Arena& arena, int64_t size) {
    value = arena.array<T>(size);
    mean = arena.array<T>(size);
    square = arena.array<T>(size);
  }

  void clear(int64_t size) const {
    linac::clear(value, size);
    linac::clear(mean, size);
    linac::clear(square, size);
  }

  Parameters at(int64_t i) const { return {value + i, mean + i, square + i}; }
};

template <class T>
struct Layer {
  int64_t inputs, outputs;  // The real ones.
  int64_t rows, columns;    // Those with padding.
  bool has_bias;
  Parameters<T> weights, bias;
  T* gradient;  // Of the outputs, in blocks of [pixel, output].
};

// The numbers of one step of Adam, each in all lanes of a vector.
template <class V>
struct Adam {
  using R = typename V::R;
  R b1, rest1, b2, rest2, eps, c1, c2, minus_rate;

  Adam(const typename V::T* constants, const typename V::T* factors)
      : b1(V::all(constants[0])),
        rest1(V::all(constants[1])),
        b2(V::all(constants[2])),
        rest2(V::all(constants[3])),
        eps(V::all(constants[4])),
        c1(V::all(factors[0])),
        c2(V::all(factors[1])),
        minus_rate(V::all(-factors[2])) {}

  LINAC_INLINE void update(const Parameters<typename V::T>& p, R g) const {
    R mean = V::fma(b1, V::load(p.mean), V::mul(rest1, g));
    R square = V::fma(b2, V::load(p.square), V::mul(rest2, V::mul(g, g)));
    R root = V::add(V::sqrt(V::mul(square, c2)), eps);
    R u = V::div(V::mul(mean, c1), root);
    V::store(p.mean, mean);
    V::store(p.square, square);
    V::store(p.value, V::fma(minus_rate, u, V::load(p.value)));
  }
};

// A tile of results in registers: I rows of J vectors.
template <class V, int I, int J>
struct Tile {
  typename V::R sums[I][J];

  LINAC_INLINE void clear() {
    LINAC_UNROLL
    for (int i = 0; i < I; i++) {
      LINAC_UNROLL
      for (int j = 0; j < J; j++) sums[i][j] = V::all(0);
    }
  }

  LINAC_INLINE void load(const typename V::T* source, int64_t stride) {
    LINAC_UNROLL
    for (int i = 0; i < I; i++) {
      LINAC_UNROLL
      for (int j = 0; j < J; j++) {
        sums[i][j] = V::load(source + i * stride + j * V::L);
      }
    }
  }

  // Adds the products of one number per row and one vector per column.
  LINAC_INLINE void add(const typename V::T* a, int64_t stride,
                        const typename V::T* b) {
    typename V::R columns[J];
    LINAC_UNROLL
    for (int j = 0; j < J; j++) columns[j] = V::load(b + j * V::L);
    LINAC_UNROLL
    for (int i = 0; i < I; i++) {
      typename V::R row = V::all(a[i * stride]);
      LINAC_UNROLL
      for (int j = 0; j < J; j++) {
        sums[i][j] = V::fma(row, columns[j], sums[i][j]);
      }
    }
  }

  // Stores function(row, column, sum) of each vector.
  template <class F>
  LINAC_INLINE void store(typename V::T* target, int64_t stride,
                          F function) const {
    LINAC_UNROLL
    for (int i = 0; i < I; i++) {
      LINAC_UNROLL
      for (int j = 0; j < J; j++) {
        V::store(target + i * stride + j * V::L,
                 function(i, j * V::L, sums[i][j]));
      }
    }
  }
  LINAC_INLINE void store(typename V::T* target, int64_t stride) const {
    store(target, stride, [](int, int, typename V::R sum) { return sum; });
  }
};

}  // namespace
}  // namespace linac
