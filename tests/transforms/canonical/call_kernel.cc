// A program that fits images as XLA would call the kernel, without Python.
//
//   call_kernel [hostile] < problem > results
//   call_kernel cuda COLUMNS BLOCKS_PER_IMAGE IMAGES_AT_ONCE UNITS_PER_LAUNCH
//     BYTES < problem > results
//
// `hostile` means that the calling thread rounds upwards and, on x86-64,
// flushes subnormal numbers to zero; the program fails if the kernel does not
// restore that. `cuda` calls the entry for GPUs, with a driver that sees the
// memory of this program and with an allocator that has so many bytes.
// tests/transforms/canonical/problems.py writes the problem.
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xla/ffi/api/c_api.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

extern "C" XLA_FFI_Error* linac_fit_1(XLA_FFI_CallFrame* frame);
extern "C" XLA_FFI_Error* linac_fit_cuda_1(XLA_FFI_CallFrame* frame);
extern "C" void linac_cuda_program(const char* program);

namespace {

constexpr int kArguments = 128;
constexpr int kAttributes = 6;
const char* kNames[kAttributes] = {
    "representation_layer", "use_bias",       "columns",
    "blocks_per_image",     "images_at_once", "units_per_launch"};

struct Buffers {
  XLA_FFI_Buffer buffers[kArguments];
  int64_t dims[kArguments][3];
  void* pointers[kArguments];
  int64_t count = 0;

  void* add(XLA_FFI_DataType dtype, int64_t bytes_each, int64_t rank, int64_t a,
            int64_t b = 1, int64_t c = 1) {
    int64_t* shape = dims[count];
    shape[0] = a, shape[1] = b, shape[2] = c;
    void* data = malloc(a * b * c * bytes_each);
    buffers[count] = {
        XLA_FFI_Buffer_STRUCT_SIZE, nullptr, dtype, data, rank, shape};
    pointers[count] = &buffers[count];
    count++;
    return data;
  }

  size_t bytes(int64_t i) const {
    const XLA_FFI_Buffer& b = buffers[i];
    return dims[i][0] * dims[i][1] * dims[i][2] *
           (b.dtype == XLA_FFI_DataType_F64 ? 8 : 4);
  }
};

// Not local variables, which the C++ runtime library would guard.
Buffers arguments, results;

XLA_FFI_Error* print_error(XLA_FFI_Error_Create_Args* args) {
  fprintf(stderr, "%s\n", args->message);
  exit(1);
}

// What XLA offers on a GPU.
int64_t device_bytes, used_bytes;
int failure;

XLA_FFI_Error* stream(XLA_FFI_Stream_Get_Args* args) {
  args->stream = &device_bytes;
  return nullptr;
}
XLA_FFI_Error* allocate(XLA_FFI_DeviceMemory_Allocate_Args* args) {
  // XLA refuses a larger alignment than 16, too.
  if (args->alignment > 16 ||
      used_bytes + static_cast<int64_t>(args->size) > device_bytes) {
    return reinterpret_cast<XLA_FFI_Error*>(&failure);
  }
  used_bytes += args->size;
  if (posix_memalign(&args->data, args->alignment, args->size)) exit(4);
  memset(args->data, 0xff, args->size);  // NaNs.
  return nullptr;
}
XLA_FFI_Error* release(XLA_FFI_DeviceMemory_Free_Args* args) {
  used_bytes -= args->size;
  free(args->data);
  return nullptr;
}
void destroy(XLA_FFI_Error_Destroy_Args*) {}

}  // namespace

int main(int argc, char** argv) {
  int64_t n[11];
  if (fread(n, sizeof n, 1, stdin) != 1) return 2;
  const int64_t size = n[0], images = n[1], steps = n[2], batch = n[3];
  const int64_t pixels = n[4], features = n[5], width = n[6], layers = n[7];
  const int64_t channels = n[8];
  const int64_t use_bias = n[9], representation_layer = n[10];
  const XLA_FFI_DataType type =
      size == 8 ? XLA_FFI_DataType_F64 : XLA_FFI_DataType_F32;

  arguments.add(type, size, 3, images, pixels, channels);
  arguments.add(type, size, 2, pixels, features);
  arguments.add(XLA_FFI_DataType_S32, 4, 2, steps, batch);
  arguments.add(type, size, 2, steps, 3);
  arguments.add(type, size, 1, 7);
  for (int64_t l = 0; l <= layers; l++) {
    arguments.add(type, size, 2, l ? width : features,
                  l < layers ? width : channels);
  }
  for (int64_t i = 0; i < arguments.count; i++) {
    void* data = arguments.buffers[i].data;
    if (fread(data, arguments.bytes(i), 1, stdin) != 1) return 2;
  }
  results.add(type, size, 3, images, pixels,
              representation_layer == layers ? channels : width);
  results.add(type, size, 3, images, pixels, channels);
  results.add(type, size, 2, images, steps);

  XLA_FFI_Api api = {};
  api.XLA_FFI_Error_Create = print_error;
  api.XLA_FFI_Error_Destroy = destroy;
  api.XLA_FFI_Stream_Get = stream;
  api.XLA_FFI_DeviceMemory_Allocate = allocate;
  api.XLA_FFI_DeviceMemory_Free = release;
  const bool on_gpu = argc > 1 && !strcmp(argv[1], "cuda");
  int64_t values[kAttributes] = {representation_layer, use_bias};
  for (int i = 2; on_gpu && i < kAttributes; i++) values[i] = atoll(argv[i]);
  if (on_gpu) device_bytes = atoll(argv[kAttributes]);
  XLA_FFI_AttrType types[kAttributes];
  XLA_FFI_ByteSpan names[kAttributes];
  XLA_FFI_ByteSpan* name_pointers[kAttributes];
  XLA_FFI_Scalar scalars[kAttributes];
  void* attributes[kAttributes];
  for (int i = 0; i < kAttributes; i++) {
    types[i] = XLA_FFI_AttrType_SCALAR;
    names[i] = {kNames[i], strlen(kNames[i])};
    name_pointers[i] = &names[i];
    scalars[i] = {XLA_FFI_DataType_S64, &values[i]};
    attributes[i] = &scalars[i];
  }
  XLA_FFI_CallFrame frame = {};
  frame.api = &api;
  frame.stage = XLA_FFI_ExecutionStage_EXECUTE;
  frame.args.size = arguments.count;
  frame.args.args = arguments.pointers;
  frame.rets.size = results.count;
  frame.rets.rets = results.pointers;
  frame.attrs.size = on_gpu ? kAttributes : 2;
  frame.attrs.types = types;
  frame.attrs.names = name_pointers;
  frame.attrs.attrs = attributes;

  if (on_gpu) {
    linac_cuda_program("// .target sm_75");
    if (linac_fit_cuda_1(&frame)) return 6;
    if (used_bytes) return 5;
  } else if (argc > 1 && !strcmp(argv[1], "hostile")) {
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    const unsigned flush = 0x8040 | _mm_getcsr();
    _mm_setcsr(flush);
    linac_fit_1(&frame);
    if ((_mm_getcsr() & ~0x3f) != (flush & ~0x3f)) return 3;
#else
    linac_fit_1(&frame);
#endif
    if (fegetround() != FE_UPWARD) return 3;
    fesetround(FE_TONEAREST);
  } else {
    linac_fit_1(&frame);
  }
  for (int64_t i = 0; i < results.count; i++) {
    fwrite(results.buffers[i].data, results.bytes(i), 1, stdout);
  }
  return 0;
}
