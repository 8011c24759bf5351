/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_BLOCKING_FIXTURE_H
#define TORC_TESTS_CORE_BLOCKING_FIXTURE_H

/*
 * blocking_fixture - jobs that block in a gate, which the test opens
 *
 * A job leaves its number when it is through, so that a test sees which ones
 * ran, in which order, and how many at a time. set_up() is each case's,
 * fill_stack_cache() the group's.
 */

#include <semaphore.h>
#include <stdatomic.h>

#include "tests/core/io/fixture.h"

#define JOBS_MAX 10000

/* What a job does: it waits for its gate and leaves its number. */
struct gated {
	sem_t *gate; /* NULL: it does not wait */
	int number;
};

static sem_t gate;
static int ran[JOBS_MAX];
static atomic_int ran_count, inside, inside_max;

static inline int
set_up(void **state)
{
	(void)state;
	ran_count = 0;
	inside = 0;
	inside_max = 0;
	return sem_init(&gate, 0, 0);
}

static inline void
open_gate(unsigned count)
{
	while (count-- > 0)
		must_be(sem_post(&gate), 0);
}

static inline int
run_gated(void *arg)
{
	struct gated *gated = arg;
	int now = atomic_fetch_add(&inside, 1) + 1;
	int most = atomic_load(&inside_max);

	while (now > most &&
		!atomic_compare_exchange_weak(&inside_max, &most, now))
		continue;
	while (gated->gate != NULL && sem_wait(gated->gate) != 0)
		continue;
	ran[atomic_fetch_add(&ran_count, 1)] = gated->number;
	atomic_fetch_sub(&inside, 1);
	return gated->number;
}

static inline struct torc_blocking_counts
counts(void)
{
	struct torc_blocking_counts now;

	torc_blocking_counts(&now);
	return now;
}

static inline unsigned
threads_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	must(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

/* The only thread is in its gate; `count` jobs wait behind it. */
static inline void
start_behind_gate(struct torc_blocking *jobs, struct gated *gated, int count)
{
	for (int i = 0; i <= count; i++) {
		gated[i] = (struct gated){ .gate = i == 0 ? &gate : NULL,
			.number = i };
		torc_blocking_start(&jobs[i], run_gated, &gated[i]);
	}
	wait_until(counts().running == 1);
}

/* The C library keeps what belongs to a thread's stack for the next one. */
static inline int
make_many_threads(void *arg)
{
	static struct gated gated = { .gate = &gate };
	struct torc_blocking jobs[20];

	(void)arg;
	for (int i = 0; i < 20; i++)
		torc_blocking_start(&jobs[i], run_gated, &gated);
	wait_until(atomic_load(&inside) == 20);
	open_gate(20);
	for (int i = 0; i < 20; i++)
		must_be(torc_await(&jobs[i].done), 0);
	return 0;
}

static inline int
fill_stack_cache(void **state)
{
	set_up(state);
	return torc_run(
		&(struct torc_options){ .shards = 2 }, make_many_threads, NULL);
}

/* On one shard; the queue takes 2 jobs where there is one thread. */
#define THREADS(fn_, threads, ...)                                         \
	{                                                                  \
		.name = #fn_, .test_func = run_case, .setup_func = set_up, \
		.initial_state = &(struct torc_case)                       \
		{                                                          \
			.fn = fn_, .options = {                            \
				.blocking_threads_max = threads,           \
				.blocking_queue_max = 2,                   \
				##__VA_ARGS__                              \
			}                                                  \
		}                                                          \
	}

#endif /* TORC_TESTS_CORE_BLOCKING_FIXTURE_H */
