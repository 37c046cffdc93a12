// The memory of the one call that runs at a time: every thread's, and what the threads share.
#pragma once

#include <deque>
#include <vector>

#include "call.h"
#include "memory.h"

namespace pyq8 {

struct Worker {
  alignas(64) float sums[kMostRows * kVectors * kMostLanes];
  alignas(64) float peak[kMostLanes];  // largest |result| so far
  Buffer operand;                      // packed operands of the tiles under way
  std::vector<int64_t> offsets;
  std::vector<const int16_t*> pixels;
};

struct Workspace {
  std::deque<Worker> workers;
  Buffer packed, sums, bias;

  // As many workers as threads, their peaks zero.
  void begin();
  // The largest |result| of all workers.
  float peak() const;
};

// Of this process; whoever calls holds the lock of api.cc.
Workspace& workspace();

}  // namespace pyq8
