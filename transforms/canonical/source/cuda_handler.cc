// The entry of the library for GPUs: XLA calls `linac_fit_cuda_1`, which
// launches the kernel of ../cuda/kernel on the GPU's stream.
#include <stdarg.h>
#include <stdio.h>

#include "../cuda/kernel/kernels.h"
#include "call.h"
#include "cuda_driver.h"

namespace linac {
namespace {

// Drivers from 525 on translate the program, which has PTX of version 8.0.
constexpr int kOldestCuda = 12000;
// The oldest GPUs that it is written for are Turing's, of capability 7.5.
constexpr int kOldestCapability = 75;

struct CudaKernel {
  const char* name;
  const char* precision;
  int columns;  // Of a tile.
  int threads;  // Of a block.
  int shared_bytes;
  int blocks;  // That the registers of a multiprocessor hold.
};

#define LINAC_DESCRIBE(T, NAME, COLUMNS, BLOCKS, A, B, C, D, E, F, G, H)      \
  {"linac_" #NAME "_" #COLUMNS,                                               \
   #NAME,                                                                     \
   COLUMNS,                                                                   \
   cuda::Shape<A, B, C, D>::kThreads,                                         \
   cuda::shared_bytes<T, cuda::Shape<A, B, C, D>, cuda::Shape<E, F, G, H>>(), \
   BLOCKS},
constexpr CudaKernel kKernels[] = {LINAC_FOR_KERNELS(LINAC_DESCRIBE)};
#undef LINAC_DESCRIBE
constexpr int kKernelCount = sizeof kKernels / sizeof kKernels[0];

// What the host is told about a GPU.
struct Card {
  char name[256];
  int capability, multiprocessors, shared_bytes_per_block,
      shared_bytes_per_multiprocessor, l2_bytes, clock_khz, memory_clock_khz,
      memory_bus_bits;
};

const char* program;  // The PTX, which the host has read from its file.

// Writes a message to `text` and returns it.
const char* print(char (&text)[1024], const char* format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return text;
}

// Returns why a GPU cannot run the kernel, or null if it can.
const char* refusal(const Driver& driver, int device, char (&text)[1024]) {
  int major = 0, minor = 0;
  char name[256] = "GPU";
  driver.device_name(name, sizeof name, device);
  if (driver.number < kOldestCuda) {
    return print(
        text,
        "The driver of the %s supports CUDA %d.%d, and the canonical "
        "fit needs CUDA %d.%d, which is in drivers from 525 on. Update "
        "the driver, or use arithmetic='xla'.",
        name, driver.number / 1000, driver.number % 1000 / 10,
        kOldestCuda / 1000, kOldestCuda % 1000 / 10);
  }
  if (driver.attribute(&major, kCapabilityMajor, device) ||
      driver.attribute(&minor, kCapabilityMinor, device)) {
    return print(text, "The driver does not say which capability %s has.",
                 name);
  }
  if (10 * major + minor < kOldestCapability) {
    return print(text,
                 "The GPU %s has compute capability %d.%d, and the canonical "
                 "fit needs 7.5 or newer. Use arithmetic='xla', or choose the "
                 "CPU with the environment variable JAX_PLATFORMS=cpu.",
                 name, major, minor);
  }
  return nullptr;
}

// The program of each GPU that has been used. The driver translates it once.
struct Loaded {
  CuContext context;
  CuModule module;
};

CuModule module_of(const Driver& driver, CuContext context, CuResult* result) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static Loaded loaded[64];
  static int count;
  CuModule module = nullptr;
  *result = 0;
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < count; i++) {
    if (loaded[i].context == context) module = loaded[i].module;
  }
  if (!module) {
    *result = driver.load_module(&module, program);
    if (!*result && count < 64) loaded[count++] = {context, module};
  }
  pthread_mutex_unlock(&mutex);
  return module;
}

// Memory of the GPU, from XLA's allocator. XLA gives it to later work only, so
// it may be freed while the kernel is queued.
class DeviceMemory {
 public:
  DeviceMemory(const Call& call, size_t size) : call_(call) {
    args_.struct_size = XLA_FFI_DeviceMemory_Allocate_Args_STRUCT_SIZE;
    args_.ctx = call.frame().ctx;
    args_.size = size;
    // The kernel loads 16 bytes at once, and XLA refuses a larger alignment.
    args_.alignment = 16;
    error_ = call.frame().api->XLA_FFI_DeviceMemory_Allocate(&args_);
  }
  ~DeviceMemory() {
    if (error_) call_.destroy(error_);
    if (!data()) return;
    XLA_FFI_DeviceMemory_Free_Args args = {};
    args.struct_size = XLA_FFI_DeviceMemory_Free_Args_STRUCT_SIZE;
    args.ctx = args_.ctx;
    args.size = args_.size;
    args.data = args_.data;
    if (XLA_FFI_Error* error =
            call_.frame().api->XLA_FFI_DeviceMemory_Free(&args)) {
      call_.destroy(error);
    }
  }
  DeviceMemory(const DeviceMemory&) = delete;

  // The memory, or null if XLA refuses it.
  char* data() const {
    return error_ ? nullptr : static_cast<char*>(args_.data);
  }
  // Why XLA refuses it. The caller owns the error.
  XLA_FFI_Error* take_error() {
    XLA_FFI_Error* error = error_;
    error_ = nullptr;
    return error;
  }

 private:
  const Call& call_;
  XLA_FFI_DeviceMemory_Allocate_Args args_ = {};
  XLA_FFI_Error* error_ = nullptr;
};

// How the images of a batch are divided: `at_once` images, each on
// `blocks_per_image` blocks, and `units` units of work in one launch.
struct Schedule {
  int columns, blocks_per_image, at_once, units;

  explicit Schedule(const Call& call)
      : columns(call.attribute("columns")),
        blocks_per_image(call.attribute("blocks_per_image")),
        at_once(call.attribute("images_at_once")),
        units(call.attribute("units_per_launch")) {}
  bool is_valid() const {
    return columns > 0 && blocks_per_image > 0 && at_once > 0 && units > 0;
  }
};

bool fits_int(int64_t n) { return n >= 0 && n < 1LL << 31; }

// Fits the images of a batch.
template <class T>
class Launcher {
 public:
  Launcher(const Call& call, const Batch<T>& batch, const Driver& driver,
           CuStream stream)
      : call_(call),
        batch_(batch),
        driver_(driver),
        stream_(stream),
        schedule_(call) {}

  XLA_FFI_Error* run() {
    const Problem<T>& p = batch_.problem;
    if (!batch_.is_valid || !schedule_.is_valid()) {
      return call_.invalid(kInvalid);
    }
    if (!batch_.images) return nullptr;
    if (XLA_FFI_Error* error = find_kernel()) return error;
    if (!fits_int(batch_.images) || !fits_int(p.pixels * p.channels) ||
        !fits_int(p.steps + p.pixels)) {
      return call_.no_memory();
    }
    parameters_.sizes = {static_cast<int>(p.steps),
                         static_cast<int>(p.batch),
                         static_cast<int>(p.pixels),
                         static_cast<int>(p.features),
                         static_cast<int>(p.width),
                         static_cast<int>(p.layers),
                         static_cast<int>(p.channels),
                         static_cast<int>(p.representation_layer),
                         p.use_bias};
    parameters_.blocks_per_image = schedule_.blocks_per_image;
    parameters_.inputs = p.inputs;
    parameters_.batches = p.batches;
    parameters_.factors = p.factors;
    parameters_.constants = p.constants;
    // The kernel counts the numbers of an image by 32 bits.
    if (!fits_int(workspace())) return call_.no_memory();
    int at_once = schedule_.at_once;
    if (at_once > batch_.images) at_once = batch_.images;
    // Where memory is short, fewer images are fitted at once.
    for (;; at_once /= 2) {
      DeviceMemory memory(call_, bytes(at_once));
      if (memory.data()) return fit_with(memory.data(), at_once);
      if (at_once == 1) return memory.take_error();
    }
  }

 private:
  XLA_FFI_Error* failed(const char* what, CuResult result) {
    char text[1024];
    return call_.error(XLA_FFI_Error_Code_INTERNAL,
                       print(text, "%s: %s.", what, driver_.text_of(result)));
  }

  // Finds the kernel, and how many images it fits at once.
  XLA_FFI_Error* find_kernel() {
    for (int i = 0; i < kKernelCount; i++) {
      if (kKernels[i].columns == schedule_.columns &&
          !strcmp(kKernels[i].precision, Types<T>::name)) {
        kernel_ = &kKernels[i];
      }
    }
    if (!kernel_) return call_.invalid(kInvalid);
    CuContext context = nullptr;
    CuResult result = driver_.context_of(stream_, &context);
    CuModule module = nullptr;
    if (!result) module = module_of(driver_, context, &result);
    if (!result) {
      result = driver_.find_function(&function_, module, kernel_->name);
    }
    if (!result) {
      result = driver_.set_attribute(function_, kFunctionDynamicSharedBytes,
                                     kernel_->shared_bytes);
    }
    int device = 0, multiprocessors = 0, blocks = 0;
    if (!result) result = driver_.current_device(&device);
    if (!result) {
      result = driver_.attribute(&multiprocessors, kMultiprocessors, device);
    }
    if (!result) {
      result = driver_.blocks_per_multiprocessor(
          &blocks, function_, kernel_->threads, kernel_->shared_bytes);
    }
    if (result) {
      return failed("The driver refuses the kernel of the canonical fit",
                    result);
    }
    if (schedule_.blocks_per_image > 1) {
      // Blocks that wait for each other must all run.
      const int most = blocks * multiprocessors / schedule_.blocks_per_image;
      if (most == 0) return call_.invalid(kInvalid);
      if (schedule_.at_once > most) schedule_.at_once = most;
    }
    return nullptr;
  }

  int64_t weights() const {
    int64_t count = 0;
    for (int64_t l = 0; l <= batch_.problem.layers; l++) {
      count += batch_.inputs_of(l) * batch_.outputs_of(l);
    }
    return cuda::round_up<int64_t>(count, 64);
  }
  int64_t workspace() const {
    return cuda::Layout<int64_t>{parameters_.sizes}.size();
  }
  size_t bytes(int64_t at_once) const {
    return (weights() + at_once * workspace()) * sizeof(T) +
           at_once * sizeof(unsigned);
  }

  XLA_FFI_Error* fit_with(char* memory, int at_once) {
    T* initial = reinterpret_cast<T*>(memory);
    parameters_.weights = initial;
    parameters_.workspace = initial + weights();
    parameters_.arrivals = reinterpret_cast<unsigned*>(parameters_.workspace +
                                                       at_once * workspace());
    CuResult result = 0;
    for (int64_t l = 0; !result && l <= batch_.problem.layers; l++) {
      const int64_t count = batch_.inputs_of(l) * batch_.outputs_of(l);
      result =
          driver_.copy(address(initial), address(batch_.problem.weights[l]),
                       count * sizeof(T), stream_);
      initial += count;
    }
    for (int64_t i = 0; !result && i < batch_.images; i += at_once) {
      const int64_t rest = batch_.images - i;
      result = fit_images(i, rest < at_once ? rest : at_once);
    }
    return result
               ? failed("The kernel of the canonical fit did not start", result)
               : nullptr;
  }

  CuResult fit_images(int64_t first, int images) {
    const Problem<T>& p = batch_.problem;
    parameters_.targets = batch_.first.targets + first * p.pixels * p.channels;
    parameters_.representation =
        batch_.first.representation + first * p.pixels * batch_.units;
    parameters_.outputs = batch_.first.outputs + first * p.pixels * p.channels;
    parameters_.losses = batch_.first.losses + first * p.steps;
    const int units = parameters_.sizes.units();
    CuResult result = 0;
    for (int unit = 0; !result && unit < units; unit += schedule_.units) {
      const int rest = units - unit;
      parameters_.first = unit;
      parameters_.end =
          unit + (rest < schedule_.units ? rest : schedule_.units);
      result = driver_.fill(address(parameters_.arrivals), 0, images, stream_);
      if (!result) result = launch(images);
    }
    return result;
  }

  CuResult launch(int images) {
    void* arguments[] = {&parameters_};
    const unsigned blocks = images * schedule_.blocks_per_image;
    const unsigned threads = kernel_->threads, shared = kernel_->shared_bytes;
    if (schedule_.blocks_per_image > 1) {
      return driver_.launch_together(function_, blocks, 1, 1, threads, 1, 1,
                                     shared, stream_, arguments);
    }
    return driver_.launch(function_, blocks, 1, 1, threads, 1, 1, shared,
                          stream_, arguments, nullptr);
  }

  static CuPointer address(const void* p) {
    return reinterpret_cast<CuPointer>(p);
  }

  const Call& call_;
  const Batch<T>& batch_;
  const Driver& driver_;
  CuStream stream_;
  Schedule schedule_;
  cuda::Parameters<T> parameters_ = {};
  const CudaKernel* kernel_ = nullptr;
  CuFunction function_ = nullptr;
};

template <class T>
XLA_FFI_Error* fit_on_gpu(const Call& call) {
  const Batch<T> batch(call);
  const char* reason = nullptr;
  const Driver* driver = find_driver(&reason);
  if (!driver || !program) {
    return call.invalid(driver ? "The kernel's PTX was not given." : reason);
  }
  XLA_FFI_Stream_Get_Args args = {};
  args.struct_size = XLA_FFI_Stream_Get_Args_STRUCT_SIZE;
  args.ctx = call.frame().ctx;
  if (XLA_FFI_Error* error = call.frame().api->XLA_FFI_Stream_Get(&args)) {
    return error;
  }
  const CuStream stream = static_cast<CuStream>(args.stream);
  CuContext context = nullptr;
  int device = 0;
  char text[1024];
  XLA_FFI_Error* error = nullptr;
  if (driver->context_of(stream, &context) || driver->push_context(context)) {
    return call.invalid("The driver does not know the stream of XLA.");
  }
  if (driver->current_device(&device)) {
    error = call.invalid("The driver does not know the GPU of XLA's stream.");
  } else if (const char* refused = refusal(*driver, device, text)) {
    error = call.invalid(refused);
  } else {
    error = Launcher<T>(call, batch, *driver, stream).run();
  }
  driver->pop_context(&context);
  return error;
}

}  // namespace
}  // namespace linac

// The number in its name is increased whenever its arguments change. They are
// those of `linac_fit_1`, and the attributes of `Schedule`.
LINAC_EXPORT XLA_FFI_Error* linac_fit_cuda_1(XLA_FFI_CallFrame* frame) {
  return linac::handle(frame, linac::fit_on_gpu<float>,
                       linac::fit_on_gpu<double>);
}

// Gives the library the PTX of the kernels, which the caller keeps.
LINAC_EXPORT void linac_cuda_program(const char* program) {
  linac::program = program;
}

// The kernels, `*count` in number.
LINAC_EXPORT const linac::CudaKernel* linac_cuda_kernels(int* count) {
  *count = linac::kKernelCount;
  return linac::kKernels;
}

// Describes a GPU, by its number among those that are visible. Returns null, or
// why the canonical fit does not run there.
LINAC_EXPORT const char* linac_cuda_card(int ordinal, linac::Card* card) {
  static char text[1024];
  const char* reason = nullptr;
  const linac::Driver* driver = linac::find_driver(&reason);
  if (!driver) return reason;
  int device = 0, major = 0, minor = 0;
  if (driver->device(&device, ordinal)) {
    return "NVIDIA's driver does not know the GPU that JAX uses. Restart the "
           "process. " LINAC_ON_CPU;
  }
  driver->device_name(card->name, sizeof card->name, device);
  const struct {
    int attribute;
    int* value;
  } wanted[] = {
      {linac::kCapabilityMajor, &major},
      {linac::kCapabilityMinor, &minor},
      {linac::kMultiprocessors, &card->multiprocessors},
      {linac::kSharedBytesPerBlock, &card->shared_bytes_per_block},
      {linac::kSharedBytesPerMultiprocessor,
       &card->shared_bytes_per_multiprocessor},
      {linac::kL2Bytes, &card->l2_bytes},
      {linac::kClockKhz, &card->clock_khz},
      {linac::kMemoryClockKhz, &card->memory_clock_khz},
      {linac::kMemoryBusBits, &card->memory_bus_bits},
  };
  for (const auto& want : wanted) {
    if (driver->attribute(want.value, want.attribute, device)) {
      return "NVIDIA's driver does not describe the GPU. Update the "
             "driver. " LINAC_ON_CPU;
    }
  }
  card->capability = 10 * major + minor;
  return linac::refusal(*driver, device, text);
}
