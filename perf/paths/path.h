/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_PATH_H
#define TORC_PERF_PATH_H

/*
 * path - a hot path of torc whose instructions are counted
 *
 *   static void
 *   add(uint32_t n) { path_begin(); while (n-- > 0) ...; path_end(); }
 *   PATH(add)
 *
 * perf/gate runs all paths under callgrind, which sets its counter to zero
 * in path_begin() and writes it down in path_end(). A path runs for several
 * `n`: the difference of two counts has no start-up in it, nor the loop's
 * own ends. Under no tool the program only runs them, which proves that
 * they work.
 *
 * What is counted is user space alone, and it must be the same every time:
 * no path reads a clock, a random number or a real ring. Where one needs a
 * ring it is the one of engine.h, whose few instructions count as well.
 *
 * Core  One thread. A PATH_TASK runs in a task of a shard that is opened
 *       once, and is as warm as in a server that has run for a while.
 */

#include <stdint.h>

#include "base/assert_priv.h"

struct torc_shard;

typedef void path_fn(uint32_t n);

/* The counted part; once in each run of a path. */
void path_begin(void);
void path_end(void);

/* For the macros; `is_task`: to be run in a task. `name` is kept. */
void path_add(const char *name, path_fn *fn, int is_task);

/* Keep the compiler from dropping a result, or merging two passes. */
#define path_keep(v) __asm__ volatile("" : : "g"(v) : "memory")

#define PATH(fn) PATH_AS(fn, 0)
#define PATH_TASK(fn) PATH_AS(fn, 1)
#define PATH_AS(fn, is_task)                                    \
	__attribute__((constructor)) static void fn##_add(void) \
	{                                                       \
		path_add(PATH_MODULE "/" #fn, fn, is_task);     \
	}

#endif /* TORC_PERF_PATH_H */
