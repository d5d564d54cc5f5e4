// Rows as eight-bit codes, with the exact norm of what rounding took.
//
// A row x is shifted by a common centre and mixed by an orthogonal matrix, z = H (x - c), which
// keeps distances and spreads massive coordinates. It is stored as s q with integers |q| <= LEVELS
// and e >= |H (x - c) - s q|, so that for two rows
//
//     | |x_i - x_j| - |s_i q_i - s_j q_j| |  <=  e_i + e_j,
//
// where the middle term comes from exact integers. Shift, mixing, scale and clipping may be any:
// bad ones cost candidates, never neighbours.

// (included once per instruction set, inside a namespace; see search_*.cpp)

struct Codes {
  int64_t slots, width;           // rows up to a whole number of leaves; dimensions, times of 64
  std::vector<int8_t> rows;       // q, (slots, width)
  std::vector<uint8_t> tiles;     // q + BIAS, four dimensions of COLUMNS slots at a time; or empty
  std::vector<float> error;       // e
  std::vector<double> scale, norm;       // s, |s q|^2
  std::vector<int32_t> sum;       // sum of q, undoes the BIAS
  std::vector<float> filter_scale, filter_norm;  // s, |s q|^2 a little too small; NaN: no row

  Codes(int64_t slots_, int64_t width_, bool tiled)
      : slots(slots_), width(width_), rows(slots_ * width_, 0),
        tiles(tiled ? slots_ * width_ : 0, BIAS), error(slots_, 0.f), scale(slots_, 0.),
        norm(slots_, 0.), sum(slots_, 0), filter_scale(slots_, 0.f),
        filter_norm(slots_, std::numeric_limits<float>::quiet_NaN()) {}
};

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t IntLanes __attribute__((vector_size(4 * LANES)));
typedef int8_t ByteLanes __attribute__((vector_size(LANES)));

inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

inline void store(float* to, Lanes lanes) { std::memcpy(to, &lanes, sizeof lanes); }

// x_a + x_b and x_a - x_b for lanes STEP apart.
template <int STEP>
inline Lanes butterfly(Lanes x) {
  const Lanes one = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const IntLanes lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#define PARTNER(i) (i) ^ STEP
  const Lanes partner = __builtin_shufflevector(
      x, x, PARTNER(0), PARTNER(1), PARTNER(2), PARTNER(3), PARTNER(4), PARTNER(5), PARTNER(6),
      PARTNER(7), PARTNER(8), PARTNER(9), PARTNER(10), PARTNER(11), PARTNER(12), PARTNER(13),
      PARTNER(14), PARTNER(15));
#undef PARTNER
  return partner + ((lane & STEP) != 0 ? -one : one) * x;
}

// z = H z, block by block of `size` (a power of two, at least LANES), Sylvester's construction.
inline void mix(float* z, int64_t width, int64_t size) {
  for (int64_t t = 0; t < width; t += LANES) {
    const Lanes x = load(z + t);
    store(z + t, butterfly<8>(butterfly<4>(butterfly<2>(butterfly<1>(x)))));
  }
  for (int64_t step = LANES; step < size; step *= 2)
    for (int64_t block = 0; block < width; block += 2 * step)
      for (int64_t t = block; t < block + step; t += LANES) {
        const Lanes a = load(z + t), b = load(z + t + step);
        store(z + t, a + b);
        store(z + t + step, a - b);
      }
}

// Largest power of two up to 256 that divides the width.
inline int64_t mixed_together(int64_t width) {
  int64_t size = 64;
  while (size < 256 && width % (2 * size) == 0) size *= 2;
  return size;
}

inline double total(Lanes lanes) {
  double sum = 0;
  for (int lane = 0; lane < LANES; ++lane) sum += lanes[lane];
  return sum;
}

// Lay a row's codes into its column of a tile.
inline void lay(const int8_t* q, int64_t width, uint8_t* tile, int64_t column) {
  for (int64_t t = 0; t < width; t += 4)
    for (int64_t lane = 0; lane < 4; ++lane)
      tile[t * COLUMNS + column * 4 + lane] = static_cast<uint8_t>(q[t + lane] + BIAS);
}

// Store z (not yet divided by sqrt(size)) as the codes of one slot. `outside` bounds the error that
// the row came with; ROUNDED is that of shift and mixing (9 units) and of the gap (1), relative to
// |z|, with room for what candidates round. The thousandth covers the sums of squares.
inline void quantise(const float* z, int64_t size, float outside, int64_t slot, Codes& codes) {
  Lanes most = {};
  for (int64_t t = 0; t < codes.width; t += LANES) {
    const Lanes x = load(z + t), magnitude = x < 0 ? -x : x;
    most = magnitude > most ? magnitude : most;
  }
  float largest = SMALLEST;
  for (int lane = 0; lane < LANES; ++lane) largest = std::max(largest, most[lane]);
  const float scale = largest / LEVELS, inverse = LEVELS / largest;
  Lanes lost = {}, whole = {};
  IntLanes sum = {}, squares = {};
  int8_t* q = codes.rows.data() + slot * codes.width;
  for (int64_t t = 0; t < codes.width; t += LANES) {
    const Lanes x = load(z + t), code = (x * inverse + ROUNDER) - ROUNDER, gap = x - code * scale;
    const IntLanes integers = __builtin_convertvector(code, IntLanes);
    const ByteLanes bytes = __builtin_convertvector(integers, ByteLanes);
    std::memcpy(q + t, &bytes, sizeof bytes);
    lost += gap * gap;
    whole += x * x;
    sum += integers;
    squares += integers * integers;
  }
  int64_t length = 0;
  for (int lane = 0; lane < LANES; ++lane) {
    codes.sum[slot] += sum[lane];
    length += squares[lane];
  }
  const double unit = 1 / std::sqrt(static_cast<double>(size)), s = scale * unit;
  const double rest = std::sqrt(total(lost)) + ROUNDED * std::sqrt(total(whole)) +
                      UNDERFLOW_OF_GAPS * std::sqrt(static_cast<double>(codes.width));
  codes.scale[slot] = s;
  codes.norm[slot] = s * s * static_cast<double>(length);
  codes.error[slot] = static_cast<float>((rest * unit + outside) * (1 + 1e-3));
  codes.filter_scale[slot] = static_cast<float>(s);
  codes.filter_norm[slot] = static_cast<float>(codes.norm[slot] * (1 - SLACK));
  if (!codes.tiles.empty())
    lay(q, codes.width, &codes.tiles[slot / COLUMNS * COLUMNS * codes.width], slot % COLUMNS);
}

// Codes of the slots from `first` to `last`; a slot without a row stays empty.
template <typename T>
void encode(const Source& source, const int32_t* row_of, int64_t first, int64_t last,
            Codes& codes) {
  std::vector<float> z(codes.width, 0.f);
  const int64_t size = mixed_together(codes.width);
  for (int64_t slot = first; slot < last; ++slot) {
    const int64_t row = row_of[slot];
    if (row < 0) continue;
    const T* x = static_cast<const T*>(source.rows) + row * source.width;
    for (int64_t t = 0; t < source.width; ++t)
      z[t] = static_cast<float>(static_cast<double>(x[t]) - source.centre[t]);
    std::fill(z.begin() + source.width, z.end(), 0.f);
    mix(z.data(), codes.width, size);
    quantise(z.data(), size, source.error == nullptr ? 0.f : source.error[row], slot, codes);
  }
}
