#include "common/threads.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace pyq8 {
namespace {

constexpr int kSpins = 2000;  // some ten microseconds, about what waking a sleeping thread takes

struct Job {
  const std::function<void(int64_t, int)>* f;
  int64_t tasks;
  std::atomic<int64_t> next{0};
  std::atomic<int> inside{0};  // workers of the pool that are at it

  void work(int worker) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) (*f)(task, worker);
  }
};

class Pool {
 public:
  explicit Pool(int n) : size_(n) {
    for (int i = 1; i < n; ++i) workers_.emplace_back([this, i] { serve(i); });
  }

  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
      turn_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  int size() const { return size_; }

  void run(int64_t tasks, const std::function<void(int64_t, int)>& f) {
    Job job{&f, tasks, {}, {}};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      turn_.fetch_add(1);
    }
    wake_.notify_all();
    job.work(0);
    {
      // Nobody begins any more: a thread that others keep from waking up is not waited for.
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = nullptr;
    }
    for (int spin = 0; job.inside.load(std::memory_order_acquire) > 0; ++spin) {
      if (spin < kSpins) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  void serve(int worker) {
    for (int64_t seen = 0;;) {
      for (int spin = 0; spin < kSpins && turn_.load(std::memory_order_acquire) == seen; ++spin) pause();
      Job* job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return turn_.load() != seen; });
        seen = turn_.load();
        if (stop_) return;
        job = job_;
        if (!job) continue;
        job->inside.fetch_add(1, std::memory_order_relaxed);
      }
      job->work(worker);
      job->inside.fetch_sub(1, std::memory_order_release);
    }
  }

  const int size_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int64_t> turn_{0};
  Job* job_ = nullptr;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

// One parallel region of an OpenMP runtime: each thread of its team takes a number and works.
struct Region {
  Job* job;
  std::atomic<int> workers{0};

  static void enter(void* self) {
    Region* const region = static_cast<Region*>(self);
    region->job->work(region->workers.fetch_add(1, std::memory_order_relaxed));
  }
};

// Never destroyed at exit, and abandoned in a forked child, which has none of its threads.
Pool* pool = nullptr;
int wanted = 1;
OpenMpParallel openmp = nullptr;

void forget() {
  pool = nullptr;
  openmp = nullptr;
}

void forget_after_fork() {
  static const int registered = pthread_atfork(nullptr, nullptr, forget);
  (void)registered;
}

}  // namespace

void set_threads(int n) {
  wanted = n < 1 ? 1 : n;
  if (pool && pool->size() != wanted) {
    delete pool;
    pool = nullptr;
  }
}

int threads() { return wanted; }

void set_openmp(OpenMpParallel parallel) {
  forget_after_fork();
  openmp = parallel;
}

void parallel(int64_t tasks, const std::function<void(int64_t, int)>& f) {
  if (wanted == 1 || tasks <= 1) {
    for (int64_t task = 0; task < tasks; ++task) f(task, 0);
    return;
  }
  if (openmp) {
    Job job{&f, tasks, {}, {}};
    Region region{&job};
    openmp(Region::enter, &region, unsigned(wanted), 0);
    return;
  }
  if (!pool) {
    forget_after_fork();
    pool = new Pool(wanted);
  }
  pool->run(tasks, f);
}

}  // namespace pyq8
