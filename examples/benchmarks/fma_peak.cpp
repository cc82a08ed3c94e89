// What the processor can at most do in multiply-adds: the denominator of "share of the peak".
//
// Each thread repeats multiply-adds between registers (or between tiles, for AMX) and touches no
// memory. Independent accumulators hide the latency of an instruction. Seconds are those that the
// threads had the processor for, so that other work on the machine does not make the peak look
// smaller; the best of several rounds counts. A multiply-add is two operations.
//
//   g++ -O2 -pthread fma_peak.cpp -o fma_peak && ./fma_peak [threads]
//
// prints one line for each instruction set that is there: name, precision, GFLOP/s of all threads.
// One binary serves every x86-64 processor: which instructions there are is asked when it runs.

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kRounds = 5;
constexpr double kSecondsOfARound = 0.05;

double seconds_of_this_thread() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The compiler may neither drop the work nor move it out of the loop.
template <typename Vector>
void keep(Vector& value) {
  asm volatile("" : "+x"(value));
}

template <typename Vector>
void keep_wide(Vector& value) {
  asm volatile("" : "+v"(value));
}

// Each kernel does `n` steps and returns how many floating-point operations a step has.
using Kernel = double (*)(std::int64_t n);

__attribute__((target("avx2,fma"))) double avx2_fp32(std::int64_t n) {
  constexpr int kSums = 12;  // 16 registers, two of them hold the factors
  __m256 sums[kSums], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-3f);
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  for (std::int64_t i = 0; i < n; i++) {
#pragma GCC unroll 12
    for (int k = 0; k < kSums; k++) sums[k] = _mm256_fmadd_ps(sums[k], a, b);
  }
  for (auto& sum : sums) keep(sum);
  return kSums * 8 * 2;
}

__attribute__((target("avx512f"))) double avx512_fp32(std::int64_t n) {
  constexpr int kSums = 24;  // of 32 registers
  __m512 sums[kSums], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  for (std::int64_t i = 0; i < n; i++) {
#pragma GCC unroll 24
    for (int k = 0; k < kSums; k++) sums[k] = _mm512_fmadd_ps(sums[k], a, b);
  }
  for (auto& sum : sums) keep_wide(sum);
  return kSums * 16 * 2;
}

__attribute__((target("avx512f,avx512bf16"))) double avx512_bf16(std::int64_t n) {
  constexpr int kSums = 24;
  const auto a = (__m512bh)_mm512_set1_epi16(0x3c00), b = (__m512bh)_mm512_set1_epi16(0x3c01);
  __m512 sums[kSums];
  for (auto& sum : sums) sum = _mm512_set1_ps(0.0f);
  for (std::int64_t i = 0; i < n; i++) {
#pragma GCC unroll 24
    for (int k = 0; k < kSums; k++) sums[k] = _mm512_dpbf16_ps(sums[k], a, b);
  }
  for (auto& sum : sums) keep_wide(sum);
  return kSums * 32 * 2;  // each of 16 sums takes up two products
}

// Tiles 0 to 3 sum, 4 and 5 are factors from the left, 6 and 7 from the right: the largest block
// of a matrix product that fits the eight tiles.
__attribute__((target("amx-tile,amx-bf16"))) double amx_bf16(std::int64_t n) {
  alignas(64) struct {
    std::uint8_t palette = 1, start_row = 0, unused[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  } shape;
  for (int tile = 0; tile < 8; tile++) {
    shape.row_bytes[tile] = 64;
    shape.rows[tile] = 16;
  }
  alignas(64) std::uint16_t factors[16 * 32];
  std::fill(std::begin(factors), std::end(factors), std::uint16_t{0x3c00});
  // GCC's intrinsics do not say that all these bytes are read
  asm volatile("" : : "r"(&shape), "r"(factors) : "memory");
  _tile_loadconfig(&shape);
  _tile_loadd(4, factors, 64);
  _tile_loadd(5, factors, 64);
  _tile_loadd(6, factors, 64);
  _tile_loadd(7, factors, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t i = 0; i < n; i++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 4.0 * 16 * 16 * 32 * 2;
}

// Linux lends the tiles to a process only when it asks.
bool may_use_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool there = (d >> 22 & 1) && (d >> 24 & 1);
#ifdef SYS_arch_prctl
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return there && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

double peak(Kernel kernel, int n_threads) {
  std::int64_t n = 1024;  // long enough that reading the clock costs nothing
  for (double taken = 0; taken < kSecondsOfARound; n *= 2) {
    const double began = seconds_of_this_thread();
    kernel(n);
    taken = seconds_of_this_thread() - began;
  }
  double best = 0;
  for (int round = 0; round < kRounds; round++) {
    std::vector<double> speeds(n_threads);
    std::vector<std::thread> threads;
    for (int t = 0; t < n_threads; t++) {
      threads.emplace_back([&, t] {
        const double began = seconds_of_this_thread();
        const double operations = kernel(n) * static_cast<double>(n);
        speeds[t] = operations / (seconds_of_this_thread() - began);
      });
    }
    for (auto& thread : threads) thread.join();
    double sum = 0;
    for (const double speed : speeds) sum += speed;
    best = std::max(best, sum);
  }
  return best / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const int n_threads =
      argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency());
  const auto show = [&](bool there, const char* name, const char* precision, Kernel kernel) {
    if (there) std::printf("%s %s %.1f\n", name, precision, peak(kernel, n_threads));
    std::fflush(stdout);
  };
  show(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), "avx2", "fp32", avx2_fp32);
  show(__builtin_cpu_supports("avx512f"), "avx512", "fp32", avx512_fp32);
  show(__builtin_cpu_supports("avx512bf16"), "avx512", "bf16", avx512_bf16);
  show(may_use_tiles(), "amx", "bf16", amx_bf16);
}
