// The C interface of what is no operator: the processor and the threads.
#include "common/api.h"

#include <mutex>
#include <string>
#include <utility>

#include "common/cpu.h"
#include "common/isas.h"
#include "common/lock.h"
#include "common/threads.h"

using namespace pyq8;

PYQ8_API int pyq8_version() { return 6; }

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

PYQ8_API void pyq8_set_threads(int n) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  set_threads(n);
}

// Null: threads of our own.
PYQ8_API void pyq8_set_openmp(void* parallel) {
  std::lock_guard<std::mutex> guard(pyq8::lock);
  set_openmp(reinterpret_cast<OpenMpParallel>(parallel));
}
