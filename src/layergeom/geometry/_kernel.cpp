// Exact k nearest neighbours of every row: an int8 filter with proven bounds, float64 to decide.
//
// Every row z (shifted, mixed by an orthogonal matrix) is stored as s q with q in int8, and the
// norm e >= |z - s q| of what rounding took is kept. For two rows
//
//     | |x_i - x_j| - |s_i q_i - s_j q_j| |  <=  e_i + e_j,
//
// and the middle term comes from exact integers. With U_i any upper bound of the k-th distance of
// row i, the rows j that may be neighbours are those with |s_i q_i - s_j q_j| <= U_i + e_i + e_j.
// U_i is the k-th smallest upper bound among the candidates seen so far; what is left at the end
// is measured directly in float64. Each row is worked on by one thread and its result does not
// depend on the others, so any number of threads gives the same bits.
//
// The file is read in order: quantisation, filter, candidates, re-rank, threads, Python.

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_AVX512 1
#include <immintrin.h>
#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#endif

namespace {

constexpr int ROWS = 6;        // rows of the micro-kernel: 6 x 4 accumulators fill the registers
constexpr int COLUMNS = 64;    // columns of the micro-kernel
constexpr int BLOCK = 96;      // rows that one thread takes at a time
constexpr float ROUNDING = 1e-6f;  // of |a|^2 + |b|^2: covers 8 units of float32 in the filter
constexpr float SMALLEST = 1e-36f;  // added to squares: what float32 may lose next to zero
constexpr double TINIEST = 0x1p-900;  // squares below this may have lost digits

bool supported() {
#ifdef HAVE_AVX512
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

#ifdef HAVE_AVX512

// ---- quantisation ---------------------------------------------------------------------------

struct Codes {
  int64_t n, padded, width;      // rows, rows up to a multiple of 64, dimensions (multiple of 64)
  std::vector<int8_t> rows;      // (padded, width): the row side of a product
  std::vector<uint8_t> tiles;    // the column side, q + 128, four dimensions of 64 columns at a time
  std::vector<float> scale, norm, error;  // s, (1 - ROUNDING) |s q|^2, e
  std::vector<int32_t> sum;      // sum of q: undoes the + 128

  Codes(int64_t n_, int64_t width_)
      : n(n_), padded((n_ + COLUMNS - 1) / COLUMNS * COLUMNS), width(width_),
        rows((padded + ROWS) * width_, 0), tiles(padded * width_, 128), scale(padded + ROWS, 0.f),
        norm(padded + ROWS, std::numeric_limits<float>::infinity()), error(padded + ROWS, 0.f),
        sum(padded + ROWS, 0) {}
};

// `mixing` is the relative error of the shifted and mixed row z itself.
void quantise(const float* z, int64_t i, float mixing, Codes& codes) {
  const int64_t width = codes.width;
  float largest = 0.f;
  for (int64_t t = 0; t < width; ++t) largest = std::max(largest, std::fabs(z[t]));
  const float scale = largest > 0.f ? largest / 127.f : 1.f, inverse = 1.f / scale;
  double lost = 0, kept = 0, whole = 0;
  int32_t sum = 0;
  int8_t* q = codes.rows.data() + i * width;
  uint8_t* tile = codes.tiles.data() + (i / COLUMNS) * COLUMNS * width + (i % COLUMNS) * 4;
  for (int64_t t = 0; t < width; ++t) {
    const int code = std::max(-127, std::min(127, static_cast<int>(std::lrintf(z[t] * inverse))));
    const double back = static_cast<double>(scale) * code, gap = z[t] - back;
    lost += gap * gap;
    kept += back * back;
    whole += static_cast<double>(z[t]) * z[t];
    sum += code;
    q[t] = static_cast<int8_t>(code);
    tile[(t / 4) * 4 * COLUMNS + t % 4] = static_cast<uint8_t>(code + 128);
  }
  codes.scale[i] = scale;
  codes.norm[i] = static_cast<float>(kept) * (1.f - ROUNDING);
  codes.error[i] = static_cast<float>((std::sqrt(lost) + mixing * std::sqrt(whole)) * 1.00001);
  codes.sum[i] = sum;
}

// ---- filter ---------------------------------------------------------------------------------

// acc[r][c] = q_i . q_j for 6 rows and 64 columns. Not inlined: beside other code the compiler
// spills the accumulators.
VNNI __attribute__((noinline)) void multiply(const Codes& codes, int64_t i, int64_t j,
                                             __m512i acc[ROWS][4]) {
  const int64_t width = codes.width;
  const int8_t* q = codes.rows.data() + i * width;
  const uint8_t* tile = codes.tiles.data() + j * width;
  __m512i a[ROWS][4];
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r) {
    const __m512i start = _mm512_set1_epi32(-128 * codes.sum[i + r]);
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) a[r][c] = start;
  }
  for (int64_t t = 0; t < width; t += 4) {
    const uint8_t* b = tile + t * COLUMNS;
    const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
    const __m512i b2 = _mm512_loadu_si512(b + 128), b3 = _mm512_loadu_si512(b + 192);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r) {
      int32_t four;
      std::memcpy(&four, q + r * width + t, 4);
      const __m512i x = _mm512_set1_epi32(four);
      a[r][0] = _mm512_dpbusd_epi32(a[r][0], b0, x);
      a[r][1] = _mm512_dpbusd_epi32(a[r][1], b1, x);
      a[r][2] = _mm512_dpbusd_epi32(a[r][2], b2, x);
      a[r][3] = _mm512_dpbusd_epi32(a[r][3], b3, x);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) acc[r][c] = a[r][c];
}

// ---- candidates -----------------------------------------------------------------------------

struct Task {
  const Codes* codes;
  const void* X;      // (n, D) as it came: float32 or float64
  bool single;
  int64_t D, k;
  const int32_t* groups;  // or null
  double* distances;  // (n, k)
  int64_t* indices;   // (n, k)
  uint8_t* unsettled;  // (n): rows that the caller must do again
};

struct Candidates {
  std::vector<float> value;    // lower-rounded |s_i q_i - s_j q_j|^2
  std::vector<int32_t> index;
  int64_t count = 0, trigger = 0;
  float bound = std::numeric_limits<float>::infinity();  // U_i
  bool overflow = false;
};

struct Worker {
  const Task& task;
  const Codes& codes;
  int64_t capacity;
  std::vector<Candidates> rows;
  std::vector<float> upper;
  std::vector<std::pair<double, int32_t>> exact;

  explicit Worker(const Task& t)
      : task(t), codes(*t.codes), capacity(std::max<int64_t>(1024, 6 * t.k + 512)), rows(BLOCK) {
    for (Candidates& c : rows) {
      c.value.resize(capacity + COLUMNS);
      c.index.resize(capacity + COLUMNS);
    }
    upper.resize(capacity + COLUMNS);
  }

  float reach(int64_t i, int64_t j, float bound) const {
    const float t = bound + codes.error[i] + codes.error[j];
    return t * t * (1.f + ROUNDING) + SMALLEST;
  }

  // Tighten U_i to the k-th smallest upper bound and drop what lies beyond it.
  void tighten(int64_t i, Candidates& c) {
    if (c.count >= task.k) {
      for (int64_t w = 0; w < c.count; ++w) {
        const int32_t j = c.index[w];
        const float slack = 3 * ROUNDING * (codes.norm[i] + codes.norm[j]) + SMALLEST;
        upper[w] = std::sqrt(std::max(0.f, c.value[w]) + slack) + codes.error[j];
      }
      std::nth_element(upper.begin(), upper.begin() + (task.k - 1), upper.begin() + c.count);
      const float bound = (upper[task.k - 1] + codes.error[i]) * 1.00001f;
      c.bound = std::min(c.bound, bound);
      int64_t kept = 0;
      for (int64_t w = 0; w < c.count; ++w) {
        c.value[kept] = c.value[w];
        c.index[kept] = c.index[w];
        kept += c.value[w] <= reach(i, c.index[w], c.bound);
      }
      c.count = kept;
    }
    c.trigger = std::min(capacity, std::max(2 * task.k + 64, c.count + c.count / 2 + 64));
    if (c.count >= capacity) c.overflow = true;
  }

  VNNI void push(int64_t i, int64_t j, const __m512i acc[4], Candidates& c) {
    const __m512i lanes =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512 twice = _mm512_set1_ps(2 * codes.scale[i]);
    const __m512 own = _mm512_set1_ps(codes.norm[i]);
    const __m512 bound = _mm512_set1_ps(c.bound + codes.error[i]);
    const __m512 loose = _mm512_set1_ps(1.f + ROUNDING), smallest = _mm512_set1_ps(SMALLEST);
    for (int part = 0; part < 4; ++part) {
      const int64_t at = j + 16 * part;
      const __m512 scale = _mm512_mul_ps(twice, _mm512_loadu_ps(&codes.scale[at]));
      const __m512 norms = _mm512_add_ps(own, _mm512_loadu_ps(&codes.norm[at]));
      const __m512 value = _mm512_fnmadd_ps(scale, _mm512_cvtepi32_ps(acc[part]), norms);
      const __m512 t = _mm512_add_ps(bound, _mm512_loadu_ps(&codes.error[at]));
      const __m512 limit = _mm512_fmadd_ps(_mm512_mul_ps(t, t), loose, smallest);
      __mmask16 near = _mm512_cmp_ps_mask(value, limit, _CMP_LE_OQ);
      if (!near) continue;
      const __m512i index = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(at)));
      near &= _mm512_cmpneq_epi32_mask(index, _mm512_set1_epi32(static_cast<int>(i)));
      near &= _mm512_cmplt_epi32_mask(index, _mm512_set1_epi32(static_cast<int>(codes.n)));
      if (task.groups != nullptr && near) {
        const __m512i group = _mm512_mask_loadu_epi32(_mm512_setzero_si512(), near, task.groups + at);
        near &= _mm512_cmpneq_epi32_mask(group, _mm512_set1_epi32(task.groups[i]));
      }
      _mm512_mask_compressstoreu_ps(&c.value[c.count], near, value);
      _mm512_mask_compressstoreu_epi32(&c.index[c.count], near, index);
      c.count += __builtin_popcount(near);
    }
    if (c.count >= c.trigger) tighten(i, c);
  }

  // ---- re-rank ------------------------------------------------------------------------------

  template <typename T>
  VNNI double squared(int64_t i, int64_t j) const {
    const T* x = static_cast<const T*>(task.X) + i * task.D;
    const T* y = static_cast<const T*>(task.X) + j * task.D;
    double sums[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int64_t t = 0;
    for (; t + 8 <= task.D; t += 8)
      for (int lane = 0; lane < 8; ++lane) {
        const double gap = static_cast<double>(x[t + lane]) - static_cast<double>(y[t + lane]);
        sums[lane] += gap * gap;
      }
    double total = ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
                   ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    for (; t < task.D; ++t) {
      const double gap = static_cast<double>(x[t]) - static_cast<double>(y[t]);
      total += gap * gap;
    }
    return total;
  }

  void settle(int64_t i, Candidates& c) {
    tighten(i, c);
    if (c.overflow || c.count < task.k) {  // too few: groups leave less than k, the caller knows
      task.unsettled[i] = 1;
      return;
    }
    exact.clear();
    bool tiny = false;
    for (int64_t w = 0; w < c.count; ++w) {
      const int32_t j = c.index[w];
      const double d = task.single ? squared<float>(i, j) : squared<double>(i, j);
      tiny |= d < TINIEST;
      exact.emplace_back(d, j);
    }
    const int64_t sorted = std::min<int64_t>(task.k + 1, c.count);
    std::partial_sort(exact.begin(), exact.begin() + sorted, exact.end());
    const bool tied = sorted > task.k && exact[task.k].first == exact[task.k - 1].first;
    task.unsettled[i] = tied || tiny;
    for (int64_t r = 0; r < task.k; ++r) {
      task.distances[i * task.k + r] = std::sqrt(exact[r].first);
      task.indices[i * task.k + r] = exact[r].second;
    }
  }

  VNNI void block(int64_t first, int64_t last) {
    for (Candidates& c : rows) {
      c.count = 0;
      c.trigger = std::min(capacity, 2 * task.k + 64);
      c.bound = std::numeric_limits<float>::infinity();
      c.overflow = false;
    }
    __m512i acc[ROWS][4];
    for (int64_t j = 0; j < codes.padded; j += COLUMNS)
      for (int64_t i = first; i < last; i += ROWS) {
        multiply(codes, i, j, acc);
        for (int r = 0; r < ROWS && i + r < last; ++r) {
          Candidates& c = rows[i + r - first];
          if (!c.overflow) push(i + r, j, acc[r], c);
        }
      }
    for (int64_t i = first; i < last; ++i) settle(i, rows[i - first]);
  }
};

// ---- threads --------------------------------------------------------------------------------

void work(const Task& task, int64_t first, int64_t last, std::atomic<int64_t>& next) {
  Worker worker(task);
  for (;;) {
    const int64_t start = first + BLOCK * next.fetch_add(1);
    if (start >= last) return;
    worker.block(start, std::min(start + BLOCK, last));
  }
}

void run(const Task& task, int64_t first, int64_t last, int threads) {
  std::atomic<int64_t> next(0);
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back([&] { work(task, first, last, next); });
  work(task, first, last, next);
  for (std::thread& other : others) other.join();
}

#endif  // HAVE_AVX512

// ---- Python ---------------------------------------------------------------------------------

struct View {
  Py_buffer buffer{};
  bool held = false;
  bool take(PyObject* object, int flags) {
    held = PyObject_GetBuffer(object, &buffer, flags) == 0;
    return held;
  }
  ~View() {
    if (held) PyBuffer_Release(&buffer);
  }
};

PyObject* is_supported(PyObject*, PyObject*) { return PyBool_FromLong(supported()); }

#ifdef HAVE_AVX512

void release(PyObject* capsule) {
  delete static_cast<Codes*>(PyCapsule_GetPointer(capsule, "layergeom.codes"));
}

PyObject* make_codes(PyObject*, PyObject* args) {
  long long n, width;
  if (!PyArg_ParseTuple(args, "LL", &n, &width)) return nullptr;
  try {
    return PyCapsule_New(new Codes(n, width), "layergeom.codes", release);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

PyObject* add_rows(PyObject*, PyObject* args) {  // (codes, z float32 (m, width), first, mixing)
  PyObject *capsule, *object;
  long long first;
  double mixing;
  if (!PyArg_ParseTuple(args, "OOLd", &capsule, &object, &first, &mixing)) return nullptr;
  auto* codes = static_cast<Codes*>(PyCapsule_GetPointer(capsule, "layergeom.codes"));
  View z;
  if (codes == nullptr || !z.take(object, PyBUF_C_CONTIGUOUS)) return nullptr;
  const int64_t m = z.buffer.len / static_cast<int64_t>(sizeof(float)) / codes->width;
  Py_BEGIN_ALLOW_THREADS
  for (int64_t r = 0; r < m; ++r)
    quantise(static_cast<const float*>(z.buffer.buf) + r * codes->width, first + r,
             static_cast<float>(mixing), *codes);
  Py_END_ALLOW_THREADS
  Py_RETURN_NONE;
}

// (codes, X, single, D, k, groups or None, distances, indices, unsettled, first, last, threads)
PyObject* search(PyObject*, PyObject* args) {
  PyObject *capsule, *x, *groups, *distances, *indices, *unsettled;
  int single, threads;
  long long D, k, first, last;
  if (!PyArg_ParseTuple(args, "OOpLLOOOOLLi", &capsule, &x, &single, &D, &k, &groups, &distances,
                        &indices, &unsettled, &first, &last, &threads))
    return nullptr;
  View vx, vg, vd, vi, vu;
  const int out = PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE;
  auto* codes = static_cast<Codes*>(PyCapsule_GetPointer(capsule, "layergeom.codes"));
  if (codes == nullptr || !vx.take(x, PyBUF_C_CONTIGUOUS) || !vd.take(distances, out) ||
      !vi.take(indices, out) || !vu.take(unsettled, out))
    return nullptr;
  if (groups != Py_None && !vg.take(groups, PyBUF_C_CONTIGUOUS)) return nullptr;
  const Task task{codes, vx.buffer.buf, single != 0, D, k,
                  vg.held ? static_cast<const int32_t*>(vg.buffer.buf) : nullptr,
                  static_cast<double*>(vd.buffer.buf), static_cast<int64_t*>(vi.buffer.buf),
                  static_cast<uint8_t*>(vu.buffer.buf)};
  Py_BEGIN_ALLOW_THREADS
  run(task, first, last, threads);
  Py_END_ALLOW_THREADS
  Py_RETURN_NONE;
}

#endif

PyMethodDef methods[] = {
    {"supported", is_supported, METH_NOARGS, "Whether this processor has AVX-512 VNNI."},
#ifdef HAVE_AVX512
    {"make_codes", make_codes, METH_VARARGS, "Room for the int8 codes of n rows."},
    {"add_rows", add_rows, METH_VARARGS, "Quantise a block of rows."},
    {"search", search, METH_VARARGS, "Settle a range of rows."},
#endif
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", "Exact neighbours by an int8 filter.", -1,
                      methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__kernel() { return PyModule_Create(&module); }
