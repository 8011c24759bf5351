/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_GBENCH_H
#define TORC_PERF_GBENCH_H

/*
 * gbench - write Google Benchmark cases in C
 *
 *   static void
 *   submit(struct torc_bench *b) { while (torc_bench_next(b)) ...; }
 *   TORC_BENCH(submit)
 *
 * A case is called several times, each time for as many passes as fill the
 * time that is asked for: what comes before and after its loop is not timed.
 * The only C++ in the tree is gbench.cc.
 *
 * Core      One thread. torc_bench_next() may be called on a task's stack.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_bench;
typedef void torc_bench_fn(struct torc_bench *b);

/* True while there is one more pass to do. Cost: about 1 ns. */
bool torc_bench_next(struct torc_bench *b);

/* The same for `count` passes at once, where 1 ns would show. */
bool torc_bench_next_many(struct torc_bench *b, int64_t count);

/* Leave something out of the time. Cost: about 300 ns, per pair. */
void torc_bench_pause(struct torc_bench *b);
void torc_bench_resume(struct torc_bench *b);

/* The number that TORC_BENCH_ARGS() gave. */
int64_t torc_bench_arg(const struct torc_bench *b);

/* After the loop: how many passes were done. */
int64_t torc_bench_passes(const struct torc_bench *b);

/* After the loop: a number to show beside the time. */
void torc_bench_note(struct torc_bench *b, const char *name, double value);

/* Give up; the loop ends and the program will fail. `why` is copied. */
void torc_bench_fail(struct torc_bench *b, const char *why);

/* Keep the compiler from dropping a result. */
#define torc_bench_keep(v) __asm__ volatile("" : : "g"(v) : "memory")

/* For the macros below; `args` ends with a negative number. */
void torc_bench_add(const char *name, torc_bench_fn *fn, const int64_t *args);

/* A case, and a case that runs once for each number. */
#define TORC_BENCH(fn) TORC_BENCH_AS(fn, fn, -1)
#define TORC_BENCH_ARGS(fn, ...) TORC_BENCH_AS(fn, fn, __VA_ARGS__, -1)

/* `run` under the name of `fn`. */
#define TORC_BENCH_AS(fn, run, ...)                             \
	__attribute__((constructor)) static void fn##_add(void) \
	{                                                       \
		static const int64_t args[] = { __VA_ARGS__ };  \
		torc_bench_add(__FILE__ ":" #fn, run, args);    \
	}

#ifdef __cplusplus
}
#endif

#endif /* TORC_PERF_GBENCH_H */
