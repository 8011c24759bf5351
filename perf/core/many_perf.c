/* SPDX-License-Identifier: MIT */
/*
 * A million tasks at once. TORC_BENCH_TASKS=1000000 asks for them; without it
 * there are few enough for every machine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <torc/core/group.h>
#include <torc/core/sleep.h>

#include "core/shard_priv.h"
#include "perf/bench_task.h"

#define TASKS_USUAL 10000

static int64_t
tasks_count(void)
{
	const char *text = getenv("TORC_BENCH_TASKS");
	int64_t count = text != NULL ? strtoll(text, NULL, 10) : 0;

	return count > 0 ? count : TASKS_USUAL;
}

/* What the process takes, its page tables included. */
static double
memory_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long kib, sum = 0;
	char line[128];

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmRSS: %lu", &kib) == 1 ||
			sscanf(line, "VmPTE: %lu", &kib) == 1)
			sum += kib;
	fclose(file);
	return (double)sum * 1024;
}

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/*
 * Question      What does a task cost when all are spawned before the first
 *               one runs, so that each needs a stack of its own?
 * Unit          One of so many tasks, spawned into a group and joined; the
 *               stacks are those of the pass before.
 * Change mind   200 ns with a million: they would then not be through in
 *               0.2 s.
 */
static int
spawn_all(void *b)
{
	int64_t n = tasks_count();
	struct torc_group group;
	int ret = 0;

	/* The first touch of each stack is a page fault; not counted here. */
	do {
		torc_group_init(&group);
		for (int64_t i = 0; i < n && ret == 0; i++)
			ret = torc_group_spawn(&group, do_nothing, NULL);
		if (ret == 0)
			ret = torc_group_join(&group);
	} while (ret == 0 && torc_bench_next_many(b, n));
	return ret;
}
TORC_BENCH_TASK(spawn_all)

/*
 * Question      And when no stack has been used before?
 * Unit          One of so many tasks; its stack comes fresh from the kernel.
 * Change mind   2 us: a task that has not started should then have no stack.
 */
static int
spawn_cold(void *b)
{
	int64_t n = tasks_count();
	struct torc_group group;
	int ret = 0;

	while (ret == 0 && torc_bench_next_many(b, n)) {
		torc_bench_pause(b);
		torc__stacks_trim(&torc__shard->stacks, 0);
		torc_bench_resume(b);
		torc_group_init(&group);
		for (int64_t i = 0; i < n && ret == 0; i++)
			ret = torc_group_spawn(&group, do_nothing, NULL);
		if (ret == 0)
			ret = torc_group_join(&group);
	}
	return ret;
}
TORC_BENCH_TASK(spawn_cold)

/*
 * Question      The same for a server that has at most 64 of them under way.
 * Unit          One of so many tasks, joined in groups of 64.
 * Change mind   60 ns.
 */
static int
spawn_by_64(void *b)
{
	int64_t n = tasks_count() / 64 * 64;
	struct torc_group group;
	int ret = 0;

	while (ret == 0 && torc_bench_next_many(b, n))
		for (int64_t i = 0; i < n && ret == 0; i += 64) {
			torc_group_init(&group);
			for (int k = 0; k < 64 && ret == 0; k++)
				ret = torc_group_spawn(
					&group, do_nothing, NULL);
			if (ret == 0)
				ret = torc_group_join(&group);
		}
	return ret;
}
TORC_BENCH_TASK(spawn_by_64)

struct sleepers {
	struct torc_group group;
	uint64_t begin_ns;
	uint64_t span_ns;
	uint64_t last_tick;
	int64_t asleep;
	int64_t overtaken;
	uint64_t random;
};

/* xorshift64: the same sequence in every run. */
static uint64_t
draw(struct sleepers *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random;
}

/* Timers of one tick, which is 65.5 us, fire in any order. */
static uint64_t
tick_of(uint64_t when_ns)
{
	return (when_ns + (UINT64_C(1) << TORC_TICK_BITS) - 1) >>
	       TORC_TICK_BITS;
}

static int
sleep_in_order(void *arg)
{
	struct sleepers *s = arg;
	uint64_t when_ns = s->begin_ns + draw(s) % s->span_ns;
	int ret;

	s->asleep++;
	ret = torc_sleep_until(when_ns);
	s->asleep--;
	s->overtaken += tick_of(when_ns) < s->last_tick;
	s->last_tick = tick_of(when_ns);
	return ret;
}

static int
put_to_sleep(struct sleepers *s, int64_t count)
{
	int ret = 0;

	torc_group_init(&s->group);
	for (int64_t i = 0; i < count && ret == 0; i++)
		ret = torc_group_spawn(&s->group, sleep_in_order, s);
	while (ret == 0 && s->asleep < count)
		ret = torc_yield();
	return ret;
}

/*
 * Question      What does a task that sleeps cost in memory, and what does
 *               it take to wake so many of them in the order of their time?
 * Unit          One of so many tasks that sleep to times at random, within a
 *               span that is too short for them, and that begins when they
 *               all sleep; the wakes are timed.
 *               memory_per_task is what the process grew by.
 * Change mind   6442 bytes: a million would not fit in 6 GiB. One that is
 *               overtaken. 1 us: waking would then be the bottleneck.
 */
static int
wake_sleepers(void *b)
{
	int64_t n = tasks_count();
	struct sleepers s = { .random = 88172645463325252u,
		.span_ns = (uint64_t)n * 200 };
	double before = memory_bytes(), after = 0;
	int ret = 0;

	while (ret == 0 && torc_bench_next_many(b, n)) {
		torc_bench_pause(b);
		/* Time enough for all to fall asleep first. */
		s.begin_ns =
			torc_now_ns() + TORC_S + (uint64_t)n * 15 * TORC_US;
		s.last_tick = 0;
		ret = put_to_sleep(&s, n);
		if (after == 0)
			after = memory_bytes();
		if (ret == 0)
			ret = torc_sleep_until(s.begin_ns - TORC_MS);
		torc_bench_resume(b);
		if (ret == 0)
			ret = torc_group_join(&s.group);
	}
	torc_bench_note(b, "memory_per_task", (after - before) / (double)n);
	torc_bench_note(b, "overtaken", (double)s.overtaken);
	return ret;
}
TORC_BENCH_TASK(wake_sleepers)
