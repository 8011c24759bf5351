/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_METRICS_H
#define TORC_CORE_METRICS_H

/*
 * metrics, dump - what a shard does and holds, in numbers and by name
 *
 * For whoever asks a running server what it is doing: numbers to export, and
 * a text that names each task with the calls in which it waits. torc-top(1)
 * shows the numbers from outside, without the program's doing.
 *
 * Lifetime  Numbers are of the moment of the call. The difference between two
 *           calls, over the time between them, is a rate.
 * Shard     The calling one: torc_run_on_shards() brings all.
 * Errors    None; a dump leaves out what could not be written.
 * C++       Write `struct torc_metrics numbers`, as in C: a call of this name
 *           hides the type's.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_metrics {
	/* Since the shard began. */
	uint64_t turns;              /* of its loop */
	uint64_t waited_ns;          /* with nothing to do: looked, or slept */
	uint64_t asleep_ns;          /* of that, in the kernel */
	uint64_t sleeps_count;       /* how often */
	uint64_t enters_count;       /* system calls that submit or wait */
	uint64_t sqes_count;         /* operations handed to the engine */
	uint64_t cqes_count;         /* completions taken from it */
	uint64_t overflows_count;    /* enters that found no room for more */
	uint64_t messages_count;     /* from other shards and threads */
	uint64_t spawned_count;      /* tasks */
	uint64_t stalls_count;       /* turns too long; see stall_ns */
	uint64_t buffers_lack_count; /* receives that found no buffer */

	/* Now. */
	uint64_t tasks_count;     /* that have not returned */
	uint64_t stacks_count;    /* in use: also of tasks not joined yet */
	uint64_t ops_count;       /* in the kernel */
	uint64_t resources_count; /* sockets, files, pipes, processes ... */
	uint64_t timers_count;    /* armed */
	uint64_t buffers_count;   /* of received bytes that nobody took yet */
};

/* Cost: two dozen loads and stores, however much there is. */
void torc_metrics(struct torc_metrics *metrics);

/*
 * Write a line of numbers and, for each task that waits, its name and its
 * calls, innermost first; link with -rdynamic to see names. The shard stands
 * still meanwhile.
 */
void torc_dump(int fd);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_METRICS_H */
