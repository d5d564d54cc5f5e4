// The Python side: codes and searches as capsules over buffers that they keep alive.

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <deque>
#include <new>

#include "common.hpp"
#include "order.hpp"

namespace {

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
const InstructionSet* const SETS[] = {&AVX512, &AVX2};
#else
const InstructionSet* const SETS[] = {nullptr};
#endif

const InstructionSet* set_named(const char* name) {
  for (const InstructionSet* set : SETS)
    if (set != nullptr && std::strcmp(set->name, name) == 0 && set->supported()) return set;
  PyErr_Format(PyExc_ValueError, "this processor or build has no %s", name);
  return nullptr;
}

// Buffers of Python objects, held until this is gone.
class Buffers {
 public:
  Buffers() = default;
  Buffers(const Buffers&) = delete;
  ~Buffers() {
    for (Py_buffer& view : views_) PyBuffer_Release(&view);
  }

  // The memory of an array; null for None; an error is set where it cannot be had.
  void* take(PyObject* object, bool writable = false) {
    if (object == Py_None) return nullptr;
    const int flags = PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, flags) != 0) return nullptr;
    views_.push_back(view);
    return view.buf;
  }

  // A matrix of float32 or float64.
  Matrix matrix(PyObject* object) {
    Matrix matrix{nullptr, true, 0, 0};
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS) != 0) return matrix;
    views_.push_back(view);
    matrix = {view.buf, view.itemsize == 4, view.shape[0], view.shape[1]};
    return matrix;
  }

 private:
  std::deque<Py_buffer> views_;
};

struct HeldCodes {
  const InstructionSet* set;
  std::shared_ptr<void> codes;
};

struct HeldSearch {
  Buffers buffers;
  std::unique_ptr<Running> search;
};

template <typename Held>
void release(PyObject* capsule) {
  delete static_cast<Held*>(PyCapsule_GetPointer(capsule, nullptr));
}

template <typename Held>
Held* held(PyObject* capsule) {
  return static_cast<Held*>(PyCapsule_GetPointer(capsule, nullptr));
}

// Work without the interpreter's lock; false where memory did not suffice.
template <typename Work>
bool without_the_lock(Work work) {
  bool enough = true;
  Py_BEGIN_ALLOW_THREADS
  try {
    work();
  } catch (const std::bad_alloc&) {
    enough = false;
  }
  Py_END_ALLOW_THREADS
  return enough;
}

PyObject* instruction_sets(PyObject*, PyObject*) {
  PyObject* names = PyList_New(0);
  for (const InstructionSet* set : SETS) {
    if (names == nullptr || set == nullptr || !set->supported()) continue;
    PyObject* name = PyUnicode_FromString(set->name);
    if (name == nullptr || PyList_Append(names, name) != 0) Py_CLEAR(names);
    Py_XDECREF(name);
  }
  return names;
}

// tree_order(coordinates float32 (n, w), rows int32 (n)): rows is put in order
PyObject* tree_order(PyObject*, PyObject* args) {
  PyObject *coordinates, *rows;
  if (!PyArg_ParseTuple(args, "OO", &coordinates, &rows)) return nullptr;
  Buffers buffers;
  const Matrix by = buffers.matrix(coordinates);
  auto* order_of = static_cast<int32_t*>(buffers.take(rows, true));
  if (PyErr_Occurred()) return nullptr;
  Py_BEGIN_ALLOW_THREADS
  order({static_cast<const float*>(by.rows), by.width}, order_of, by.n);
  Py_END_ALLOW_THREADS
  Py_RETURN_NONE;
}

// codes(set, slots, width, tiled)
PyObject* make_codes(PyObject*, PyObject* args) {
  const char* name;
  long long slots, width;
  int tiled;
  if (!PyArg_ParseTuple(args, "sLLp", &name, &slots, &width, &tiled)) return nullptr;
  const InstructionSet* set = set_named(name);
  if (set == nullptr) return nullptr;
  try {
    auto* codes = new HeldCodes{set, set->make_codes(slots, width, tiled != 0)};
    return PyCapsule_New(codes, nullptr, release<HeldCodes>);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

// encode(codes, rows, centre float64, error float32 or None, row_of int32, first, last, threads)
PyObject* encode(PyObject*, PyObject* args) {
  PyObject *capsule, *rows, *centre, *error, *row_of;
  long long first, last;
  int threads;
  if (!PyArg_ParseTuple(args, "OOOOOLLi", &capsule, &rows, &centre, &error, &row_of, &first, &last,
                        &threads))
    return nullptr;
  Buffers buffers;
  Source source{buffers.matrix(rows), static_cast<const double*>(buffers.take(centre)),
                static_cast<const float*>(buffers.take(error))};
  const auto* order = static_cast<const int32_t*>(buffers.take(row_of));
  const HeldCodes* into = held<HeldCodes>(capsule);
  if (PyErr_Occurred()) return nullptr;
  const bool enough = without_the_lock([&] {
    into->set->encode(into->codes.get(), source, order, first, last, threads);
  });
  if (!enough) return PyErr_NoMemory();
  Py_RETURN_NONE;
}

// search(filter, codes, points, asked, row_of, points_end, k, groups, asked_groups, first_tiles,
//        part, parts, distances, indices, unsettled)
PyObject* make_search(PyObject*, PyObject* args) {
  PyObject *filter, *codes, *points, *asked, *row_of, *groups, *asked_groups, *first_tiles;
  PyObject *distances, *indices, *unsettled;
  long long points_end, k, part, parts;
  if (!PyArg_ParseTuple(args, "OOOOOLLOOOLLOOO", &filter, &codes, &points, &asked, &row_of,
                        &points_end, &k, &groups, &asked_groups, &first_tiles, &part, &parts,
                        &distances, &indices, &unsettled))
    return nullptr;
  auto* into = new (std::nothrow) HeldSearch;
  PyObject* capsule = into ? PyCapsule_New(into, nullptr, release<HeldSearch>) : PyErr_NoMemory();
  if (capsule == nullptr) return nullptr;
  Buffers& b = into->buffers;
  Task task{};
  task.points = b.matrix(points);
  task.asked = b.matrix(asked);
  task.row_of = static_cast<const int32_t*>(b.take(row_of));
  task.slots = PyObject_Length(row_of);
  task.points_end = points_end;
  task.k = k;
  task.groups = static_cast<const int32_t*>(b.take(groups));
  task.asked_groups = static_cast<const int32_t*>(b.take(asked_groups));
  task.first_tiles = static_cast<const int32_t*>(b.take(first_tiles));
  task.first_count = PyObject_Length(first_tiles);
  task.part = part;
  task.parts = parts;
  task.distances = static_cast<double*>(b.take(distances, true));
  task.indices = static_cast<int64_t*>(b.take(indices, true));
  task.unsettled = static_cast<uint8_t*>(b.take(unsettled, true));
  const HeldCodes *of_filter = held<HeldCodes>(filter), *of_rows = held<HeldCodes>(codes);
  if (PyErr_Occurred() == nullptr)
    try {
      into->search = of_rows->set->search(task, of_filter->codes, of_rows->codes);
    } catch (const std::bad_alloc&) {
      PyErr_NoMemory();
    }
  if (PyErr_Occurred()) Py_CLEAR(capsule);
  return capsule;
}

// advance(search, seconds, threads) -> share done, 1.0 when it is finished
PyObject* advance(PyObject*, PyObject* args) {
  PyObject* capsule;
  double seconds;
  int threads;
  if (!PyArg_ParseTuple(args, "Odi", &capsule, &seconds, &threads)) return nullptr;
  HeldSearch* search = held<HeldSearch>(capsule);
  if (search == nullptr) return nullptr;
  bool finished = false;
  const bool enough =
      without_the_lock([&] { finished = search->search->advance(seconds, threads); });
  if (!enough) return PyErr_NoMemory();
  return PyFloat_FromDouble(finished ? 1. : std::min(0.999, search->search->done()));
}

PyMethodDef methods[] = {
    {"instruction_sets", instruction_sets, METH_NOARGS, "Those of this processor, best first."},
    {"tree_order", tree_order, METH_VARARGS, "Put rows in an order that keeps near ones near."},
    {"codes", make_codes, METH_VARARGS, "Room for the codes of all slots."},
    {"encode", encode, METH_VARARGS, "Make the codes of a range of slots."},
    {"search", make_search, METH_VARARGS, "Begin a search."},
    {"advance", advance, METH_VARARGS, "Go on with a search for some time."},
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", "Exact neighbours by an integer filter.",
                      -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__kernel() { return PyModule_Create(&module); }
