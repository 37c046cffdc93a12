// `Region` of the domain "pyq8" for ONNX Runtime: SessionOptions.register_custom_ops_library of this library.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "common/api.h"
#include "int8/isas.h"
#include "int8/ort.h"
#include "int8/record.h"
#include "int8/region.h"

namespace {

using namespace pyq8;
using namespace pyq8::int8;

constexpr int64_t kVersion = 1;  // of the operator, docs/reference/pyq8-operators.md

// Throws what a function of the runtime complains of.
void must(const ort::Api& api, ort::Status* status) {
  if (!status) return;
  const std::string text = api.text(status);
  api.release(status);
  throw Error(text);
}

template <class Work>
ort::Status* guarded(const ort::Api& api, Work work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception& error) {
    return api.status((std::string("pyq8 Region: ") + error.what()).c_str());
  }
}

std::vector<int64_t> numbers(const ort::Api& api, const ort::KernelInfo* info, const char* name) {
  size_t count = 0;
  if (ort::Status* status = api.numbers(info, name, nullptr, &count)) {
    api.release(status);
    throw Error(std::string("its attribute ") + name + " is missing");
  }
  std::vector<int64_t> values(count);
  must(api, api.numbers(info, name, values.data(), &count));
  return values;
}

Input input_of(const ort::Api& api, const ort::Value* value, int* type) {
  ort::ShapeInfo* info = nullptr;
  must(api, api.shape_info(value, &info));
  size_t rank = 0;
  ort::Status* status = api.type(info, type);
  if (!status) status = api.rank(info, &rank);
  Shape shape(rank);
  if (!status) status = api.shape(info, shape.data(), rank);
  api.release(info);
  must(api, status);
  void* data = nullptr;
  must(api, api.data(value, &data));
  return {data, shape};
}

// Another one says other things with its numbers.
void check_version(const ort::Api& api, const ort::KernelInfo* info) {
  int64_t version = 0;
  size_t count = 1;
  ort::Status* const status = api.numbers(info, "version", &version, &count);
  if (status) api.release(status);
  if (status || version != kVersion) throw Error("made by another version of pyq8: quantize it anew");
}

struct Kernel {
  const ort::Api& api;
  Region region;
  // Of the session: the most that ever took part in a run, 0 before the first. The interface does not tell, and in a single
  // run others may keep some of them from work.
  std::atomic<int> threads;
};

int cores() { return std::max(1, int(std::thread::hardware_concurrency())); }

// The constants are the first input. The runtime keeps a constant as long as the session.
Kernel* make(const ort::Api& api, const ort::KernelInfo* info) {
  check_version(api, info);
  const char* const wanted = std::getenv("PYQ8_ISA");
  const Isa* const isa = find_isa(wanted ? wanted : "");
  const std::vector<int64_t> tensors = numbers(api, info, "tensors"), layers = numbers(api, info, "layers");
  int constant = 0, type = 0;
  const ort::Value* value = nullptr;
  must(api, api.constant(info, 0, &constant, &value));
  if (!constant || !value) throw Error("its first input, the constants, is no initializer");
  const Input blob = input_of(api, value, &type);
  if (type != ort::kUint8 || blob.shape.size() != 1) throw Error("its constants are not uint8 of one dimension");
  Spec spec(tensors.data(), int64_t(tensors.size()), layers.data(), int64_t(layers.size()),
            static_cast<const uint8_t*>(blob.data), blob.shape[0]);
  return new Kernel{api, Region(*isa, std::move(spec)), 0};
}

void compute(Kernel& kernel, ort::Context* context) {
  const ort::Api& api = kernel.api;
  size_t count = 0;
  must(api, api.input_count(context, &count));
  std::vector<Input> inputs;
  for (size_t i = 1; i < count; ++i) {
    const ort::Value* value = nullptr;
    must(api, api.input(context, i, &value));
    if (!value) throw Error("input " + std::to_string(i) + " is missing");
    int type = 0;
    inputs.push_back(input_of(api, value, &type));
    const bool bytes = kernel.region.spec().byte_input(int64_t(i) - 1);
    if (type != (bytes ? ort::kUint8 : ort::kFloat)) throw Error("input " + std::to_string(i) + " has another type");
  }
  must(api, api.output_count(context, &count));
  const int64_t made = kernel.region.spec().outputs;
  if (int64_t(count) != made)
    throw Error("it has " + std::to_string(made) + " outputs, its node " + std::to_string(count));
  const auto allocate = [&](int64_t i, const Shape& shape) {
    ort::Value* value = nullptr;
    must(api, api.output(context, size_t(i), shape.data(), shape.size(), &value));
    if (!value) throw Error("output " + std::to_string(i) + " is missing");
    void* data = nullptr;
    must(api, api.data(value, &data));
    return data;
  };
  Threads threads;
  const int known = kernel.threads;
  threads.count = known ? known : cores();
  static std::atomic<uint64_t> runs{0};
  const uint64_t run = ++runs;
  std::atomic<int> seen{0};
  threads.run = [&](int64_t tasks, const std::function<void(int64_t)>& f) {
    // The runtime's threads know no exceptions.
    struct Loop {
      const std::function<void(int64_t)>& f;
      const uint64_t run;
      std::atomic<int>& seen;
      std::mutex mutex;
      std::exception_ptr error;
    } loop{f, run, seen, {}, {}};
    const auto one = [](void* data, size_t task) {
      Loop& self = *static_cast<Loop*>(data);
      thread_local uint64_t latest = 0;
      if (latest != self.run) latest = self.run, ++self.seen;
      try {
        self.f(int64_t(task));
      } catch (...) {
        const std::lock_guard<std::mutex> guard(self.mutex);
        self.error = std::current_exception();
      }
    };
    must(api, api.parallel(context, one, size_t(tasks), 0, &loop));
    if (loop.error) std::rethrow_exception(loop.error);
  };
  if (recording()) {
    std::vector<int64_t> nanoseconds(kernel.region.spec().layers.size());
    kernel.region.run(inputs, allocate, threads, nanoseconds.data());
    record(nanoseconds, kernel.region.products(inputs));
  } else {
    kernel.region.run(inputs, allocate, threads);
  }
  int most = known;
  while (most < seen && !kernel.threads.compare_exchange_weak(most, seen)) {
  }
}

const ort::Operator& region_operator() {
  static const ort::Operator op = [] {
    ort::Operator o;
    o.name = [](const ort::Operator*) { return "Region"; };
    o.provider = [](const ort::Operator*) -> const char* { return nullptr; };
    o.input_type = [](const ort::Operator*, size_t) { return int(ort::kUndefined); };
    o.output_type = o.input_type;
    o.input_count = [](const ort::Operator*) { return size_t(1); };
    o.output_count = o.input_count;
    o.input_characteristic = [](const ort::Operator*, size_t) { return int(ort::kVariadic); };
    o.output_characteristic = o.input_characteristic;
    o.input_memory = [](const ort::Operator*, size_t) { return 0; };
    o.least_inputs = [](const ort::Operator*) { return 2; };
    o.least_outputs = [](const ort::Operator*) { return 1; };
    o.same_inputs = [](const ort::Operator*) { return 0; };
    o.same_outputs = o.same_inputs;
    o.first_version = [](const ort::Operator*) { return 1; };
    o.last_version = o.first_version;
    o.create_kernel = [](const ort::Operator*, const ort::Api* api, const ort::KernelInfo* info, void** kernel) {
      return guarded(*api, [&] { *kernel = make(*api, info); });
    };
    o.compute = [](void* kernel, ort::Context* context) {
      Kernel& self = *static_cast<Kernel*>(kernel);
      return guarded(self.api, [&] { compute(self, context); });
    };
    o.destroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
    o.may_inplace = [](int**, int**) { return size_t(0); };
    o.aliases = o.may_inplace;
    o.release_inplace = [](int*, int*) {};
    o.release_aliases = o.release_inplace;
    return o;
  }();
  return op;
}

}  // namespace

PYQ8_API pyq8::ort::Status* RegisterCustomOps(pyq8::ort::Options* options, const pyq8::ort::ApiBase* base) {
  const pyq8::ort::Api* const api = base->get(pyq8::ort::kVersion);
  if (!api) return nullptr;  // older than 1.18: the session then says that it does not know the operator
  // One domain for all sessions, which use it until they end.
  static pyq8::ort::Domain* domain = nullptr;
  static std::mutex mutex;
  const std::lock_guard<std::mutex> guard(mutex);
  if (!domain) {
    pyq8::ort::Domain* made = nullptr;
    if (pyq8::ort::Status* status = api->create_domain("pyq8", &made)) return status;
    if (pyq8::ort::Status* status = api->add_operator(made, &region_operator())) return status;
    domain = made;
  }
  return api->add_domain(options, domain);
}
