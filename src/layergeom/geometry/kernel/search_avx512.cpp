// The search for AVX-512 VNNI.

#include <immintrin.h>

#include "common.hpp"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")
#endif

namespace avx512 {

constexpr int LEVELS = 127;  // largest code
constexpr int BIAS = 128;    // added to codes that must not be negative

#include "codes.hpp"
#include "isa_avx512.hpp"
#include "candidates.hpp"
#include "exact.hpp"
#include "search.hpp"

}  // namespace avx512

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace {

bool supported() {
  return __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

}  // namespace

const InstructionSet AVX512 = {"avx512", supported, avx512::make_codes, avx512::encode_leaves,
                             avx512::make_search};
