// An order of the rows in which near rows are near: halves along the widest coordinate, and again.

#pragma once

#include <algorithm>
#include <cstdint>

#include "task.hpp"

struct Coordinates {
  const float* values;  // (n, width), some leading coordinates of every row
  int64_t width;
  float at(int32_t row, int64_t axis) const { return values[row * width + axis]; }
};

inline int64_t widest(const Coordinates& of, const int32_t* rows, int64_t n) {
  const int64_t step = std::max<int64_t>(1, n / 512);
  double largest = -1;
  int64_t found = 0;
  for (int64_t axis = 0; axis < of.width; ++axis) {
    double sum = 0, squares = 0, count = 0;
    for (int64_t r = 0; r < n; r += step, ++count) {
      const double x = of.at(rows[r], axis);
      sum += x;
      squares += x * x;
    }
    const double variance = squares / count - (sum / count) * (sum / count);
    if (variance > largest) {
      largest = variance;
      found = axis;
    }
  }
  return found;
}

// Whole leaves go to the left, so that only the last one may be short; within a leaf, whole tiles.
inline void order(const Coordinates& by, int32_t* rows, int64_t n) {
  if (n <= COLUMNS) return;
  const int64_t part = n > LEAF ? LEAF : COLUMNS, left = (n + part - 1) / part / 2 * part;
  const int64_t axis = widest(by, rows, n);
  std::nth_element(rows, rows + left, rows + n,
                   [&](int32_t a, int32_t b) { return by.at(a, axis) < by.at(b, axis); });
  order(by, rows, left);
  order(by, rows + left, n - left);
}
