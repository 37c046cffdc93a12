// How the rows and outputs of a layer are divided among threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace pyq8::int8 {

inline int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Load {
  int64_t images = 0, height = 0;  // of what is looped over
  int64_t row_bytes = 0;           // read and written for a row
  int64_t row_products = 0;        // for a row, or what costs as much
  int64_t weight_bytes = 0;        // for all rows
};

constexpr int64_t kCache = 256 << 10;  // bytes that a task goes through before it returns to the first
constexpr int64_t kHeld = 512 << 10;   // of weights, that stay in the cache of a thread
constexpr int64_t kTasks = 6;          // of a thread, at least where there is that much
constexpr double kByte = 10;           // from beyond the cache, in products of a thread
constexpr double kTail = 0.15;         // of a task, for which threads wait at the end
constexpr double kTask = 30000;       // to begin a task, in products

// Into bands of rows and parts of the outputs. A thread that works alone at the end, rows that do not divide and what is
// read from beyond the cache all cost time: the division that costs least is taken. What a part multiplies by stays in
// the cache from band to band, or every band reads it anew; every part reads all rows.
struct Division {
  int64_t rows = 1, bands = 1, parts = 1;

  Division(const Load& load, int64_t most_parts, int64_t threads) {
    const int64_t wanted = kTasks * threads, images = load.images, height = load.height;
    const int64_t fit = std::min(height, std::max<int64_t>(1, kCache / load.row_bytes));
    double least = 0;
    for (int64_t p = 1; p <= most_parts; ++p) {
      if (most_parts % p) continue;
      const int64_t largest = std::clamp<int64_t>(images * height * p / wanted, 1, fit);
      for (int64_t r = std::max<int64_t>(1, largest / 2); r <= largest; ++r) {
        const int64_t b = up(height, r), tasks = images * b * p, before = (tasks - 1) / threads;
        const int64_t last = (tasks - 1) % threads ? r : height - (b - 1) * r;
        const double spent = double(before * r + last) + kTail * double(r);
        const int64_t reads = load.weight_bytes / p <= kHeld ? std::min(threads, images * b) : images * b;
        const int64_t bytes = reads * load.weight_bytes + p * images * height * load.row_bytes;
        double cost = spent * double(load.row_products) / double(p);
        cost += (kByte * double(bytes) + kTask * double(tasks)) / double(threads);
        if (least == 0 || cost < least) least = cost, rows = r, bands = b, parts = p;
      }
    }
  }
};

}  // namespace pyq8::int8
