/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_BLOCKING_H
#define TORC_CORE_BLOCKING_H

/*
 * blocking - a call that blocks its thread, made on a thread that may block
 *
 *   static int
 *   hash_file(void *arg) { ... read(2), no torc call that waits ... }
 *
 *   ret = torc_blocking(hash_file, &file, &result);
 *
 * The runtime has one pool of threads for all shards. A job waits in one
 * queue, first in, first out, until a thread takes it; its caller waits as
 * for anything else, and its shard goes on.
 *
 *   WAITING --place in the queue--> QUEUED --a thread takes it--> RUNNING
 *      \------------ cancel ------------/                           |
 *                       |                                        returns
 *                       v                                           v
 *                   -ECANCELED, never started                       0
 *
 * Threads   Made when a job finds none idle, at most blocking_threads_max;
 *           one that was idle for blocking_idle_ns (10 s) ends. They are named
 *           torc-block-0, -1, ..., run on any CPU that the process may use and
 *           have signals blocked, which a program that a job starts inherits.
 *           One of them looks for work a little longer before it sleeps, by
 *           the runtime's spin_ns, where there is a CPU without a shard.
 * Look-ups  torc_resolve() uses the pool too, a quarter of the threads at most
 *           (16 of 64; at least one): while a name server is silent the rest
 *           stay free for other jobs, unless there is one thread only.
 * Cancel    A job that no thread has taken never starts. One that runs can't
 *           be stopped: its caller waits until it returns, and gets its
 *           result.
 * Lifetime  `arg` and a struct torc_blocking are the pool's until `done` is
 *           ready. torc_run() returns after the last job has.
 * Shard     Calls: a shard's. A job runs outside of any: there is no task to
 *           wait in, and torc's calls that wait say so and end the program.
 * Errors    -ECANCELED, -ETIMEDOUT: it never started. -EAGAIN: there is no
 *           thread and none could be made (ulimit -u, pids.max of the cgroup);
 *           while there is one, jobs wait for it. Also, of torc_blocking_try()
 *           only: the queue is full.
 * Simulated There are no threads: a job runs on the shard, at once, when 10 us
 *           to 1 ms of virtual time are over, as many at a time as there would
 *           be threads. It cannot wait for a task, by torc_block_on() or a
 *           _blocking call: the shard stands still meanwhile. It says so and
 *           ends the program.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/base/list.h>
#include <torc/core/future.h>
#include <torc/core/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int torc_blocking_fn(void *arg);

/*
 * Run fn(arg) on a thread of the pool and wait for it. `result`, unless NULL,
 * receives what it returned. Where blocking_queue_max jobs are queued, the
 * caller waits for a place first, in the same order.
 *
 * Returns  0; or an error above, and fn was not called.
 * Cost     a lock for under 100 ns on either side; a system call to wake the
 *          thread if all sleep, and one to wake the shard if it sleeps.
 */
int torc_blocking(torc_blocking_fn *fn, void *arg, int *result)
	__attribute__((warn_unused_result));

/* The same, or -EAGAIN at once where blocking_queue_max jobs are queued. */
int torc_blocking_try(torc_blocking_fn *fn, void *arg, int *result)
	__attribute__((warn_unused_result));

struct torc_blocking {
	/* Result. */
	struct torc_future done; /* value: 0, or -errno and fn did not run */
	int result;              /* of fn */

	/* Runtime only. */
	int _state;
	int _error;
	bool _is_lookup;
	torc_blocking_fn *_fn;
	void *_arg;
	struct torc_shard *_shard;
	struct torc_link _link;      /* of the queue */
	struct torc_blocking *_next; /* on the way back */
	void (*_release)(struct torc_blocking *);
	struct torc_timer _timer; /* simulated */
};

/* Start only; await, select on or cancel job->done. */
void torc_blocking_start(
	struct torc_blocking *job, torc_blocking_fn *fn, void *arg);

/* What the pool is doing, all shards together. Cost: its lock. */
struct torc_blocking_counts {
	unsigned threads;   /* that there are */
	unsigned idle;      /* of these */
	unsigned running;   /* jobs, with those abandoned */
	unsigned abandoned; /* run on for nobody: look-ups past a deadline */
	unsigned queued;
	unsigned waiting; /* for a place in the queue */
	unsigned held;    /* look-ups, until one of their share has ended */
	uint64_t jobs;    /* that ran or run, since the runtime began */
	uint64_t wakes;   /* of a thread that slept: a system call each */
};

void torc_blocking_counts(struct torc_blocking_counts *counts);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_BLOCKING_H */
