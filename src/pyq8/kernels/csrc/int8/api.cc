// The C interface of regions, for pyq8.kernels.int8 and its tests. A function that fails returns a message.
#include "common/api.h"

#include <cstring>
#include <string>

#include "common/lock.h"
#include "common/threads.h"
#include "int8/isas.h"
#include "int8/region.h"

namespace {

using namespace pyq8::int8;

const char* message(const std::exception& error) {
  thread_local std::string text;
  text = error.what();
  return text.c_str();
}

}  // namespace

// The blob stays the caller's, and has to outlive the region.
PYQ8_API const char* pyq8_region_create(const char* isa, const int64_t* tensors, int64_t tensor_count,
                                        const int64_t* layers, int64_t layer_count, const uint8_t* blob,
                                        int64_t blob_bytes, void** region) {
  try {
    *region = new Region(*find_isa(isa), Spec(tensors, tensor_count, layers, layer_count, blob, blob_bytes));
    return nullptr;
  } catch (const std::exception& error) {
    return message(error);
  }
}

PYQ8_API void pyq8_region_destroy(void* region) { delete static_cast<Region*>(region); }

// shapes: of all inputs one after the other, `ranks` numbers each. outputs[i]: room for sizes[i] bytes, which may be more than it takes.
PYQ8_API const char* pyq8_region_run(void* region, const void* const* data, const int64_t* ranks, const int64_t* shapes,
                                     void* const* outputs, const int64_t* sizes) {
  try {
    Region& self = *static_cast<Region*>(region);
    std::vector<Input> inputs;
    for (int64_t i = 0; i < self.spec().inputs; ++i) {
      inputs.push_back({data[i], Shape(shapes, shapes + ranks[i])});
      shapes += ranks[i];
    }
    const auto allocate = [&](int64_t i, const Shape& shape) {
      int64_t bytes = self.spec().byte_output(i) ? 1 : 4;
      for (const int64_t n : shape) bytes *= n;
      if (bytes > sizes[i]) throw Error("output " + std::to_string(i) + " takes " + std::to_string(bytes) + " bytes");
      return outputs[i];
    };
    const std::lock_guard<std::mutex> guard(pyq8::lock);
    Threads threads;
    threads.count = pyq8::threads();
    threads.run = [](int64_t tasks, const std::function<void(int64_t)>& f) {
      pyq8::parallel(tasks, [&](int64_t task, int) { f(task); });
    };
    self.run(inputs, allocate, threads);
    return nullptr;
  } catch (const std::exception& error) {
    return message(error);
  }
}
