// The operations of a device: exactly rounded arithmetic and barriers.
//
// Without CUDA, the tests compile the kernel for threads of a CPU. They define
// `synchronise`, `pause` and `shared_memory`.
#pragma once

#include "parameters.h"

namespace linac {
namespace cuda {

// Numbers that are loaded and stored together.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
  T at[N];
};

#if defined(__CUDACC__)
#define LINAC_DEVICE __device__ __forceinline__
// A function that is called, so that it has all registers for itself.
#define LINAC_FUNCTION __device__ __noinline__

LINAC_DEVICE float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
LINAC_DEVICE float mul(float a, float b) { return __fmul_rn(a, b); }
LINAC_DEVICE float add(float a, float b) { return __fadd_rn(a, b); }
LINAC_DEVICE float div(float a, float b) { return __fdiv_rn(a, b); }
LINAC_DEVICE float sqrt(float a) { return __fsqrt_rn(a); }
LINAC_DEVICE double fma(double a, double b, double c) {
  return __fma_rn(a, b, c);
}
LINAC_DEVICE double mul(double a, double b) { return __dmul_rn(a, b); }
LINAC_DEVICE double add(double a, double b) { return __dadd_rn(a, b); }
LINAC_DEVICE double div(double a, double b) { return __ddiv_rn(a, b); }
LINAC_DEVICE double sqrt(double a) { return __dsqrt_rn(a); }

LINAC_DEVICE void synchronise() { __syncthreads(); }

// The memory that the threads of a block share.
LINAC_DEVICE char* shared_memory() {
  extern __shared__ __align__(16) char memory[];
  return memory;
}

// Brings a line of memory into the second-level cache.
LINAC_DEVICE void prefetch(const void* address) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

// Arrives at a barrier, and returns when `count` blocks have arrived there.
// What they wrote before can be read afterwards.
LINAC_DEVICE void arrive_and_wait(unsigned* arrivals, unsigned count) {
  unsigned arrived;
  __threadfence();
  atomicAdd(arrivals, 1u);
  do {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                 : "=r"(arrived)
                 : "l"(arrivals)
                 : "memory");
  } while (arrived < count);
  __threadfence();
}

#else
#define LINAC_DEVICE inline
#define LINAC_FUNCTION inline

LINAC_DEVICE float fma(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
LINAC_DEVICE float sqrt(float a) { return __builtin_sqrtf(a); }
LINAC_DEVICE double fma(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}
LINAC_DEVICE double sqrt(double a) { return __builtin_sqrt(a); }
template <class T>
LINAC_DEVICE T mul(T a, T b) {
  return a * b;
}
template <class T>
LINAC_DEVICE T add(T a, T b) {
  return a + b;
}
template <class T>
LINAC_DEVICE T div(T a, T b) {
  return a / b;
}

void synchronise();
void pause();
char* shared_memory();

LINAC_DEVICE void prefetch(const void*) {}

LINAC_DEVICE void arrive_and_wait(unsigned* arrivals, unsigned count) {
  __atomic_add_fetch(arrivals, 1, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(arrivals, __ATOMIC_ACQUIRE) < count) pause();
}
#endif

template <int N, class T>
LINAC_DEVICE Pack<T, N> load(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <class T, int N>
LINAC_DEVICE void store(T* p, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(p) = pack;
}
template <int N, class T>
LINAC_DEVICE Pack<T, N> all(T value) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; i++) pack.at[i] = value;
  return pack;
}

}  // namespace cuda
}  // namespace linac
