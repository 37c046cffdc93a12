// The C interface of what is no operator: the processor and the threads.
#include "common/api.h"

#include <mutex>
#include <string>
#include <utility>

#include "common/caches.h"
#include "common/cpu.h"
#include "common/isas.h"
#include "common/lock.h"
#include "common/threads.h"

using namespace pyq8;

PYQ8_API int pyq8_version() { return 7; }

PYQ8_API const char* pyq8_cpu_name() { return cpu().name; }

// Names of what it has, each behind a space: those of pyq8.cpu.FLAGS.
PYQ8_API const char* pyq8_cpu_instructions() {
  static const std::string found = [] {
    const Cpu& c = cpu();
    const std::pair<bool, const char*> all[] = {{c.avx2, " avx2"},
                                                {c.avx_vnni, " avx_vnni"},
                                                {c.avx512, " avx512"},
                                                {c.avx512_vnni, " avx512_vnni"},
                                                {c.amx_int8, " amx_int8"}};
    std::string names;
    for (const auto& [has, name] : all) names += has ? name : "";
    return names;
  }();
  return found.c_str();
}

PYQ8_API const char* pyq8_isa_name(int index) {
  return size_t(index) < isas().size() ? isas()[size_t(index)] : nullptr;
}

// Bytes and sharing threads of L1d, L2 and L3, as the processor says them.
PYQ8_API void pyq8_caches(int64_t* six) {
  for (const Cache& cache : caches().level) *six++ = cache.bytes, *six++ = cache.threads;
}

// What the blocking of layers counts on with such caches: bytes of L2 and of L3 for a core.
PYQ8_API void pyq8_machine_of(const int64_t* six, int64_t* two) {
  Caches found;
  for (Cache& cache : found.level) cache.bytes = *six++, cache.threads = *six++;
  const Machine machine = machine_of(found);
  two[0] = machine.l2, two[1] = machine.l3;
}

// Zeros: those of the caches.
PYQ8_API void pyq8_set_machine(int64_t l2, int64_t l3) { set_machine({l2, l3}); }

PYQ8_API void pyq8_set_threads(int n) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  set_threads(n);
}

// Null: threads of our own.
PYQ8_API void pyq8_set_openmp(void* parallel) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  set_openmp(reinterpret_cast<OpenMpParallel>(parallel));
}
