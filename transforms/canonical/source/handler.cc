// The entry of the library: XLA calls `linac_fit_1` to fit a batch of images on
// the cores that the process may use.
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu.h"
#include "floating_point.h"
#include "problem.h"
#include "xla/ffi/api/c_api.h"

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

template <class T>
struct Types;
template <>
struct Types<float> {
  static constexpr XLA_FFI_DataType value = XLA_FFI_DataType_F32;
  static const Kernel<float>& of(const Kernels& k) { return k.float32; }
};
template <>
struct Types<double> {
  static constexpr XLA_FFI_DataType value = XLA_FFI_DataType_F64;
  static const Kernel<double>& of(const Kernels& k) { return k.float64; }
};

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

// A call of XLA with its arguments, results and attributes.
class Call {
 public:
  explicit Call(XLA_FFI_CallFrame* frame) : frame_(*frame) {}

  XLA_FFI_Error* error(XLA_FFI_Error_Code code, const char* message) const {
    XLA_FFI_Error_Create_Args args = {};
    args.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE;
    args.message = message;
    args.errc = code;
    return frame_.api->XLA_FFI_Error_Create(&args);
  }

  int64_t num_arguments() const { return frame_.args.size; }
  int64_t num_results() const { return frame_.rets.size; }
  const XLA_FFI_Buffer& argument(int64_t i) const {
    return *static_cast<XLA_FFI_Buffer*>(frame_.args.args[i]);
  }
  const XLA_FFI_Buffer& result(int64_t i) const {
    return *static_cast<XLA_FFI_Buffer*>(frame_.rets.rets[i]);
  }

  // The value of an integer attribute, or -1 if there is none of this name.
  int64_t attribute(const char* name) const {
    for (int64_t i = 0; i < frame_.attrs.size; i++) {
      const XLA_FFI_ByteSpan& found = *frame_.attrs.names[i];
      if (found.len == strlen(name) && !memcmp(found.ptr, name, found.len) &&
          frame_.attrs.types[i] == XLA_FFI_AttrType_SCALAR) {
        auto* scalar = static_cast<XLA_FFI_Scalar*>(frame_.attrs.attrs[i]);
        if (scalar->dtype == XLA_FFI_DataType_S64) {
          return *static_cast<int64_t*>(scalar->value);
        }
      }
    }
    return -1;
  }

 private:
  const XLA_FFI_CallFrame& frame_;
};

bool has_shape(const XLA_FFI_Buffer& buffer, XLA_FFI_DataType dtype,
               int64_t rank, int64_t a, int64_t b = -1, int64_t c = -1) {
  const int64_t dims[] = {a, b, c};
  return buffer.dtype == dtype && buffer.rank == rank &&
         !memcmp(buffer.dims, dims, rank * sizeof(int64_t));
}

template <class T>
T* data(const XLA_FFI_Buffer& buffer) {
  return static_cast<T*>(buffer.data);
}

// Arguments: targets [n, pixels, channels], inputs [pixels, features], batches
// [steps, batch], factors [steps, 3], constants [7], and each layer's weights.
constexpr int64_t kWeights = 5;

template <class T>
XLA_FFI_Error* fit(const Call& call) {
  constexpr XLA_FFI_DataType type = Types<T>::value;
  const auto invalid = [&](const char* message) {
    return call.error(XLA_FFI_Error_Code_INVALID_ARGUMENT, message);
  };
  const XLA_FFI_Buffer& targets = call.argument(0);
  const XLA_FFI_Buffer& inputs = call.argument(1);
  const XLA_FFI_Buffer& batches = call.argument(2);
  if (targets.rank != 3 || inputs.rank != 2 || batches.rank != 2 ||
      call.argument(kWeights).rank != 2) {
    return invalid("linac_fit_1: an argument has another rank");
  }
  const int64_t images = targets.dims[0], pixels = targets.dims[1];
  const int64_t steps = batches.dims[0];
  Problem<T> problem = {};
  problem.steps = steps;
  problem.batch = batches.dims[1];
  problem.pixels = pixels;
  problem.features = inputs.dims[1];
  problem.width = call.argument(kWeights).dims[1];
  problem.layers = call.num_arguments() - kWeights - 1;
  problem.channels = targets.dims[2];
  problem.representation_layer = call.attribute("representation_layer");
  problem.use_bias = call.attribute("use_bias") == 1;
  const int64_t units = problem.representation_layer == problem.layers
                            ? problem.channels
                            : problem.width;
  bool fits =
      has_shape(targets, type, 3, images, pixels, problem.channels) &&
      has_shape(inputs, type, 2, pixels, problem.features) &&
      has_shape(batches, XLA_FFI_DataType_S32, 2, steps, problem.batch) &&
      has_shape(call.argument(3), type, 2, steps, 3) &&
      has_shape(call.argument(4), type, 1, 7) &&
      has_shape(call.result(0), type, 3, images, pixels, units) &&
      has_shape(call.result(1), type, 3, images, pixels, problem.channels) &&
      has_shape(call.result(2), type, 2, images, steps) &&
      problem.representation_layer >= 0 &&
      problem.representation_layer <= problem.layers && problem.batch > 0 &&
      pixels % problem.batch == 0;
  const T** weights =
      static_cast<const T**>(malloc((problem.layers + 1) * sizeof(const T*)));
  const char* no_memory = "There is no memory for the state of a fit.";
  if (!weights) {
    return call.error(XLA_FFI_Error_Code_RESOURCE_EXHAUSTED, no_memory);
  }
  for (int64_t l = 0; l <= problem.layers; l++) {
    const XLA_FFI_Buffer& matrix = call.argument(kWeights + l);
    fits &=
        has_shape(matrix, type, 2, l == 0 ? problem.features : problem.width,
                  l < problem.layers ? problem.width : problem.channels);
    weights[l] = data<const T>(matrix);
  }
  problem.weights = weights;
  problem.inputs = data<const T>(inputs);
  problem.batches = data<const int32_t>(batches);
  problem.factors = data<const T>(call.argument(3));
  problem.constants = data<const T>(call.argument(4));
  for (int64_t i = 0; fits && i < steps * problem.batch; i++) {
    fits = problem.batches[i] >= 0 && problem.batches[i] < pixels;
  }
  XLA_FFI_Error* error = nullptr;
  if (!fits) {
    error = invalid("linac_fit_1: the arguments do not fit each other");
  } else if (const Kernels* kernels = chosen()) {
    Work<T> work = {};
    work.kernel = &Types<T>::of(*kernels);
    work.problem = &problem;
    work.first = {data<const T>(targets), data<T>(call.result(0)),
                  data<T>(call.result(1)), data<T>(call.result(2))};
    work.images = images;
    work.units = units;
    if (!fit_on_all_cores(work)) {
      error = call.error(XLA_FFI_Error_Code_RESOURCE_EXHAUSTED, no_memory);
    }
  } else {
    error = invalid("LINAC_KERNEL names a kernel that this CPU does not run.");
  }
  free(weights);
  return error;
}

}  // namespace
}  // namespace linac

#define LINAC_EXPORT extern "C" __attribute__((visibility("default")))

// The number in its name is increased whenever its arguments change.
LINAC_EXPORT XLA_FFI_Error* linac_fit_1(XLA_FFI_CallFrame* frame) {
  for (auto* e = frame->extension_start; e; e = e->next) {
    if (e->type == XLA_FFI_Extension_Metadata) {  // XLA asks for the version.
      auto* metadata =
          reinterpret_cast<XLA_FFI_Metadata_Extension*>(e)->metadata;
      metadata->api_version.major_version = XLA_FFI_API_MAJOR;
      metadata->api_version.minor_version = XLA_FFI_API_MINOR;
      return nullptr;
    }
  }
  const linac::Call call(frame);
  if (call.num_arguments() <= linac::kWeights || call.num_results() != 3) {
    return call.error(XLA_FFI_Error_Code_INVALID_ARGUMENT,
                      "linac_fit_1: there is another number of arguments");
  }
  return call.argument(0).dtype == XLA_FFI_DataType_F64
             ? linac::fit<double>(call)
             : linac::fit<float>(call);
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
