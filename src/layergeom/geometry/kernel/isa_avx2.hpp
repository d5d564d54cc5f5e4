// AVX2: the same parts with seven-bit codes, whose products of pairs fit sixteen bits.

inline __m256i load32(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// sum + four-byte products of (unsigned a, signed b) and of (unsigned c, signed d).
inline __m256i add_products(__m256i sum, __m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(a, b), _mm256_maddubs_epi16(c, d));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// products of 3 rows and 32 columns
template <int HALF>
inline void multiply_part(const Codes& codes, int64_t i, const uint8_t* tile, int row,
                          int32_t products[ROWS][COLUMNS]) {
  const int64_t width = codes.width;
  const int8_t* q = codes.rows.data() + (i + row) * width;
  __m256i sums[3][4];
#pragma GCC unroll 3
  for (int r = 0; r < 3; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) sums[r][c] = _mm256_set1_epi32(-BIAS * codes.sum[i + row + r]);
  for (int64_t t = 0; t < width; t += 8) {
    const uint8_t* b = tile + t * COLUMNS + HALF * 128;
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r) {
      int32_t four[2];
      std::memcpy(four, q + r * width + t, 8);
      const __m256i x = _mm256_set1_epi32(four[0]), y = _mm256_set1_epi32(four[1]);
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c)
        sums[r][c] = add_products(sums[r][c], load32(b + 32 * c), x, load32(b + 256 + 32 * c), y);
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < 3; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(&products[row + r][32 * HALF + 8 * c]),
                          sums[r][c]);
}

__attribute__((noinline)) void multiply(const Codes& codes, int64_t i, const uint8_t* tile,
                                        int32_t products[ROWS][COLUMNS]) {
  for (int row = 0; row < ROWS; row += 3) {
    multiply_part<0>(codes, i, tile, row, products);
    multiply_part<1>(codes, i, tile, row, products);
  }
}

// Bits of the columns that row i + r, or that themselves, cannot rule out.
inline void let_pass(const Codes& codes, int64_t i, int64_t j,
                    const int32_t products[ROWS][COLUMNS], const float* row_limit,
                    const float* column_limit, uint64_t near[ROWS]) {
  for (int r = 0; r < ROWS; ++r) near[r] = 0;
  for (int c = 0; c < COLUMNS / 8; ++c) {
    const __m256 scale = _mm256_loadu_ps(&codes.filter_scale[j + 8 * c]);
    const __m256 norm = _mm256_loadu_ps(&codes.filter_norm[j + 8 * c]);
    const __m256 limit = _mm256_loadu_ps(column_limit + 8 * c);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r) {
      const __m256 product = _mm256_cvtepi32_ps(load32(&products[r][8 * c]));
      const __m256 twice = _mm256_set1_ps(2 * codes.filter_scale[i + r]);
      const __m256 norms = _mm256_add_ps(norm, _mm256_set1_ps(codes.filter_norm[i + r]));
      const __m256 squared = _mm256_fnmadd_ps(_mm256_mul_ps(product, scale), twice, norms);
      const __m256 row = _mm256_cmp_ps(squared, _mm256_set1_ps(row_limit[r]), _CMP_LE_OQ);
      const __m256 column = _mm256_cmp_ps(squared, limit, _CMP_LE_OQ);
      const int bits = _mm256_movemask_ps(_mm256_or_ps(row, column));
      near[r] |= static_cast<uint64_t>(bits) << (8 * c);
    }
  }
}

inline int32_t reduced(__m256i sums) {
  int32_t lanes[8], sum = 0;
  std::memcpy(lanes, &sums, sizeof lanes);
  for (int lane = 0; lane < 8; ++lane) sum += lanes[lane];
  return sum;
}

// out[w] = q_i . q_j for the listed slots j.
inline void dots(const Codes& codes, int64_t i, const int32_t* slots, int64_t count,
                 int32_t* out) {
  const int8_t* own = codes.rows.data() + i * codes.width;
  const __m256i bias = _mm256_set1_epi8(BIAS);
  const auto biased = [=](const int8_t* q) { return _mm256_add_epi8(load32(q), bias); };
  for (int64_t w = 0; w < count; ++w) {
    const int8_t* q = codes.rows.data() + slots[w] * codes.width;
    __m256i sum = _mm256_setzero_si256();
    for (int64_t t = 0; t < codes.width; t += 64)
      sum = add_products(sum, biased(q + t), load32(own + t), biased(q + t + 32),
                         load32(own + t + 32));
    out[w] = reduced(sum) - BIAS * codes.sum[i];
  }
}

struct Doubles {
  __m256d low, high;
};

inline Doubles eight(const float* x) {
  return {_mm256_cvtps_pd(_mm_loadu_ps(x)), _mm256_cvtps_pd(_mm_loadu_ps(x + 4))};
}
inline Doubles eight(const double* x) { return {_mm256_loadu_pd(x), _mm256_loadu_pd(x + 4)}; }
inline Doubles nothing() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
inline Doubles add_square(Doubles sum, Doubles a, Doubles b) {
  const __m256d low = _mm256_sub_pd(a.low, b.low), high = _mm256_sub_pd(a.high, b.high);
  return {_mm256_fmadd_pd(low, low, sum.low), _mm256_fmadd_pd(high, high, sum.high)};
}
inline Doubles add(Doubles a, Doubles b) {
  return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}
inline void spread(Doubles sum, double lanes[8]) {
  _mm256_storeu_pd(lanes, sum.low);
  _mm256_storeu_pd(lanes + 4, sum.high);
}
