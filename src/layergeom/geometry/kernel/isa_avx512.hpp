// AVX-512 VNNI: products of 6 rows by 64 columns, the filter on them, dots, exact distances.

// products[r][c] = q_i . q_j for 6 rows and the 64 columns of a tile. Not inlined: beside other
// code the compiler spills the accumulators.
__attribute__((noinline)) void multiply(const Codes& codes, int64_t i, const uint8_t* tile,
                                        int32_t products[ROWS][COLUMNS]) {
  const int64_t width = codes.width;
  const int8_t* q = codes.rows.data() + i * width;
  __m512i sums[ROWS][4];
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) sums[r][c] = _mm512_set1_epi32(-BIAS * codes.sum[i + r]);
  for (int64_t t = 0; t < width; t += 4) {
    const uint8_t* b = tile + t * COLUMNS;
    const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
    const __m512i b2 = _mm512_loadu_si512(b + 128), b3 = _mm512_loadu_si512(b + 192);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r) {
      int32_t four;
      std::memcpy(&four, q + r * width + t, 4);
      const __m512i x = _mm512_set1_epi32(four);
      sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], b0, x);
      sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], b1, x);
      sums[r][2] = _mm512_dpbusd_epi32(sums[r][2], b2, x);
      sums[r][3] = _mm512_dpbusd_epi32(sums[r][3], b3, x);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) _mm512_storeu_si512(&products[r][16 * c], sums[r][c]);
}

// Bits of the columns that row i + r, or that themselves, cannot rule out.
inline void let_pass(const Codes& codes, int64_t i, int64_t j,
                    const int32_t products[ROWS][COLUMNS], const float* row_limit,
                    const float* column_limit, uint64_t near[ROWS]) {
  for (int r = 0; r < ROWS; ++r) near[r] = 0;
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 scale = _mm512_loadu_ps(&codes.filter_scale[j + 16 * c]);
    const __m512 norm = _mm512_loadu_ps(&codes.filter_norm[j + 16 * c]);
    const __m512 limit = _mm512_loadu_ps(column_limit + 16 * c);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r) {
      const __m512 product = _mm512_cvtepi32_ps(_mm512_loadu_si512(&products[r][16 * c]));
      const __m512 twice = _mm512_set1_ps(2 * codes.filter_scale[i + r]);
      const __m512 norms = _mm512_add_ps(norm, _mm512_set1_ps(codes.filter_norm[i + r]));
      const __m512 squared = _mm512_fnmadd_ps(_mm512_mul_ps(product, scale), twice, norms);
      const __mmask16 row = _mm512_cmp_ps_mask(squared, _mm512_set1_ps(row_limit[r]), _CMP_LE_OQ);
      const __mmask16 column = _mm512_cmp_ps_mask(squared, limit, _CMP_LE_OQ);
      near[r] |= static_cast<uint64_t>(_mm512_kor(row, column)) << (16 * c);
    }
  }
}

// out[w] = q_i . q_j for the listed slots j.
inline void dots(const Codes& codes, int64_t i, const int32_t* slots, int64_t count,
                 int32_t* out) {
  const int64_t width = codes.width;
  const int8_t* own = codes.rows.data() + i * width;
  const __m512i bias = _mm512_set1_epi8(static_cast<char>(BIAS));
  for (int64_t w = 0; w < count; w += 4) {
    const int8_t* q[4];
    __m512i sums[4];
    for (int p = 0; p < 4; ++p) {
      q[p] = codes.rows.data() + slots[std::min(w + p, count - 1)] * width;
      sums[p] = _mm512_setzero_si512();
    }
    for (int64_t t = 0; t < width; t += 64) {
      const __m512i x = _mm512_loadu_si512(own + t);
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const __m512i biased = _mm512_xor_si512(_mm512_loadu_si512(q[p] + t), bias);
        sums[p] = _mm512_dpbusd_epi32(sums[p], biased, x);
      }
    }
    for (int64_t p = 0; p < 4 && w + p < count; ++p)
      out[w + p] = _mm512_reduce_add_epi32(sums[p]) - BIAS * codes.sum[i];
  }
}

typedef __m512d Doubles;

inline Doubles eight(const float* x) { return _mm512_cvtps_pd(_mm256_loadu_ps(x)); }
inline Doubles eight(const double* x) { return _mm512_loadu_pd(x); }
inline Doubles nothing() { return _mm512_setzero_pd(); }
inline Doubles add_square(Doubles sum, Doubles a, Doubles b) {
  const Doubles gap = _mm512_sub_pd(a, b);
  return _mm512_fmadd_pd(gap, gap, sum);
}
inline Doubles add(Doubles a, Doubles b) { return _mm512_add_pd(a, b); }
inline void spread(Doubles sum, double lanes[8]) { _mm512_storeu_pd(lanes, sum); }
