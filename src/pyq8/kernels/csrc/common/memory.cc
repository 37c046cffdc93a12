#include "common/memory.h"

#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pyq8 {

namespace {
constexpr size_t kLine = 64, kHuge = size_t(1) << 21;
}

Buffer::~Buffer() { std::free(memory_); }

void* Buffer::bytes(size_t bytes) {
  if (bytes > size_) {
    const size_t align = bytes >= kHuge ? kHuge : kLine;
    bytes = (bytes + align - 1) / align * align;
    std::free(memory_);
    memory_ = nullptr;
    size_ = 0;
    void* fresh = nullptr;
    if (posix_memalign(&fresh, align, bytes)) throw std::bad_alloc();
#if defined(__linux__)
    if (align == kHuge) madvise(fresh, bytes, MADV_HUGEPAGE);
#endif
    memory_ = fresh;
    size_ = bytes;
  }
  return memory_;
}

}  // namespace pyq8
