// Working memory: aligned to cache lines, on huge pages where the system has them, kept for the next call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyq8 {

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  // At least `bytes`, of unspecified content; what an earlier call returned is gone.
  void* bytes(size_t bytes);

  template <class T>
  T* of(int64_t count) {
    return static_cast<T*>(bytes(size_t(count) * sizeof(T)));
  }

 private:
  void* memory_ = nullptr;
  size_t size_ = 0;
};

}  // namespace pyq8
