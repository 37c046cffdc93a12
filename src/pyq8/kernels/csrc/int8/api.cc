// The C interface of regions, for pyq8.kernels.int8 and its tests. A function that fails returns a message.
#include "common/api.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/isas.h"
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

// Runs the largest tile of so many blocks `repeats` times on operands in the first cache; the operations, 0 where there is no
// such tile. `safe`: with weights of which steps are taken two by two where tiles take them so, else of which each is flipped.
// `rows`: of the tile.
PYQ8_API int64_t pyq8_int8_tile(int index, int safe, int blocks, int64_t repeats, int* rows) {
  constexpr int64_t kSteps = 64;
  const Isa& isa = *find_isa(pyq8::isas()[size_t(index)]);
  const Tiles& tiles = isa.tiles;
  *rows = blocks >= 1 && blocks <= kMostBlocks && (isa.listed || !safe) ? tiles.rows[blocks] : 0;
  if (!*rows) return 0;
  const std::vector<uint8_t> x(size_t(*rows * kSteps * kGroup + kSlack), 1);
  const std::vector<int8_t> w(size_t(blocks * kSteps * kGroup * kOutputs + kSlack), safe ? 1 : 127);
  const std::vector<int32_t> bias(size_t(blocks * kOutputs));
  const std::vector<float> scale(size_t(blocks * kOutputs));
  std::vector<uint8_t> y(size_t(*rows * blocks * kOutputs + kSlack));
  const int64_t offset = 0;
  Tile t{};
  t.x = x.data(), t.row = kSteps * kGroup, t.offsets = &offset, t.taps = 1, t.steps = kSteps;
  for (int i = 0; i < blocks; ++i) t.w[i] = w.data() + i * kSteps * kGroup * kOutputs;
  const ListedBlock listed = list_block(w.data(), bias.data(), {false, 1, kSteps}, isa.lanes);
  t.listed = listed.vectors.data();
  t.bias = bias.data(), t.scale = scale.data(), t.y = y.data(), t.y_row = t.width = blocks * kOutputs;
  for (int64_t i = 0; i < repeats; ++i) tiles.of[blocks][*rows - 1](t);
  return repeats * 2 * *rows * blocks * kOutputs * kSteps * kGroup;
}

// FP32 operations, likewise; 0 for the scalar one.
PYQ8_API int64_t pyq8_multiply_add(int index, int64_t repeats) {
  const Isa& isa = *find_isa(pyq8::isas()[size_t(index)]);
  return isa.multiply_add ? isa.multiply_add(repeats) : 0;
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

// How a run with inputs of these shapes would be divided among `threads`. It counts the numbers and writes the first `room` of
// them: of every parallel loop its first layer, how many there are, the number of its pieces and what each of them costs, in
// multiply-adds or what takes as long, in the order in which they are handed out.
PYQ8_API const char* pyq8_region_division(void* region, const int64_t* ranks, const int64_t* shapes, int64_t threads,
                                          int64_t* to, int64_t room, int64_t* count) {
  try {
    Region& self = *static_cast<Region*>(region);
    std::vector<Shape> all;
    for (int64_t i = 0; i < self.spec().inputs; shapes += ranks[i++]) all.emplace_back(shapes, shapes + ranks[i]);
    std::vector<int64_t> numbers;
    for (const Planned& loop : self.planned(all, int(threads))) {
      const size_t layers = loop.last - loop.first;
      for (const size_t n : {loop.first, layers, loop.costs.size()}) numbers.push_back(int64_t(n));
      numbers.insert(numbers.end(), loop.costs.begin(), loop.costs.end());
    }
    std::copy_n(numbers.begin(), std::min<int64_t>(room, int64_t(numbers.size())), to);
    *count = int64_t(numbers.size());
    return nullptr;
  } catch (const std::exception& error) {
    return message(error);
  }
}
