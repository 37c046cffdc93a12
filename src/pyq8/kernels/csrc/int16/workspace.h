// The memory of the one call that runs at a time: every thread's, and what the threads share.
#pragma once

#include <deque>
#include <vector>

#include "int16/call.h"
#include "common/memory.h"

namespace pyq8 {

struct Worker {
  alignas(64) float sums[kMostRows * kVectors * kMostLanes];
  alignas(64) float peak[kMostLanes];  // largest |result| so far
  Buffer operand;                      // packed operands of the tiles under way
  std::vector<Tile> tiles;             // under way, their numbers of rows, and the offsets of their taps
  std::vector<int> rows;
  std::vector<int64_t> offsets;
  std::vector<const int16_t*> pixels;
};

class Workspace {
 public:
  std::deque<Worker> workers;
  Buffer packed, sums, bias;

  // As many workers as threads, their peaks zero.
  void begin();
  // As many zeros, for a pixel that is outside.
  const int16_t* zeros(int64_t count);
  // The largest |result| of all workers.
  float peak() const;

 private:
  std::vector<int16_t> zeros_;
};

// Of this process; whoever calls holds the lock of common/lock.h.
Workspace& workspace();

}  // namespace pyq8
