// The candidates of every row: who may still be a neighbour, and a bound of the k-th distance.
//
// A candidate lies between lower and upper. The row's bound U_i is the k-th smallest upper bound
// seen so far; whoever lies beyond it is dropped. The float32 rounding of these bounds, at most 3
// units of |z| and 5 of the errors, is covered by what ROUNDED leaves over and by the thousandth by
// which errors are stored too large.

constexpr float ROUNDED_UP = 1.f + 1e-6f;    // 16 units
constexpr float ROUNDED_DOWN = 1.f - 1e-6f;  // 17 units

struct Candidate {
  float lower, upper;
  int32_t other;
};

class Candidates {
 public:
  Candidates(int64_t slots, int64_t k, const float* error)
      : k_(k), capacity_(std::max<int64_t>(128, 6 * k)), error_(error),
        listed_(table<Candidate>(slots * capacity_)), rows_(slots) {
    for (int64_t slot = 0; slot < slots; ++slot)
      rows_[slot] = {INFINITY, error[slot], 0, first_trigger()};
  }

  float bound(int64_t slot) const { return rows_[slot].bound; }
  int64_t count(int64_t slot) const { return rows_[slot].count; }
  const Candidate* listed(int64_t slot) const { return &listed_[slot * capacity_]; }
  bool closed(int64_t slot) const { return rows_[slot].bound == -INFINITY; }
  bool full(int64_t slot) const { return rows_[slot].count >= rows_[slot].trigger; }
  bool crowded(int64_t slot) const { return rows_[slot].count > capacity_ / 4 * 3; }

  void close(int64_t slot) {  // it wants no candidates
    rows_[slot].bound = -INFINITY;
    rows_[slot].count = 0;
  }

  void add(int64_t slot, int32_t other, float distance) {
    Row& row = rows_[slot];
    const float error = row.error + error_[other];
    listed_[slot * capacity_ + row.count] = {distance - error, distance + error, other};
    row.count += distance - error <= row.bound * ROUNDED_UP;
  }

  // The distance of the w-th candidate has been measured.
  void set_exact(int64_t slot, int64_t w, double distance) {
    const float known = static_cast<float>(distance);
    listed_[slot * capacity_ + w].lower = known * ROUNDED_DOWN - SMALLEST;
    listed_[slot * capacity_ + w].upper = known * ROUNDED_UP + SMALLEST;
  }

  // Lower the bound to the k-th smallest upper bound and drop who lies beyond it.
  void tighten(int64_t slot) {
    Row& row = rows_[slot];
    if (row.count < k_) return;
    row.bound = std::min(row.bound, kth_upper(slot));
    Candidate* listed = &listed_[slot * capacity_];
    const float limit = row.bound * ROUNDED_UP;
    int32_t kept = 0;
    for (int32_t w = 0; w < row.count; ++w) {
      const Candidate candidate = listed[w];
      listed[kept] = candidate;
      kept += candidate.lower <= limit;
    }
    row.count = kept;
    row.trigger = std::min<int32_t>(capacity_, std::max(first_trigger(), kept * 3 / 2));
  }

  // Put the k candidates with the smallest upper bounds in front (or a few more); count them.
  int64_t promising(int64_t slot) {
    const float kth = kth_upper(slot);
    return partition(slot, 0, [=](const Candidate& c) { return c.upper <= kth; });
  }

  // Put the candidates that a bound does not rule out in front of those from `from` on; their end.
  int64_t within(int64_t slot, int64_t from, float bound) {
    const float limit = bound * ROUNDED_UP;
    return partition(slot, from, [=](const Candidate& c) { return c.lower <= limit; });
  }

  // Put the candidates that are wanted in front; their number.
  template <typename Wanted>
  int64_t those(int64_t slot, Wanted wanted) {
    return partition(slot, 0, wanted);
  }

 private:
  struct Row {
    float bound, error;
    int32_t count, trigger;
  };

  int32_t first_trigger() const { return std::min<int32_t>(capacity_, 3 * k_ + 32); }

  // A value that at least k upper bounds do not exceed, hardly more than the k-th smallest.
  float kth_upper(int64_t slot) const {
    const Candidate* listed = &listed_[slot * capacity_];
    const int32_t n = rows_[slot].count;
    static thread_local std::vector<float> upper;
    upper.resize(n);
    float low = INFINITY, high = 0;
    for (int32_t w = 0; w < n; ++w) {
      upper[w] = listed[w].upper;
      low = std::min(low, upper[w]);
      high = std::max(high, upper[w]);
    }
    const float* values = upper.data();
    for (int step = 0; step < 10; ++step) {
      const float middle = low + (high - low) / 2;
      int32_t within = 0;
      for (int32_t w = 0; w < n; ++w) within += values[w] <= middle;
      (within >= k_ ? high : low) = middle;
      if (within == k_) break;
    }
    return high;
  }

  template <typename Wanted>
  int64_t partition(int64_t slot, int64_t from, Wanted wanted) {
    Candidate* listed = &listed_[slot * capacity_];
    int64_t end = from;
    for (int64_t w = from; w < rows_[slot].count; ++w) {
      const bool keep = wanted(listed[w]);
      std::swap(listed[w], listed[end]);
      end += keep;
    }
    return end;
  }

  int64_t k_, capacity_;
  const float* error_;
  Table<Candidate> listed_;
  std::vector<Row> rows_;
};
