/* SPDX-License-Identifier: MIT */
/*
 * Runs the hot paths that perf/gate counts.
 *
 *   paths [TEXT]       those whose name has TEXT in it; all by default
 *
 * The first line says how this was built: counts hold for that alone. Then
 * one line for each run, "NAME PASSES", in the order of the counts that
 * callgrind writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/shard_priv.h"
#include "perf/paths/engine.h"
#include "perf/paths/path.h"

#define PATHS_MAX 64

/* What the compiler was told; see the Makefile. */
#ifndef PATHS_CFLAGS
#define PATHS_CFLAGS ""
#endif

/*
 * The first run fills pools and caches and looks up shared functions, so it
 * does not count. The distance between the others is what is divided by.
 */
static const uint32_t passes[] = { 1024, 1024, 3072 };

static struct path {
	const char *name;
	path_fn *fn;
	int is_task;
} paths[PATHS_MAX];
static unsigned paths_count;

void
path_add(const char *name, path_fn *fn, int is_task)
{
	torc_assert(paths_count < PATHS_MAX);
	paths[paths_count++] = (struct path){ name, fn, is_task };
}

/* What callgrind looks for: the names must stay, and the calls too. */
__attribute__((noinline, noipa)) void
path_begin(void)
{
	__asm__ volatile("");
}

__attribute__((noinline, noipa)) void
path_end(void)
{
	__asm__ volatile("");
}

struct run {
	const struct path *path;
	uint32_t n;
};

static int
run_in_task(void *arg)
{
	const struct run *run = arg;

	run->path->fn(run->n);
	return 0;
}

static void
run_one(struct torc_shard *shard, const struct path *path, uint32_t n)
{
	struct run run = { path, n };

	printf("%s %u\n", path->name, n);
	if (!path->is_task) {
		path->fn(n);
		return;
	}
	if (torc_spawn(NULL, run_in_task, &run) < 0)
		torc__panic("no memory for a task");
	while (shard->tasks_count != 0) {
		uint32_t stalls_count = path_stalls_count();

		if (torc__shard_turn(shard, true) < 0)
			torc__panic("the ring is lost");
		if (shard->tasks_count != 0 &&
			path_stalls_count() != stalls_count)
			torc__panic("the path waits for what never comes");
	}
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
		((const struct path *)a)->name, ((const struct path *)b)->name);
}

static void
print_build(void)
{
#ifdef __clang__
	printf("built with clang %d", __clang_major__);
#else
	printf("built with gcc %d", __GNUC__);
#endif
#if defined(__x86_64__)
	printf(" x86_64 %s\n", PATHS_CFLAGS);
#elif defined(__aarch64__)
	printf(" aarch64 %s\n", PATHS_CFLAGS);
#endif
}

int
main(int argc, char **argv)
{
	static struct torc_shard shard;
	struct torc_shard_options options = {
		.engine = &path_engine,
		.stack_bytes = 64 << 10,
		.stream_bufs_max = 128,
	};
	const char *text = argc > 1 ? argv[1] : "";

	/* A path that fails has been named. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (torc__shard_open(&shard, 0, &options) < 0)
		torc__panic("no memory for a shard");
	print_build();
	qsort(paths, paths_count, sizeof(paths[0]), by_name);
	for (unsigned i = 0; i < paths_count; i++)
		for (unsigned run = 0;
			run < sizeof(passes) / sizeof(passes[0]) &&
			strstr(paths[i].name, text) != NULL;
			run++)
			run_one(&shard, &paths[i], passes[run]);
	torc__shard_close(&shard);
	torc__shard_fini(&shard);
	return 0;
}
