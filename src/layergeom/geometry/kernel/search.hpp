// The search: leaf by leaf through filter and codes, then the exact re-rank.
//
// Each pair of rows is met once and offered to both. Threads take tiles (pairs of leaves) from one
// counter; what a row has gathered is guarded by its leaf's lock. In whichever order candidates
// arrive, all true neighbours are among them and float64 decides, so that the result has the same
// bits for any number of threads.

// Do the work in this and other threads, in fewer where the system has no more; what one of them
// could not do (memory) is thrown here.
template <typename Work>
inline void in_threads(int threads, Work work) {
  std::mutex lock;
  std::exception_ptr failure;
  const auto guarded = [&] {
    try {
      work();
    } catch (...) {
      const std::lock_guard<std::mutex> guard(lock);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  try {
    while (static_cast<int>(others.size()) < threads - 1) others.emplace_back(guarded);
  } catch (const std::system_error&) {
  }
  guarded();
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

class Search final : public Running {
 public:
  Search(const Task& task, std::shared_ptr<const Codes> filter, std::shared_ptr<const Codes> codes)
      : task_(task), filter_(std::move(filter)), codes_(std::move(codes)),
        leaves_(task.slots / LEAF), first_query_(task.points_end / LEAF),
        candidates_(task.slots, task.k, codes_->error.data()), locks_(leaves_),
        first_(leaves_ * leaves_, false), largest_error_(leaves_, 0.f) {
    for (int64_t slot = 0; slot < task_.slots; ++slot) {
      if (task_.row_of[slot] < 0 || slot < task_.points_end) candidates_.close(slot);
      float& largest = largest_error_[slot / LEAF];
      largest = std::max(largest, filter_->error[slot]);
    }
    for (int64_t t = 0; t < task_.first_count; ++t)
      first_[task_.first_tiles[2 * t] * leaves_ + task_.first_tiles[2 * t + 1]] = true;
    next_leaf_ = first_query_;
  }

  bool advance(double seconds, int threads) override {
    const auto end = Clock::now() + std::chrono::microseconds(int64_t(1e6 * seconds));
    if (next_tile_ < tiles()) in_threads(threads, [&] { compare_until(end); });
    if (next_tile_ < tiles()) return false;
    in_threads(threads, [&] { settle_until(end); });
    return next_leaf_ >= leaves_;
  }

  double done() const override {
    const double compared = std::min<double>(next_tile_, tiles()) / tiles();
    const double settled = std::min<double>(next_leaf_, leaves_) - first_query_;
    return 0.8 * compared + 0.2 * settled / (leaves_ - first_query_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  struct Hit {
    int32_t slot, other;
    float distance;
  };

  // The hits of one tile: there is room for all pairs and one more.
  struct Hits {
    std::vector<Hit> room = std::vector<Hit>(LEAF * LEAF + 1);
    int64_t count = 0;
    void add(const Hit& hit, bool wanted) {
      room[count] = hit;
      count += wanted;
    }
  };

  // Some rows of one leaf against some columns of another.
  struct Block {
    int64_t I, J, first_row, last_row, first_column, last_column;
  };

  // What one thread needs for a tile.
  struct Desk {
    float own_bound[LEAF], own_limit[LEAF], other_bound[LEAF], other_limit[LEAF];
    uint64_t near[LEAF][LEAF / COLUMNS];
    int32_t listed[LEAF], products[LEAF];
    float distance[LEAF];
    std::vector<uint8_t> tile;
    Hits own, others;
    Ruler ruler;
  };

  // ---- tiles ----

  bool joined() const { return first_query_ == 0; }
  int64_t tiles() const { return task_.first_count + (leaves_ - first_query_) * leaves_; }

  void compare_until(Clock::time_point end) {
    Desk desk;
    do {
      const int64_t t = next_tile_.fetch_add(1);
      if (t >= tiles()) return;
      if (t < task_.first_count)
        compare(task_.first_tiles[2 * t], task_.first_tiles[2 * t + 1], desk);
      else
        compare_later(t - task_.first_count, desk);
    } while (Clock::now() < end);
  }

  // Tiles in bands of NEIGHBORHOOD leaves, whose codes stay in the cache meanwhile.
  void compare_later(int64_t t, Desk& desk) {
    const int64_t band = t / (NEIGHBORHOOD * leaves_), within = t - band * NEIGHBORHOOD * leaves_;
    const int64_t first = first_query_ + band * NEIGHBORHOOD;
    const int64_t height = std::min(NEIGHBORHOOD, leaves_ - first);
    const int64_t I = first + within % height, J = within / height;
    const bool elsewhere = joined() ? J < I : J >= first_query_;
    if (!elsewhere && !first_[I * leaves_ + J] && owns(I, J)) compare(I, J, desk);
  }

  // Whether a tile is this part's: the first ones are compared by all parts, for their bounds.
  bool owns(int64_t I, int64_t J) const {
    return ((I - first_query_) / NEIGHBORHOOD + J) % task_.parts == task_.part;
  }

  void compare(int64_t I, int64_t J, Desk& desk) {
    if (I != J) return compare_block({I, J, 0, LEAF, 0, LEAF}, desk);
    for (int64_t r = 0; r < LEAF; r += COLUMNS)  // the next of kin give the first bounds
      compare_block({I, I, r, r + COLUMNS, r, r + COLUMNS}, desk);
    for (int64_t r = COLUMNS; r < LEAF; r += COLUMNS)
      compare_block({I, I, 0, r, r, r + COLUMNS}, desk);
  }

  void compare_block(const Block& block, Desk& desk) {
    filter(block, desk);
    desk.own.count = desk.others.count = 0;
    for (int64_t c = block.first_column; c < block.last_column; c += COLUMNS)
      if (dense(block, c, desk)) examine_together(block, c, desk);
    for (int64_t row = block.first_row; row < block.last_row; ++row) examine(block, row, desk);
    hand_over(block.I, desk.own, desk.ruler);
    hand_over(block.J, desk.others, desk.ruler);
  }

  // Set a bit for every pair that row or column cannot rule out by the filter's codes.
  void filter(const Block& block, Desk& desk) {
    read_bounds(block.I, largest_error_[block.J], desk.own_bound, desk.own_limit);
    read_bounds(block.J, largest_error_[block.I], desk.other_bound, desk.other_limit);
    const int64_t own = block.I * LEAF, other = block.J * LEAF;
    int32_t products[ROWS][COLUMNS];
    uint64_t near[ROWS];
    for (int64_t column = block.first_column; column < block.last_column; column += COLUMNS)
      for (int64_t row = block.first_row / ROWS * ROWS; row < block.last_row; row += ROWS) {
        multiply(*filter_, own + row, &filter_->tiles[(other + column) * filter_->width], products);
        let_pass(*filter_, own + row, other + column, products, desk.own_limit + row,
                 desk.other_limit + column, near);
        for (int r = 0; r < ROWS; ++r) desk.near[row + r][column / COLUMNS] = near[r];
      }
  }

  // The bounds of a leaf's rows, and the squared distances up to which the filter lets pass.
  void read_bounds(int64_t leaf, float other_error, float* bound, float* limit) {
    const std::lock_guard<std::mutex> guard(locks_[leaf]);
    for (int64_t r = 0; r < LEAF; ++r) {
      const int64_t slot = leaf * LEAF + r;
      bound[r] = candidates_.bound(slot);
      const float reach = bound[r] + filter_->error[slot] + other_error;
      limit[r] = bound[r] < 0 ? -INFINITY : reach * reach * (1.f + SLACK) + SMALLEST;
    }
  }

  // Whether so many of 64 columns passed that one product of all pairs is the quicker way.
  bool dense(const Block& block, int64_t column, const Desk& desk) const {
    int64_t passed = 0;
    for (int64_t row = block.first_row; row < block.last_row; ++row)
      passed += __builtin_popcountll(desk.near[row][column / COLUMNS]);
    return passed * DENSE > (block.last_row - block.first_row) * COLUMNS;
  }

  void examine_together(const Block& block, int64_t column, Desk& desk) {
    const uint8_t* tile = tile_of(block.J * LEAF + column, desk);
    Block narrow = block;
    narrow.first_column = column;
    narrow.last_column = column + COLUMNS;
    int32_t products[ROWS][COLUMNS];
    for (int64_t group = block.first_row / ROWS * ROWS; group < block.last_row; group += ROWS) {
      multiply(*codes_, block.I * LEAF + group, tile, products);
      for (int64_t row = std::max(group, block.first_row);
           row < std::min(group + ROWS, block.last_row); ++row) {
        const int64_t count = list(narrow, row, desk);
        for (int64_t w = 0; w < count; ++w)
          desk.products[w] = products[row - group][desk.listed[w] % COLUMNS];
        judge(block, row, count, desk);
        desk.near[row][column / COLUMNS] = 0;
      }
    }
  }

  // The codes of 64 slots as a tile: made here where only rows are kept.
  const uint8_t* tile_of(int64_t slot, Desk& desk) const {
    if (!codes_->tiles.empty()) return &codes_->tiles[slot * codes_->width];
    desk.tile.resize(COLUMNS * codes_->width);
    for (int64_t c = 0; c < COLUMNS; ++c)
      lay(&codes_->rows[(slot + c) * codes_->width], codes_->width, desk.tile.data(), c);
    return desk.tile.data();
  }

  // Pairs of one row that the filter let pass, by the codes of all dimensions.
  void examine(const Block& block, int64_t row, Desk& desk) {
    const int64_t count = list(block, row, desk);
    dots(*codes_, block.I * LEAF + row, desk.listed, count, desk.products);
    judge(block, row, count, desk);
  }

  // Which of the listed pairs row or column must keep.
  void judge(const Block& block, int64_t row, int64_t count, Desk& desk) const {
    const int64_t i = block.I * LEAF + row;
    distances(i, count, desk);
    const float error = codes_->error[i], own_bound = desk.own_bound[row];
    for (int64_t w = 0; w < count; ++w) {
      const int32_t j = desk.listed[w];
      const float distance = desk.distance[w], errors = error + codes_->error[j];
      const float other_bound = desk.other_bound[j - block.J * LEAF];
      desk.own.add({int32_t(i), j, distance}, distance <= (own_bound + errors) * ROUNDED_UP);
      desk.others.add({j, int32_t(i), distance}, distance <= (other_bound + errors) * ROUNDED_UP);
    }
  }

  // List the slots whose bit is set and that may be neighbours at all.
  int64_t list(const Block& block, int64_t row, Desk& desk) const {
    int64_t count = 0;
    for (int64_t first = block.first_column; first < block.last_column; first += COLUMNS)
      for (uint64_t bits = desk.near[row][first / COLUMNS]; bits != 0; bits &= bits - 1) {
        const int64_t column = first + __builtin_ctzll(bits);
        desk.listed[count] = static_cast<int32_t>(block.J * LEAF + column);
        count += (block.I != block.J || column > row) &&
                 admissible(block.I * LEAF + row, block.J * LEAF + column);
      }
    return count;
  }

  bool admissible(int64_t i, int64_t j) const {
    return task_.groups == nullptr ||
           task_.asked_groups[task_.row_of[i]] != task_.groups[task_.row_of[j]];
  }

  // distance[w] = |s_i q_i - s_j q_j| for the listed slots.
  void distances(int64_t i, int64_t count, Desk& desk) const {
    const double norm = codes_->norm[i], twice = 2 * codes_->scale[i];
    const double *norms = codes_->norm.data(), *scales = codes_->scale.data();
    for (int64_t w = 0; w < count; ++w) {
      const int32_t j = desk.listed[w];
      const double square = norm + norms[j] - twice * scales[j] * desk.products[w];
      desk.distance[w] = std::sqrt(static_cast<float>(square > 0 ? square : 0));
    }
  }

  void hand_over(int64_t leaf, const Hits& hits, Ruler& ruler) {
    if (hits.count == 0) return;
    const std::lock_guard<std::mutex> guard(locks_[leaf]);
    for (int64_t h = 0; h < hits.count; ++h) {
      const Hit& hit = hits.room[h];
      candidates_.add(hit.slot, hit.other, hit.distance);
      if (candidates_.full(hit.slot)) make_room(hit.slot, ruler);
    }
  }

  // ---- re-rank ----

  // Where tightening leaves many, measure the most promising, then all; the k-th rules out others.
  void make_room(int64_t slot, Ruler& ruler) {
    candidates_.tighten(slot);
    if (!candidates_.crowded(slot)) return;
    measure(slot, candidates_.promising(slot), ruler);
    candidates_.tighten(slot);
    if (!candidates_.crowded(slot)) return;
    measure(slot, candidates_.count(slot), ruler);
    candidates_.tighten(slot);
    if (!candidates_.crowded(slot)) return;
    candidates_.close(slot);  // so many near one distance: all points will be measured
    task_.unsettled[task_.row_of[slot]] = 1;
  }

  // Make the bounds of the first candidates exact.
  void measure(int64_t slot, int64_t last, Ruler& ruler) {
    ruler.squares.clear();
    ruler.measure(task_, slot, candidates_.listed(slot), 0, last);
    for (int64_t w = 0; w < last; ++w) candidates_.set_exact(slot, w, std::sqrt(ruler.squares[w]));
  }

  void settle_until(Clock::time_point end) {
    Ruler ruler;
    do {
      const int64_t leaf = next_leaf_.fetch_add(1);
      if (leaf >= leaves_) return;
      for (int64_t slot = leaf * LEAF; slot < (leaf + 1) * LEAF; ++slot)
        if (!candidates_.closed(slot))
          settle(slot, ruler);
        else if (task_.row_of[slot] >= 0 && task_.unsettled[task_.row_of[slot]])
          settle_among_all(slot, ruler);
    } while (Clock::now() < end);
  }

  // Measure the most promising; their k-th distance rules out most of the others.
  void settle(int64_t slot, Ruler& ruler) {
    candidates_.tighten(slot);
    if (candidates_.count(slot) < task_.k) {  // groups leave fewer than k: the caller knows
      task_.unsettled[task_.row_of[slot]] = 1;
      return;
    }
    ruler.squares.clear();
    if (task_.parts > 1) return settle_own(slot, ruler);
    const int64_t promising = candidates_.promising(slot);
    const Candidate* listed = candidates_.listed(slot);
    ruler.measure(task_, slot, listed, 0, promising);
    const int64_t possible = candidates_.within(slot, promising, ruler.kth(task_.k));
    ruler.measure(task_, slot, listed, promising, possible);
    task_.unsettled[task_.row_of[slot]] = !ruler.write(task_, slot, listed);
  }

  // Measure whom the row met in tiles of this part; the other parts list the others.
  void settle_own(int64_t slot, Ruler& ruler) {
    const int64_t I = slot / LEAF;
    const int64_t own = candidates_.those(slot, [&](const Candidate& candidate) {
      const int64_t J = candidate.other / LEAF;
      return owns(std::min(I, J), std::max(I, J));
    });
    const Candidate* listed = candidates_.listed(slot);
    ruler.measure(task_, slot, listed, 0, own);
    task_.unsettled[task_.row_of[slot]] = !ruler.write(task_, slot, listed);
  }

  // Measure all points: the same bits as if the candidates had found room.
  void settle_among_all(int64_t slot, Ruler& ruler) {
    if (task_.parts > 1) return;  // it stays unsettled, for whoever puts the parts together
    std::vector<Candidate> everyone;
    const int64_t end = joined() ? task_.slots : task_.points_end;
    for (int64_t other = 0; other < end; ++other)
      if (other != slot && task_.row_of[other] >= 0 && admissible(slot, other))
        everyone.push_back({0.f, 0.f, static_cast<int32_t>(other)});
    ruler.squares.clear();
    ruler.measure(task_, slot, everyone.data(), 0, everyone.size());
    task_.unsettled[task_.row_of[slot]] = !ruler.write(task_, slot, everyone.data());
  }

  static constexpr int64_t NEIGHBORHOOD = 8;
  static constexpr int64_t DENSE = 8;  // of so many pairs one must pass

  Task task_;
  std::shared_ptr<const Codes> filter_, codes_;
  int64_t leaves_, first_query_;
  Candidates candidates_;
  std::vector<std::mutex> locks_;
  std::vector<bool> first_;
  std::vector<float> largest_error_;
  std::atomic<int64_t> next_tile_{0}, next_leaf_;
};

// ---- what the instruction set offers ----

inline std::shared_ptr<void> make_codes(int64_t slots, int64_t width, bool tiled) {
  return std::make_shared<Codes>(slots, width, tiled);
}

inline void encode_leaves(void* codes, const Source& source, const int32_t* row_of, int64_t first,
                          int64_t last, int threads) {
  std::atomic<int64_t> next(first);
  in_threads(threads, [&] {
    for (;;) {
      const int64_t slot = next.fetch_add(LEAF);
      if (slot >= last) return;
      const auto encode_rows = source.single ? encode<float> : encode<double>;
      encode_rows(source, row_of, slot, std::min(slot + LEAF, last), *static_cast<Codes*>(codes));
    }
  });
}

inline std::unique_ptr<Running> make_search(const Task& task, std::shared_ptr<void> filter,
                                            std::shared_ptr<void> codes) {
  return std::make_unique<Search>(task, std::static_pointer_cast<const Codes>(filter),
                                  std::static_pointer_cast<const Codes>(codes));
}
