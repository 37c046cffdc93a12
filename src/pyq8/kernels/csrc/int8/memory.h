// Working memory that all regions of a process share: two that follow one another use the same.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "common/memory.h"

namespace pyq8::int8 {

class Memory {
 public:
  // As long as somebody holds it.
  static std::shared_ptr<Memory> shared() {
    static std::mutex mutex;
    static std::weak_ptr<Memory> known;
    const std::lock_guard<std::mutex> guard(mutex);
    std::shared_ptr<Memory> memory = known.lock();
    if (!memory) known = memory = std::make_shared<Memory>();
    return memory;
  }

  // Nobody else's until it ends.
  class Loan {
   public:
    explicit Loan(Memory& memory) : memory_(memory), buffer_(memory_.take()) {}
    ~Loan() { memory_.give(std::move(buffer_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Buffer& operator*() { return *buffer_; }

   private:
    Memory& memory_;
    std::unique_ptr<Buffer> buffer_;
  };

  // Gives back what nobody uses now.
  void shrink() {
    const std::lock_guard<std::mutex> guard(mutex_);
    free_.clear();
  }

 private:
  std::unique_ptr<Buffer> take() {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (free_.empty()) return std::make_unique<Buffer>();
    std::unique_ptr<Buffer> last = std::move(free_.back());
    free_.pop_back();
    return last;
  }
  void give(std::unique_ptr<Buffer> buffer) {
    const std::lock_guard<std::mutex> guard(mutex_);
    free_.push_back(std::move(buffer));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Buffer>> free_;  // the latest last
};

}  // namespace pyq8::int8
