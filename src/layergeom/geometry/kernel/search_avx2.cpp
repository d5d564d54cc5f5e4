// The search for AVX2.

#include <immintrin.h>

#include "common.hpp"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC diagnostic ignored "-Wpsabi"  // vectors of sixteen are passed inline only
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace avx2 {

constexpr int LEVELS = 63;  // largest code: two products of pairs add up to less than 2^15
constexpr int BIAS = 64;    // added to codes that must not be negative

#include "codes.hpp"
#include "isa_avx2.hpp"
#include "candidates.hpp"
#include "exact.hpp"
#include "search.hpp"

}  // namespace avx2

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace {

bool supported() {
  return __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("fma");
}

}  // namespace

const InstructionSet AVX2 = {"avx2", supported, avx2::make_codes, avx2::encode_leaves,
                             avx2::make_search};
