// The calls of XLA: their arguments, results and attributes.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "problem.h"
#include "xla/ffi/api/c_api.h"

#define LINAC_EXPORT extern "C" __attribute__((visibility("default")))

namespace linac {
namespace {

template <class T>
struct Types;
template <>
struct Types<float> {
  static constexpr XLA_FFI_DataType value = XLA_FFI_DataType_F32;
  static constexpr const char* name = "float32";
  static const Kernel<float>& of(const Kernels& k) { return k.float32; }
};
template <>
struct Types<double> {
  static constexpr XLA_FFI_DataType value = XLA_FFI_DataType_F64;
  static constexpr const char* name = "float64";
  static const Kernel<double>& of(const Kernels& k) { return k.float64; }
};

constexpr const char* kInvalid =
    "The arguments of a canonical fit do not fit each other.";

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

  XLA_FFI_Error* invalid(const char* message) const {
    return error(XLA_FFI_Error_Code_INVALID_ARGUMENT, message);
  }
  XLA_FFI_Error* no_memory() const {
    return error(XLA_FFI_Error_Code_RESOURCE_EXHAUSTED,
                 "There is no memory for the state of a fit.");
  }

  void destroy(XLA_FFI_Error* error) const {
    XLA_FFI_Error_Destroy_Args args = {};
    args.struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE;
    args.error = error;
    frame_.api->XLA_FFI_Error_Destroy(&args);
  }

  const XLA_FFI_CallFrame& frame() const { return frame_; }
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

// A batch of images to fit: targets [n, pixels, channels], inputs [pixels,
// features], batches [steps, batch], factors [steps, 3], constants [7], and the
// weights of each layer.
template <class T>
class Batch {
 public:
  static constexpr int64_t kWeights = 5;  // The first of them.

  explicit Batch(const Call& call) {
    if (call.num_arguments() <= kWeights || call.num_results() != 3) return;
    const XLA_FFI_Buffer& targets = call.argument(0);
    const XLA_FFI_Buffer& inputs = call.argument(1);
    const XLA_FFI_Buffer& batches = call.argument(2);
    if (targets.rank != 3 || inputs.rank != 2 || batches.rank != 2 ||
        call.argument(kWeights).rank != 2) {
      return;
    }
    images = targets.dims[0];
    problem.steps = batches.dims[0];
    problem.batch = batches.dims[1];
    problem.pixels = targets.dims[1];
    problem.features = inputs.dims[1];
    problem.width = call.argument(kWeights).dims[1];
    problem.layers = call.num_arguments() - kWeights - 1;
    problem.channels = targets.dims[2];
    problem.representation_layer = call.attribute("representation_layer");
    problem.use_bias = call.attribute("use_bias") == 1;
    units = problem.representation_layer == problem.layers ? problem.channels
                                                           : problem.width;
    weights_ =
        static_cast<const T**>(malloc((problem.layers + 1) * sizeof(T*)));
    if (!weights_) return;
    problem.weights = weights_;
    problem.inputs = data<const T>(inputs);
    problem.batches = data<const int32_t>(batches);
    problem.factors = data<const T>(call.argument(3));
    problem.constants = data<const T>(call.argument(4));
    for (int64_t l = 0; l <= problem.layers; l++) {
      weights_[l] = data<const T>(call.argument(kWeights + l));
    }
    first = {data<const T>(targets), data<T>(call.result(0)),
             data<T>(call.result(1)), data<T>(call.result(2))};
    is_valid = shapes_fit(call);
  }
  ~Batch() { free(weights_); }
  Batch(const Batch&) = delete;

  int64_t inputs_of(int64_t l) const {
    return l == 0 ? problem.features : problem.width;
  }
  int64_t outputs_of(int64_t l) const {
    return l < problem.layers ? problem.width : problem.channels;
  }

  bool is_valid = false;
  Problem<T> problem = {};
  Image<T> first = {};
  int64_t images = 0, units = 0;

 private:
  bool shapes_fit(const Call& call) const {
    constexpr XLA_FFI_DataType type = Types<T>::value;
    const Problem<T>& p = problem;
    bool fits =
        has_shape(call.argument(0), type, 3, images, p.pixels, p.channels) &&
        has_shape(call.argument(1), type, 2, p.pixels, p.features) &&
        has_shape(call.argument(2), XLA_FFI_DataType_S32, 2, p.steps,
                  p.batch) &&
        has_shape(call.argument(3), type, 2, p.steps, 3) &&
        has_shape(call.argument(4), type, 1, 7) &&
        has_shape(call.result(0), type, 3, images, p.pixels, units) &&
        has_shape(call.result(1), type, 3, images, p.pixels, p.channels) &&
        has_shape(call.result(2), type, 2, images, p.steps) &&
        p.representation_layer >= 0 && p.representation_layer <= p.layers &&
        p.batch > 0 && p.pixels % p.batch == 0;
    for (int64_t l = 0; l <= p.layers; l++) {
      fits &= has_shape(call.argument(kWeights + l), type, 2, inputs_of(l),
                        outputs_of(l));
    }
    return fits;
  }

  const T** weights_ = nullptr;
};

// Calls fit<T>(call) for the type of the images. It first answers XLA if it
// only asks for the version of the API.
template <class F32, class F64>
XLA_FFI_Error* handle(XLA_FFI_CallFrame* frame, F32 fit32, F64 fit64) {
  for (auto* e = frame->extension_start; e; e = e->next) {
    if (e->type == XLA_FFI_Extension_Metadata) {
      auto* metadata =
          reinterpret_cast<XLA_FFI_Metadata_Extension*>(e)->metadata;
      metadata->api_version.major_version = XLA_FFI_API_MAJOR;
      metadata->api_version.minor_version = XLA_FFI_API_MINOR;
      return nullptr;
    }
  }
  const Call call(frame);
  if (call.num_arguments() == 0) return call.invalid(kInvalid);
  return call.argument(0).dtype == XLA_FFI_DataType_F64 ? fit64(call)
                                                        : fit32(call);
}

}  // namespace
}  // namespace linac
