#include "int8/border.h"

#include <cstring>

namespace pyq8::int8 {
namespace {

constexpr int64_t kRows = 4;              // of a piece, at least
constexpr double kProductsOfRow = 30000;  // its ends are in lines of memory that nobody has in a cache

}  // namespace

Borders::Borders(const Run& run, const std::vector<int64_t>& tensors, int threads)
    : run_(run), tensors_(tensors), threads_(threads) {
  for (const int64_t tensor : tensors) pieces_ += run.place(tensor).n * parts_of(run.place(tensor)).parts;
}

Parts Borders::parts_of(const Place& place) const { return {place.h, std::min<int64_t>(threads_, up(place.h, kRows))}; }

Borders::Rows Borders::rows(int64_t piece) const {
  for (const int64_t tensor : tensors_) {
    const Place& place = run_.place(tensor);
    const Parts parts = parts_of(place);
    if (piece < place.n * parts.parts) return {tensor, piece / parts.parts, parts, piece % parts.parts};
    piece -= place.n * parts.parts;
  }
  return {};
}

double Borders::cost(int64_t piece) const {
  const Rows some = rows(piece);
  return kProductsOfRow * double(some.parts.size(some.part));
}

void Borders::fill(int64_t piece) const {
  const Rows some = rows(piece);
  const Place& p = run_.place(some.tensor);
  const int zero = int(run_.spec.tensors[size_t(some.tensor)].zero);
  const int64_t first = some.parts.begin(some.part), last = some.parts.begin(some.part + 1);
  uint8_t* const image = run_.memory + p.begin + some.image * p.image();
  const auto set = [&](int64_t from, int64_t to) { std::memset(image + from, zero, size_t(to - from)); };
  // From behind the pixels of one row to before those of the next; before the first and behind the last row all of it.
  const auto begin = [&](int64_t row) { return (p.top + row) * p.row() + p.left * p.channels; };
  const auto end = [&](int64_t row) { return begin(row) + p.w * p.channels; };
  if (first == 0) set(0, begin(0));
  for (int64_t row = first; row < last; ++row) set(end(row), row + 1 < p.h ? begin(row + 1) : p.image());
}

}  // namespace pyq8::int8
