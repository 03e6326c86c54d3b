// The entry of the library: XLA calls `linac_fit_1` to fit a batch of images on
// the cores that the process may use.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "call.h"
#include "cpu.h"
#include "floating_point.h"

namespace linac {
namespace {

// The kernels that this CPU runs, the fastest first.
struct Choice {
  const Kernels* kernels[3];
  int count = 0;
};

Choice available() {
  Choice choice;
#if defined(__x86_64__)
  const Cpu cpu;
  if (cpu.avx512) choice.kernels[choice.count++] = &avx512_kernels;
  if (cpu.avx2) choice.kernels[choice.count++] = &avx2_kernels;
#endif
  choice.kernels[choice.count++] = &portable_kernels;
  return choice;
}

// The kernels that LINAC_KERNEL names, or else the fastest; null if those that
// it names do not run here.
const Kernels* chosen() {
  const Choice choice = available();
  const char* name = getenv("LINAC_KERNEL");
  if (!name || !*name) return choice.kernels[0];
  for (int i = 0; i < choice.count; i++) {
    if (!strcmp(name, choice.kernels[i]->name)) return choice.kernels[i];
  }
  return nullptr;
}

int64_t usable_cores() {
#if defined(__linux__)
  cpu_set_t cores;
  if (!sched_getaffinity(0, sizeof cores, &cores)) return CPU_COUNT(&cores);
#endif
  const long cores_online = sysconf(_SC_NPROCESSORS_ONLN);
  return cores_online > 0 ? cores_online : 1;
}

// The images of a batch. Threads take one after the other.
template <class T>
struct Work {
  const Kernel<T>* kernel;
  const Problem<T>* problem;
  Image<T> first;
  int64_t images, units;
  int64_t next = 0;
};

template <class T>
void* fit_images(void* argument) {
  Work<T>& work = *static_cast<Work<T>*>(argument);
  const Problem<T>& problem = *work.problem;
  const DefaultFloatingPoint scope;
  void* workspace = nullptr;
  // Other threads may have enough memory and do all the work.
  if (posix_memalign(&workspace, 64, work.kernel->workspace(problem))) {
    return nullptr;
  }
  for (;;) {
    const int64_t i = __atomic_fetch_add(&work.next, 1, __ATOMIC_RELAXED);
    if (i >= work.images) break;
    const int64_t grid = problem.pixels * problem.channels;
    const Image<T> image = {
        work.first.targets + i * grid,
        work.first.representation + i * problem.pixels * work.units,
        work.first.outputs + i * grid, work.first.losses + i * problem.steps};
    work.kernel->fit(problem, image, workspace);
  }
  free(workspace);
  return nullptr;
}

// Returns whether all images are fitted; otherwise no thread had the memory.
template <class T>
bool fit_on_all_cores(Work<T>& work) {
  int64_t threads = usable_cores();
  if (threads > work.images) threads = work.images;
  pthread_t* others =
      static_cast<pthread_t*>(malloc(threads * sizeof(pthread_t)));
  int64_t started = 0;
  // Where no more threads can be started, those that were do all the work.
  while (others && started + 1 < threads &&
         !pthread_create(&others[started], nullptr, fit_images<T>, &work)) {
    started++;
  }
  fit_images<T>(&work);
  for (int64_t i = 0; i < started; i++) pthread_join(others[i], nullptr);
  free(others);
  // A thread that works counts until there are no more images.
  return work.next > work.images;
}

template <class T>
XLA_FFI_Error* fit(const Call& call) {
  const Batch<T> batch(call);
  const Problem<T>& problem = batch.problem;
  bool is_valid = batch.is_valid;
  for (int64_t i = 0; is_valid && i < problem.steps * problem.batch; i++) {
    is_valid = problem.batches[i] >= 0 && problem.batches[i] < problem.pixels;
  }
  if (!is_valid) return call.invalid(kInvalid);
  const Kernels* kernels = chosen();
  if (!kernels) {
    return call.invalid(
        "LINAC_KERNEL names a kernel that this CPU does not run.");
  }
  Work<T> work = {&Types<T>::of(*kernels), &problem, batch.first, batch.images,
                  batch.units};
  return fit_on_all_cores(work) ? nullptr : call.no_memory();
}

// Fits one image on the calling thread; returns whether there was memory.
template <class T>
bool fit_one(const int64_t* sizes, const void* const* arrays,
             const void* const* weights, void* const* results) {
  Problem<T> problem = {sizes[0], sizes[1], sizes[2], sizes[3],     sizes[4],
                        sizes[5], sizes[6], sizes[7], sizes[8] == 1};
  problem.weights = reinterpret_cast<const T* const*>(weights);
  problem.inputs = static_cast<const T*>(arrays[1]);
  problem.batches = static_cast<const int32_t*>(arrays[2]);
  problem.factors = static_cast<const T*>(arrays[3]);
  problem.constants = static_cast<const T*>(arrays[4]);
  const Kernels* kernels = chosen();
  if (!kernels) return false;
  Work<T> work = {&Types<T>::of(*kernels), &problem};
  work.first = {static_cast<const T*>(arrays[0]), static_cast<T*>(results[0]),
                static_cast<T*>(results[1]), static_cast<T*>(results[2])};
  work.images = 1;
  fit_images<T>(&work);
  return work.next > work.images;
}

}  // namespace
}  // namespace linac

// The number in its name is increased whenever its arguments change.
LINAC_EXPORT XLA_FFI_Error* linac_fit_1(XLA_FFI_CallFrame* frame) {
  return linac::handle(frame, linac::fit<float>, linac::fit<double>);
}

// Fits one image on one core without XLA; returns 1, or 0 without memory or
// kernel. `sizes` are steps, batch, pixels, features, width, layers, channels,
// representation layer and use_bias; `arrays` are the first arguments of
// `linac_fit_1`, and `results` its results.
LINAC_EXPORT int linac_fit_image(int itemsize, const int64_t* sizes,
                                 const void* const* arrays,
                                 const void* const* weights,
                                 void* const* results) {
  return itemsize == 8 ? linac::fit_one<double>(sizes, arrays, weights, results)
                       : linac::fit_one<float>(sizes, arrays, weights, results);
}

// The name of the kernels that fits run with, or null if LINAC_KERNEL names
// some that do not run here.
LINAC_EXPORT const char* linac_kernel() {
  const linac::Kernels* kernels = linac::chosen();
  return kernels ? kernels->name : nullptr;
}

LINAC_EXPORT const char* linac_source_hash() { return LINAC_SOURCE_HASH; }
LINAC_EXPORT int linac_ffi_api_major() { return XLA_FFI_API_MAJOR; }
LINAC_EXPORT int linac_ffi_api_minor() { return XLA_FFI_API_MINOR; }
