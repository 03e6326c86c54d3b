// The functions that Python and XLA call.
//
// This is a placeholder: `linac_fit_1` fits nothing.

#include <pthread.h>

#include "fit.h"
#include "xla/ffi/api/c_api.h"

#define LINAC_EXPORT extern "C" __attribute__((visibility("default")))

LINAC_EXPORT const char* linac_source_hash() { return LINAC_SOURCE_HASH; }

LINAC_EXPORT int linac_ffi_api_major() { return XLA_FFI_API_MAJOR; }

LINAC_EXPORT int linac_ffi_api_minor() { return XLA_FFI_API_MINOR; }

namespace {

struct Work {
  float factor;
  const float* x;
  float* y;
  int64_t count;
};

void* Run(void* argument) {
  const Work& work = *static_cast<Work*>(argument);
  auto add = linac::add_portable;
#if defined(__x86_64__)
  // __builtin_cpu_supports is not used: it needs a part of the compiler's
  // runtime library that zig does not have.
  if (work.factor < 0) add = linac::add_avx2;
  if (work.factor < -1) add = linac::add_avx512;
#endif
  add(work.factor, work.x, work.y, work.count);
  return nullptr;
}

}  // namespace

LINAC_EXPORT void linac_add(float factor, const float* x, float* y,
                            int64_t count) {
  Work work = {factor, x, y, count};
  pthread_t thread;
  pthread_create(&thread, nullptr, Run, &work);
  pthread_join(thread, nullptr);
}

LINAC_EXPORT XLA_FFI_Error* linac_fit_1(XLA_FFI_CallFrame* frame) {
  XLA_FFI_Extension_Base* extension = frame->extension_start;
  if (extension != nullptr && extension->type == XLA_FFI_Extension_Metadata) {
    XLA_FFI_Api_Version& version =
        reinterpret_cast<XLA_FFI_Metadata_Extension*>(extension)
            ->metadata->api_version;
    version.major_version = XLA_FFI_API_MAJOR;
    version.minor_version = XLA_FFI_API_MINOR;
    return nullptr;
  }
  XLA_FFI_Error_Create_Args error = {};
  error.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE;
  error.message = "linac_fit_1 is a placeholder";
  error.errc = XLA_FFI_Error_Code_UNIMPLEMENTED;
  return frame->api->XLA_FFI_Error_Create(&error);
}
