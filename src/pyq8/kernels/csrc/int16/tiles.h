// The tiles of one instruction set, by number of rows.
#pragma once

#include <utility>

#include "int16/tile.h"

namespace {

template <class Dot, int V, int... P>
constexpr void fill_tiles(TileFunction* to, std::integer_sequence<int, P...>) {
  ((to[P] = tile<Dot, P + 1, V>), ...);
}

template <class Dot, int Rows, int V>
struct Tiles {
  TileFunction of[Rows] = {};
  constexpr Tiles() { fill_tiles<Dot, V>(of, std::make_integer_sequence<int, Rows>{}); }
};

}  // namespace
