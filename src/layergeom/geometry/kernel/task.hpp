// What a search is given and what it fills; nothing here depends on the instruction set.

#pragma once

#include <cstdint>
#include <memory>

constexpr int64_t LEAF = 192;   // slots that are worked on together: times of ROWS and COLUMNS
constexpr int ROWS = 6;         // rows of the micro-kernel: 6 x 4 sums fill 24 of 32 registers
constexpr int COLUMNS = 64;     // columns of the micro-kernel
constexpr int LANES = 16;
constexpr double ROUNDED = 1e-6;   // of |z|, 16 units: shift, mixing and gap take 10, candidates 3
constexpr float SLACK = 1e-6f;     // of |a|^2 + |b|^2: covers 8 units of float32 in the filter
constexpr float SMALLEST = 1e-30f;  // least scale of a code; added to squares near zero
constexpr double UNDERFLOW_OF_GAPS = 1e-18;  // float32 squares lose gaps below 1e-19
constexpr float ROUNDER = 12582912.f;  // 1.5 2^23: adding it rounds a float32 to an integer
constexpr int64_t SPAN = 1024;  // dimensions measured of one row after the other
constexpr int64_t CALLED_AHEAD = 2048;  // bytes of a row
constexpr double TINIEST = 0x1p-450;  // squares of distances below this may have lost digits

// Rows of one matrix as they came.
struct Matrix {
  const void* rows;  // (n, width), float32 or float64
  bool single;
  int64_t n, width;
};

struct Source : Matrix {
  const double* centre;  // (width)
  const float* error;    // (n) or null: bounds what each row lacks of the point that it stands for
};

struct Task {
  Matrix points, asked;      // neighbours among the points; asked: the queries, or the points
  const int32_t* row_of;     // (slots): the row in each slot, -1 for none
  int64_t slots, points_end;  // slots from points_end on hold queries; points_end = 0: all do
  int64_t k;
  const int32_t *groups, *asked_groups;  // or null: rows of one group are no neighbours
  const int32_t* first_tiles;  // (first_count, 2): leaves to be compared first, the nearest
  int64_t first_count;
  int64_t part, parts;  // one of several searches: it lists the pairs of its own tiles alone
  double* distances;    // (queries, k)
  int64_t* indices;     // (queries, k)
  uint8_t* unsettled;   // (queries): rows that the caller must do again
};

// A search in progress, on one of the instruction sets.
class Running {
 public:
  virtual ~Running() = default;
  virtual bool advance(double seconds, int threads) = 0;  // whether it is done
  virtual double done() const = 0;                        // share of the work, 0 .. 1
};

// One instruction set: its codes and its search.
struct InstructionSet {
  const char* name;
  bool (*supported)();
  std::shared_ptr<void> (*make_codes)(int64_t slots, int64_t width, bool tiled);
  void (*encode)(void* codes, const Source& source, const int32_t* row_of, int64_t first,
                 int64_t last, int threads);
  std::unique_ptr<Running> (*search)(const Task& task, std::shared_ptr<void> filter,
                                     std::shared_ptr<void> codes);
};

extern const InstructionSet AVX512, AVX2;
