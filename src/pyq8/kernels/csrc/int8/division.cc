#include "int8/division.h"

namespace pyq8::int8 {
namespace {

constexpr int64_t kMost = 16;     // pieces of a thread, unless its cache wants smaller ones
constexpr double kByte = 0.0143;  // ns, from beyond the cache
constexpr double kPiece = 86;     // ns, to begin a piece
constexpr double kThread = 86;    // ns, to have one more thread take part
constexpr double kTail = 0.3;     // of a piece, for which threads that were kept from work are late
constexpr double kWait = 8;       // waiting weighs more than work: what is expected of it is the least

// Of the pieces.
double mean(const Cost& cost, const Parts& rows, const Parts& units) {
  const auto of_rows = [&](int64_t count) {
    const double longer = double(units.all % units.parts) / double(units.parts);
    return (1 - longer) * cost(count, units.all / units.parts) + (longer > 0 ? longer * cost(count, units.size(0)) : 0);
  };
  const double longer = double(rows.all % rows.parts) / double(rows.parts);
  return (1 - longer) * of_rows(rows.all / rows.parts) + (longer > 0 ? longer * of_rows(rows.size(0)) : 0);
}

}  // namespace

// What is read from beyond the cache, threads that wait for the last piece and every beginning take time: the division that
// takes least is chosen. What a part multiplies by stays in the cache from band to band, or every band reads it anew;
// every part reads all rows.
Division::Division(const Load& load, const Cost& cost, double rate, int64_t threads, const Machine& machine)
    : images_(load.images), rows_{load.height, 1}, units_{load.units, 1} {
  const int64_t rows_that_fit = std::max<int64_t>(1, machine.l2 / 4 / std::max<int64_t>(1, load.row_bytes));
  const int64_t least_bands = up(load.height, rows_that_fit), most = kMost * threads;
  double least = 0;
  for (Parts units{load.units, 1}; units.parts <= load.units; ++units.parts) {
    const int64_t p = units.parts, columns = images_ * p;
    if (p > 1 && columns * least_bands > most) break;
    if (p > 1 && up(units.all, p) == up(units.all, p - 1)) continue;
    const int64_t most_bands = std::clamp(most / columns, least_bands, load.height);
    for (Parts rows{load.height, least_bands}; rows.parts <= most_bands; ++rows.parts) {
      const int64_t b = rows.parts, n = columns * b, busy = std::min(threads, n);
      if (b > least_bands && up(rows.all, b) == up(rows.all, b - 1)) continue;
      const double largest = cost(rows.size(0), units.size(0)), usual = mean(cost, rows, units);
      const double longest = double(up(n, threads) - 1) * usual + largest;
      const int64_t reads = load.weight_bytes / p <= machine.l2 / 2 ? std::min(threads, images_ * b) : images_ * b;
      const int64_t bytes = reads * load.weight_bytes + columns * load.height * load.row_bytes;
      const double busy_time = double(n) * usual / double(threads);
      const double waiting = threads > 1 ? longest - busy_time + kTail * largest : 0;
      const double other = (kByte * double(bytes) + kPiece * double(n)) / double(busy) + kThread * double(busy);
      const double spent = busy_time + kWait * waiting + rate * other;
      if (least == 0 || spent < least) {
        least = spent, rows_ = rows, units_ = units;
        idle_ = 1 - double(n) * usual / (double(threads) * longest);
      }
    }
  }
}

Piece Division::piece(int64_t index) const {
  const int64_t band = index % rows_.parts, rest = index / rows_.parts;
  return {rest % images_, rows_.begin(band), rows_.begin(band + 1), rest / images_};
}

}  // namespace pyq8::int8
