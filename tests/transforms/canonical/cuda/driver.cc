// A driver of a GPU that does not exist: it runs the kernel on threads of the
// CPU, one for each thread of the GPU. Compiled as libcuda.so.1, it takes the
// place of NVIDIA's, so the whole way from XLA's call to the kernel is tested.
//
// The variables LINAC_TEST_CAPABILITY and LINAC_TEST_CUDA set what the GPU and
// its driver say about themselves.
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fit.h"
#include "kernels.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

thread_local pthread_barrier_t* barrier;
thread_local char* block_memory;

}  // namespace

namespace linac {
namespace cuda {

void synchronise() { pthread_barrier_wait(barrier); }
void pause() { sched_yield(); }
char* shared_memory() { return block_memory; }

}  // namespace cuda
}  // namespace linac

namespace {

// A kernel, and how one of its threads runs.
struct Kernel {
  const char* name;
  int blocks_per_image_offset;
  void (*run)(const void* parameters, int block, int thread);
};

template <class T, class S, class LAST>
void run(const void* parameters, int block, int thread) {
  linac::cuda::fit<S, LAST>(
      *static_cast<const linac::cuda::Parameters<T>*>(parameters), block,
      thread);
}

#define DESCRIBE(T, NAME, COLUMNS, BLOCKS, A, B, C, D, E, F, G, H) \
  {"linac_" #NAME "_" #COLUMNS,                                    \
   offsetof(linac::cuda::Parameters<T>, blocks_per_image),         \
   run<T, linac::cuda::Shape<A, B, C, D>, linac::cuda::Shape<E, F, G, H>>},
const Kernel kernels[] = {LINAC_FOR_KERNELS(DESCRIBE)};

struct Thread {
  const Kernel* kernel;
  const void* parameters;
  int block, thread;
  pthread_barrier_t* barrier;
  char* memory;
};

void* start(void* argument) {
  const Thread& thread = *static_cast<Thread*>(argument);
  barrier = thread.barrier;
  block_memory = thread.memory;
  thread.kernel->run(thread.parameters, thread.block, thread.thread);
  return nullptr;
}

int setting(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text ? atoi(text) : otherwise;
}

// Runs the blocks of one image at a time, because only these meet.
int launch(const Kernel& kernel, int blocks, int threads, int shared_bytes,
           const void* parameters) {
  int together;
  memcpy(&together,
         static_cast<const char*>(parameters) + kernel.blocks_per_image_offset,
         sizeof together);
  for (int first = 0; first < blocks; first += together) {
    pthread_barrier_t* barriers = new pthread_barrier_t[together];
    char** memory = new char*[together];
    Thread* all = new Thread[together * threads];
    pthread_t* handles = new pthread_t[together * threads];
    for (int b = 0; b < together; b++) {
      pthread_barrier_init(&barriers[b], nullptr, threads);
      memory[b] =
          static_cast<char*>(aligned_alloc(64, shared_bytes + 63 & ~63));
      memset(memory[b], 0xff, shared_bytes);  // NaNs.
      for (int t = 0; t < threads; t++) {
        all[b * threads + t] = {&kernel, parameters,   first + b,
                                t,       &barriers[b], memory[b]};
      }
    }
    for (int i = 0; i < together * threads; i++) {
      if (pthread_create(&handles[i], nullptr, start, &all[i])) abort();
    }
    for (int i = 0; i < together * threads; i++) {
      pthread_join(handles[i], nullptr);
    }
    for (int b = 0; b < together; b++) {
      pthread_barrier_destroy(&barriers[b]);
      free(memory[b]);
    }
    delete[] barriers;
    delete[] memory;
    delete[] all;
    delete[] handles;
  }
  return 0;
}

}  // namespace

EXPORT int cuInit(unsigned) { return 0; }
EXPORT int cuDriverGetVersion(int* version) {
  *version = setting("LINAC_TEST_CUDA", 12000);
  return 0;
}
EXPORT int cuGetErrorString(int, const char** text) {
  *text = "a test";
  return 0;
}
EXPORT int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return ordinal != 0;
}
EXPORT int cuDeviceGetName(char* name, int size, int) {
  snprintf(name, size, "Threads of a CPU");
  return 0;
}
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) {
  const int capability = setting("LINAC_TEST_CAPABILITY", 75);
  switch (attribute) {
    case 13:
      *value = 1000000;
      break;
    case 16:
      *value = 4;
      break;
    case 36:
      *value = 5000000;
      break;
    case 37:
      *value = 256;
      break;
    case 38:
      *value = 4 << 20;
      break;
    case 75:
      *value = capability / 10;
      break;
    case 76:
      *value = capability % 10;
      break;
    case 81:
    case 97:
      *value = 65536;
      break;
    default:
      return 1;
  }
  return 0;
}
EXPORT int cuStreamGetCtx(void*, void** context) {
  *context = &barrier;
  return 0;
}
EXPORT int cuCtxPushCurrent_v2(void*) { return 0; }
EXPORT int cuCtxPopCurrent_v2(void**) { return 0; }
EXPORT int cuCtxGetDevice(int* device) {
  *device = 0;
  return 0;
}
EXPORT int cuModuleLoadData(void** module, const void* program) {
  *module = &barrier;
  return strstr(static_cast<const char*>(program), ".target sm_75") == nullptr;
}
EXPORT int cuModuleGetFunction(void** function, void*, const char* name) {
  for (const Kernel& kernel : kernels) {
    if (!strcmp(kernel.name, name)) {
      *function = const_cast<Kernel*>(&kernel);
      return 0;
    }
  }
  return 500;
}
EXPORT int cuFuncSetAttribute(void*, int attribute, int value) {
  return attribute != 8 || value > 65536;
}
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int,
                                                       size_t) {
  *blocks = 1;
  return 0;
}
EXPORT int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes,
                                void*) {
  memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
  return 0;
}
EXPORT int cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void*) {
  for (size_t i = 0; i < count; i++) {
    reinterpret_cast<unsigned*>(to)[i] = value;
  }
  return 0;
}
EXPORT int cuLaunchKernel(void* function, unsigned blocks, unsigned, unsigned,
                          unsigned threads, unsigned, unsigned,
                          unsigned shared_bytes, void*, void** parameters,
                          void**) {
  return launch(*static_cast<Kernel*>(function), blocks, threads, shared_bytes,
                parameters[0]);
}
EXPORT int cuLaunchCooperativeKernel(void* function, unsigned blocks, unsigned,
                                     unsigned, unsigned threads, unsigned,
                                     unsigned, unsigned shared_bytes, void*,
                                     void** parameters) {
  return launch(*static_cast<Kernel*>(function), blocks, threads, shared_bytes,
                parameters[0]);
}
