// The functions of NVIDIA's driver, found when a GPU is first used. So the
// library needs no CUDA headers, and it also loads where there is no driver.
#pragma once

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

namespace linac {
namespace {

using CuResult = int;  // 0 means success.
using CuContext = struct CuContextOpaque*;
using CuModule = struct CuModuleOpaque*;
using CuFunction = struct CuFunctionOpaque*;
using CuStream = struct CuStreamOpaque*;
using CuPointer = uint64_t;

// The numbers of CUdevice_attribute and CUfunction_attribute.
enum CuAttribute {
  kClockKhz = 13,
  kMultiprocessors = 16,
  kMemoryClockKhz = 36,
  kMemoryBusBits = 37,
  kL2Bytes = 38,
  kCapabilityMajor = 75,
  kCapabilityMinor = 76,
  kSharedBytesPerMultiprocessor = 81,
  kSharedBytesPerBlock = 97,
  kFunctionDynamicSharedBytes = 8,
};

// For each function: its name here, its symbol and its arguments.
#define LINAC_FOR_DRIVER(FUNCTION)                                             \
  FUNCTION(init, "cuInit", (unsigned flags))                                   \
  FUNCTION(version, "cuDriverGetVersion", (int* version))                      \
  FUNCTION(error_string, "cuGetErrorString", (CuResult, const char** text))    \
  FUNCTION(device, "cuDeviceGet", (int* device, int ordinal))                  \
  FUNCTION(device_name, "cuDeviceGetName", (char* name, int size, int device)) \
  FUNCTION(attribute, "cuDeviceGetAttribute",                                  \
           (int* value, int attribute, int device))                            \
  FUNCTION(context_of, "cuStreamGetCtx", (CuStream, CuContext*))               \
  FUNCTION(push_context, "cuCtxPushCurrent_v2", (CuContext))                   \
  FUNCTION(pop_context, "cuCtxPopCurrent_v2", (CuContext*))                    \
  FUNCTION(current_device, "cuCtxGetDevice", (int* device))                    \
  FUNCTION(load_module, "cuModuleLoadData", (CuModule*, const void* program))  \
  FUNCTION(find_function, "cuModuleGetFunction",                               \
           (CuFunction*, CuModule, const char* name))                          \
  FUNCTION(set_attribute, "cuFuncSetAttribute",                                \
           (CuFunction, int attribute, int value))                             \
  FUNCTION(blocks_per_multiprocessor,                                          \
           "cuOccupancyMaxActiveBlocksPerMultiprocessor",                      \
           (int* blocks, CuFunction, int threads, size_t shared_bytes))        \
  FUNCTION(copy, "cuMemcpyDtoDAsync_v2",                                       \
           (CuPointer to, CuPointer from, size_t bytes, CuStream))             \
  FUNCTION(fill, "cuMemsetD32Async",                                           \
           (CuPointer to, unsigned value, size_t count, CuStream))             \
  FUNCTION(launch, "cuLaunchKernel",                                           \
           (CuFunction, unsigned grid_x, unsigned grid_y, unsigned grid_z,     \
            unsigned block_x, unsigned block_y, unsigned block_z,              \
            unsigned shared_bytes, CuStream, void** parameters, void** extra)) \
  FUNCTION(launch_together, "cuLaunchCooperativeKernel",                       \
           (CuFunction, unsigned grid_x, unsigned grid_y, unsigned grid_z,     \
            unsigned block_x, unsigned block_y, unsigned block_z,              \
            unsigned shared_bytes, CuStream, void** parameters))

struct Driver {
#define LINAC_DECLARE(name, symbol, arguments) \
  CuResult(*name) arguments = nullptr;
  LINAC_FOR_DRIVER(LINAC_DECLARE)
#undef LINAC_DECLARE
  int number = 0;  // The version of CUDA that it supports, such as 12040.

  const char* text_of(CuResult result) const {
    const char* text = nullptr;
    return error_string(result, &text) || !text ? "unknown error" : text;
  }
};

#define LINAC_ON_CPU \
  "Or fit on the CPU with the environment variable JAX_PLATFORMS=cpu."

// Finds the driver. Returns null and a reason if there is none that works.
inline const Driver* find_driver(const char** reason) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static Driver driver;
  static bool is_ready;
  static const char* failure;
  pthread_mutex_lock(&mutex);
  if (!is_ready && !failure) {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
      failure =
          "NVIDIA's driver, libcuda.so.1, cannot be loaded. Install "
          "it. " LINAC_ON_CPU;
    }
#define LINAC_FIND(name, symbol, arguments)                                    \
  if (!failure) {                                                              \
    *reinterpret_cast<void**>(&driver.name) = dlsym(library, symbol);          \
    if (!driver.name) {                                                        \
      failure = "NVIDIA's driver has no " symbol ". Update it. " LINAC_ON_CPU; \
    }                                                                          \
  }
    LINAC_FOR_DRIVER(LINAC_FIND)
#undef LINAC_FIND
    if (!failure && (driver.init(0) || driver.version(&driver.number))) {
      failure =
          "NVIDIA's driver does not start; nvidia-smi may say why. "
          "Repair it. " LINAC_ON_CPU;
    }
    is_ready = !failure;
  }
  *reason = failure;
  pthread_mutex_unlock(&mutex);
  return is_ready ? &driver : nullptr;
}

}  // namespace
}  // namespace linac
