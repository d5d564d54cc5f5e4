// Large tables that are written here and there.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};

template <typename T>
using Table = std::unique_ptr<T[], Freed>;

// Room for so many, not initialised, in huge pages where the system has them: each small page would
// have to be provided and looked up by itself.
template <typename T>
Table<T> table(int64_t count) {
  constexpr std::size_t PAGE = 1 << 21;
  const std::size_t bytes = (count * sizeof(T) / PAGE + 1) * PAGE;
  void* memory = std::aligned_alloc(PAGE, bytes);
  if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return Table<T>(static_cast<T*>(memory));
}
