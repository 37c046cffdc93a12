#include "int8/border.h"

#include <cstring>

namespace pyq8::int8 {
namespace {

constexpr int64_t kRows = 4;              // of a piece
constexpr double kProductsOfRow = 30000;  // its ends are in lines of memory that nobody has in a cache

int64_t pieces_of(const Place& p) { return p.n * up(p.h, kRows); }

}  // namespace

Borders::Borders(const Run& run, const std::vector<int64_t>& tensors) : run_(run), tensors_(tensors) {
  for (const int64_t tensor : tensors) pieces_ += pieces_of(run.place(tensor));
}

double Borders::cost() { return kProductsOfRow * double(kRows); }

void Borders::fill(int64_t piece) const {
  const int64_t* tensor = tensors_.data();
  for (int64_t all; piece >= (all = pieces_of(run_.place(*tensor))); piece -= all) ++tensor;
  const Place& p = run_.place(*tensor);
  const int zero = int(run_.spec.tensors[size_t(*tensor)].zero);
  const int64_t bands = up(p.h, kRows), first = piece % bands * kRows, last = std::min(p.h, first + kRows);
  uint8_t* const image = run_.memory + p.begin + piece / bands * p.image();
  const auto set = [&](int64_t from, int64_t to) { std::memset(image + from, zero, size_t(to - from)); };
  // From behind the pixels of one row to before those of the next; before the first and behind the last row all of it.
  const auto begin = [&](int64_t row) { return (p.top + row) * p.row() + p.left * p.channels; };
  const auto end = [&](int64_t row) { return begin(row) + p.w * p.channels; };
  if (first == 0) set(0, begin(0));
  for (int64_t row = first; row < last; ++row) set(end(row), row + 1 < p.h ? begin(row + 1) : p.image());
}

}  // namespace pyq8::int8
