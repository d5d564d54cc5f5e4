// Squared distances of rows as they came: float64 direct differences, one order of summation.

template <typename T>
inline double squared(const double* x, const T* y, int64_t width) {
  Doubles sums[4] = {nothing(), nothing(), nothing(), nothing()};
  int64_t t = 0;
  for (; t + 32 <= width; t += 32)
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part)
      sums[part] = add_square(sums[part], eight(x + t + 8 * part), eight(y + t + 8 * part));
  for (; t + 8 <= width; t += 8) sums[0] = add_square(sums[0], eight(x + t), eight(y + t));
  double lanes[8];
  spread(add(add(sums[0], sums[1]), add(sums[2], sums[3])), lanes);
  double total = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
                 ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  for (; t < width; ++t) {
    const double gap = x[t] - static_cast<double>(y[t]);
    total += gap * gap;
  }
  return total;
}

// Measures candidates of one row: each thread has its own.
class Ruler {
 public:
  std::vector<double> squares;  // of the distances measured so far, in the order of the candidates

  void measure(const Task& task, int64_t slot, const Candidate* candidates, int64_t first,
               int64_t last) {
    if (task.points.single)
      add_squares<float>(task, slot, candidates, first, last);
    else
      add_squares<double>(task, slot, candidates, first, last);
  }

  // The k-th smallest distance measured, rounded up.
  float kth(int64_t k) {
    sorted_ = squares;
    std::nth_element(sorted_.begin(), sorted_.begin() + (k - 1), sorted_.end());
    return static_cast<float>(std::sqrt(sorted_[k - 1])) * ROUNDED_UP + SMALLEST;
  }

  // Write the k nearest, or all if they are fewer, the lower row first where two are equal. False
  // where a tie at the k-th distance asks for more care, or distances next to nothing (float32 has
  // none that are lost).
  bool write(const Task& task, int64_t slot, const Candidate* candidates) {
    const size_t k = task.k, sorted = std::min(k + 1, squares.size());
    if (sorted == 0) return true;
    nearest_.clear();
    for (size_t w = 0; w < squares.size(); ++w)
      nearest_.emplace_back(std::sqrt(squares[w]), task.row_of[candidates[w].other]);
    std::nth_element(nearest_.begin(), nearest_.begin() + (sorted - 1), nearest_.end());
    std::sort(nearest_.begin(), nearest_.begin() + sorted);
    const int64_t row = task.row_of[slot];
    for (size_t r = 0; r < std::min(k, sorted); ++r) {
      task.distances[row * k + r] = nearest_[r].first;
      task.indices[row * k + r] = nearest_[r].second;
    }
    const bool tied = sorted > k && nearest_[k].first == nearest_[k - 1].first;
    return !tied && (task.points.single || nearest_[0].first >= TINIEST);
  }

 private:
  // A span of all rows after the other, so that the row's own span stays in the nearest cache; the
  // next row is called from memory while one is measured.
  template <typename T>
  void add_squares(const Task& task, int64_t slot, const Candidate* candidates, int64_t first,
                   int64_t last) {
    const int64_t width = task.points.width, before = squares.size() - first;
    const T* x = static_cast<const T*>(task.asked.rows) + task.row_of[slot] * width;
    const T* rows = static_cast<const T*>(task.points.rows);
    row_.assign(x, x + width);
    squares.resize(before + last, 0.);
    for (int64_t t = 0; t < width; t += SPAN) {
      const int64_t span = std::min(SPAN, width - t);
      const auto at = [&](int64_t c) { return rows + task.row_of[candidates[c].other] * width + t; };
      for (int64_t w = first; w < last; ++w) {
        call(at(std::min(w + 1, last - 1)), span);
        squares[before + w] += squared(row_.data() + t, at(w), span);
      }
    }
  }

  template <typename T>
  static void call(const T* values, int64_t count) {
    const char* bytes = reinterpret_cast<const char*>(values);
    const int64_t ahead = std::min<int64_t>(count * sizeof(T), CALLED_AHEAD);
    for (int64_t byte = 0; byte < ahead; byte += 64) __builtin_prefetch(bytes + byte);
  }

  std::vector<double> row_, sorted_;
  std::vector<std::pair<double, int32_t>> nearest_;
};
