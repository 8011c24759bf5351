/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_METRICS_H
#define TORC_CORE_METRICS_H

/*
 * metrics, dump - what a shard holds, in numbers and by name
 *
 * For whoever asks a running server what it is doing: numbers to export, and
 * a text that names each task with the calls in which it waits.
 *
 * Lifetime  Numbers are of the moment of the call.
 * Shard     The calling one: torc_run_on_shards() brings all.
 * Errors    None; a dump leaves out what could not be written.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_metrics {
	/* Since the shard began. */
	uint64_t turns;              /* of its loop */
	uint64_t buffers_lack_count; /* receives that found no buffer */

	/* Now. */
	uint32_t tasks_count;     /* that have not returned */
	uint32_t stacks_count;    /* in use: also of tasks not joined yet */
	uint32_t ops_count;       /* in the kernel */
	uint32_t resources_count; /* sockets, files, pipes, processes ... */
	uint64_t timers_count;    /* armed */
	uint32_t buffers_count;   /* of received bytes that nobody took yet */
};

/* Cost: a few dozen loads, and one per resource. */
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
