#include "int16/workspace.h"

#include <algorithm>

#include "common/threads.h"

namespace pyq8 {

void Workspace::begin() {
  while (int(workers.size()) < threads()) workers.emplace_back();
  for (Worker& worker : workers) std::fill(std::begin(worker.peak), std::end(worker.peak), 0.0f);
}

const int16_t* Workspace::zeros(int64_t count) {
  if (int64_t(zeros_.size()) < count) zeros_.resize(size_t(count));
  return zeros_.data();
}

float Workspace::peak() const {
  float most = 0;
  for (const Worker& worker : workers)
    most = std::max(most, *std::max_element(std::begin(worker.peak), std::end(worker.peak)));
  return most;
}

Workspace& workspace() {
  static Workspace* const kept = new Workspace;  // never destroyed: threads may outlive main
  return *kept;
}

}  // namespace pyq8
