// The part of ONNX Runtime's C interface that the operator uses. Its wheel ships no headers; slots of the table of
// functions never change. Source: onnxruntime_c_api.h, checked against 1.20 to 1.31.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyq8::ort {

struct Status;
struct KernelInfo;
struct Context;
struct Value;
struct ShapeInfo;
struct Options;
struct Domain;

struct Api {
  void* slots[300];

  template <class Function>
  Function at(int slot) const {
    return reinterpret_cast<Function>(slots[slot]);
  }
  Status* status(const char* text) const { return at<Status* (*)(int, const char*)>(0)(1, text); }
  void release(Status* status) const { at<void (*)(Status*)>(93)(status); }
  const char* text(const Status* status) const { return at<const char* (*)(const Status*)>(2)(status); }
  Status* create_domain(const char* name, Domain** domain) const {
    return at<Status* (*)(const char*, Domain**)>(26)(name, domain);
  }
  Status* add_operator(Domain* domain, const void* op) const {
    return at<Status* (*)(Domain*, const void*)>(27)(domain, op);
  }
  Status* add_domain(Options* options, Domain* domain) const {
    return at<Status* (*)(Options*, Domain*)>(28)(options, domain);
  }
  Status* data(const Value* value, void** data) const { return at<Status* (*)(const Value*, void**)>(51)(value, data); }
  Status* type(const ShapeInfo* info, int* type) const { return at<Status* (*)(const ShapeInfo*, int*)>(60)(info, type); }
  Status* rank(const ShapeInfo* info, size_t* rank) const {
    return at<Status* (*)(const ShapeInfo*, size_t*)>(61)(info, rank);
  }
  Status* shape(const ShapeInfo* info, int64_t* to, size_t rank) const {
    return at<Status* (*)(const ShapeInfo*, int64_t*, size_t)>(62)(info, to, rank);
  }
  Status* shape_info(const Value* value, ShapeInfo** info) const {
    return at<Status* (*)(const Value*, ShapeInfo**)>(65)(value, info);
  }
  void release(ShapeInfo* info) const { at<void (*)(ShapeInfo*)>(99)(info); }
  Status* input_count(const Context* context, size_t* count) const {
    return at<Status* (*)(const Context*, size_t*)>(88)(context, count);
  }
  Status* output_count(const Context* context, size_t* count) const {
    return at<Status* (*)(const Context*, size_t*)>(89)(context, count);
  }
  Status* input(const Context* context, size_t i, const Value** value) const {
    return at<Status* (*)(const Context*, size_t, const Value**)>(90)(context, i, value);
  }
  Status* output(Context* context, size_t i, const int64_t* shape, size_t rank, Value** value) const {
    return at<Status* (*)(Context*, size_t, const int64_t*, size_t, Value**)>(91)(context, i, shape, rank, value);
  }
  Status* numbers(const KernelInfo* info, const char* name, int64_t* to, size_t* count) const {
    return at<Status* (*)(const KernelInfo*, const char*, int64_t*, size_t*)>(163)(info, name, to, count);
  }
  Status* constant(const KernelInfo* info, size_t i, int* is_constant, const Value** value) const {
    return at<Status* (*)(const KernelInfo*, size_t, int*, const Value**)>(249)(info, i, is_constant, value);
  }
  Status* parallel(const Context* context, void (*f)(void*, size_t), size_t total, size_t batches, void* data) const {
    return at<Status* (*)(const Context*, void (*)(void*, size_t), size_t, size_t, void*)>(274)(context, f, total,
                                                                                               batches, data);
  }
};

struct ApiBase {
  const Api* (*get)(uint32_t version);
  const char* (*version)();
};

constexpr uint32_t kVersion = 18;  // onnxruntime 1.18
enum Type : int { kUndefined = 0, kFloat = 1, kUint8 = 2 };
enum Characteristic : int { kVariadic = 2 };

// OrtCustomOp of version 18.
struct Operator {
  uint32_t version = kVersion;
  void* (*create)(const Operator*, const Api*, const KernelInfo*) = nullptr;
  const char* (*name)(const Operator*) = nullptr;
  const char* (*provider)(const Operator*) = nullptr;
  int (*input_type)(const Operator*, size_t) = nullptr;
  size_t (*input_count)(const Operator*) = nullptr;
  int (*output_type)(const Operator*, size_t) = nullptr;
  size_t (*output_count)(const Operator*) = nullptr;
  void (*compute_old)(void*, Context*) = nullptr;
  void (*destroy)(void*) = nullptr;
  int (*input_characteristic)(const Operator*, size_t) = nullptr;
  int (*output_characteristic)(const Operator*, size_t) = nullptr;
  int (*input_memory)(const Operator*, size_t) = nullptr;
  int (*least_inputs)(const Operator*) = nullptr;
  int (*same_inputs)(const Operator*) = nullptr;
  int (*least_outputs)(const Operator*) = nullptr;
  int (*same_outputs)(const Operator*) = nullptr;
  Status* (*create_kernel)(const Operator*, const Api*, const KernelInfo*, void**) = nullptr;
  Status* (*compute)(void*, Context*) = nullptr;
  Status* (*infer_shape)(const Operator*, void*) = nullptr;
  int (*first_version)(const Operator*) = nullptr;
  int (*last_version)(const Operator*) = nullptr;
  size_t (*may_inplace)(int**, int**) = nullptr;
  void (*release_inplace)(int*, int*) = nullptr;
  size_t (*aliases)(int**, int**) = nullptr;
  void (*release_aliases)(int*, int*) = nullptr;
};

}  // namespace pyq8::ort
