// The threads of an OpenMP runtime of the process, or a persistent pool. One parallel loop at a time; a forked child starts
// a pool of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace pyq8 {

void set_threads(int n);
int threads();

// GOMP_parallel of the runtime whose threads do the work from now on. They spin for some milliseconds after each loop,
// so that threads of our own would share the cores with them.
using OpenMpParallel = void (*)(void (*enter)(void*), void* data, unsigned threads, unsigned flags);
void set_openmp(OpenMpParallel parallel);

// Calls f(task, worker) for every task in 0..tasks-1, in any order, worker in 0..threads()-1; returns when all
// are done.
void parallel(int64_t tasks, const std::function<void(int64_t, int)>& f);

// Calls f(number, first, count) for pieces of `size` of n, in parallel; the last may be shorter.
template <class F>
void pieces(int64_t n, int64_t size, F f) {
  parallel((n + size - 1) / size, [&](int64_t i, int) { f(i, i * size, std::min(size, n - i * size)); });
}

}  // namespace pyq8
