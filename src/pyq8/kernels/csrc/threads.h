// A persistent pool of threads. One parallel loop at a time; a forked child starts its own.
#pragma once

#include <cstdint>
#include <functional>

namespace pyq8 {

void set_threads(int n);
int threads();

// Calls f(task, worker) for every task in 0..tasks-1, in any order, worker in 0..threads()-1; returns when all
// are done.
void parallel(int64_t tasks, const std::function<void(int64_t, int)>& f);

}  // namespace pyq8
