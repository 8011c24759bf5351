/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_BLOCKING_PRIV_H
#define TORC_CORE_BLOCKING_PRIV_H

/*
 * pool - the threads behind torc_blocking(), and the queue before them
 *
 *   shards --start--> queue --take--> threads --finished--> port of the shard
 *
 * The queue is under one lock, which is held for a few instructions. What
 * comes back needs none: each shard has a port, a list that threads push to,
 * whose one message is in the shard's inbox while the list is not empty.
 *
 * Look-ups of names may last for long, all of them at once. So only as many as
 * their share are in the queue or on a thread; the others are held back, and
 * come to the queue's end one by one as those end.
 *
 *   start --> lookups (HELD) --one of their share ends--> queue --> threads
 *
 * A job's state changes under the lock, but for RUNNING: then its thread and
 * its shard race for it, by compare and exchange.
 *
 * Lifetime  open before the first shard runs, close after the last has ended
 *           and before their memory is freed: a port's message may still come.
 * Errors    -ENOMEM.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <torc/base/clock.h>
#include <torc/core/blocking.h>

#include "base/list_priv.h"
#include "core/inbox_priv.h"

struct torc_shard;

#define TORC__BLOCKING_THREADS_MAX 4096

/* The runtime's end says what it waits for when it takes so long. */
#define TORC__BLOCKING_SAY_NS (5 * TORC_S)

enum {
	TORC__JOB_QUEUED,
	TORC__JOB_RUNNING,
	TORC__JOB_FINISHED,  /* on its way back */
	TORC__JOB_ABANDONED, /* its thread releases it */
	TORC__JOB_HELD,      /* a look-up; its share is in use */
};

/* Of each shard: where its jobs come back. */
struct torc_port {
	/* Pairs: threads push, the shard takes all. */
	_Atomic(struct torc_blocking *) finished;
	struct torc_msg msg;
	uint32_t jobs_count; /* the shard's own: started, not come back */
};

struct torc_pool_options {
	unsigned threads_max; /* 0: 64 */
	unsigned queue_max;   /* 0: 1024 */
	uint64_t idle_ns;     /* 0: 10 s */
	uint64_t spin_ns;     /* 0: never */
	const cpu_set_t *cpus;
};

struct torc_pool {
	unsigned threads_max;
	unsigned lookups_max; /* of these, at a time */
	unsigned queue_max;
	uint64_t idle_ns;
	uint64_t spin_ns;
	cpu_set_t cpus;

	pthread_mutex_t lock;
	/* All below are under it. */
	struct torc_link queue;   /* jobs that no thread has, oldest first */
	struct torc_link lookups; /* held back, oldest first */
	struct torc_link idle;    /* threads, the last to work first */
	unsigned queued_count;
	unsigned held_count;
	unsigned lookups_count; /* in the queue or on a thread */
	unsigned running_count;
	unsigned abandoned_count;
	unsigned threads_count;
	unsigned starting_count; /* threads that have not looked yet */
	unsigned made_count;
	unsigned idle_count;
	uint64_t jobs_count;
	uint64_t wakes_count;
	uint64_t gap_ns; /* a moving average of how long a thread idles */
	bool is_spinning;
	bool is_ending;
	bool is_short_said; /* in the log: a thread could not be made */
	bool has_ended;
	pthread_t ended; /* the last one; it has joined the one before */
	pthread_cond_t all_ended;

	/* Owned jobs of all shards; each looks at it while it ends. */
	atomic_uint pending_count;
	uint64_t wait_began_ns; /* shard 0's; 0: not yet */
};

void torc__pool_open(
	struct torc_pool *pool, const struct torc_pool_options *options);

/* Wait for jobs that run for nobody, and end every thread. */
void torc__pool_close(struct torc_pool *pool);

/*
 * Under the lock. True: it is for the next thread that looks; false: it is
 * held back.
 */
bool torc__pool_push(struct torc_pool *pool, struct torc_blocking *job);

/* Under the lock: out of the line it waits in. False: it is in none. */
bool torc__pool_remove(struct torc_pool *pool, struct torc_blocking *job);

/* Under the lock: it has returned, whoever its memory belongs to by now. */
void torc__pool_ended(struct torc_pool *pool, bool is_lookup);

/* Under the lock: the oldest job, now RUNNING; or NULL. */
struct torc_blocking *torc__pool_take(struct torc_pool *pool);

/*
 * Under the lock, after a push: wake a thread, or count in one that must be
 * made. True: call torc__pool_thread_make() without the lock.
 */
bool torc__pool_call(struct torc_pool *pool);

/* False: it was not to be had, and is not counted any more. */
bool torc__pool_thread_make(struct torc_pool *pool);

/* Any thread. The job is its shard's again; done becomes `error`, or 0. */
void torc__blocking_return_remote(struct torc_blocking *job, int error);

/* torc_blocking_start() of a look-up: within the share of such jobs. */
void torc__blocking_start_lookup(
	struct torc_blocking *job, torc_blocking_fn *fn, void *arg);

/* Under the lock: nobody will ever take what is queued, or held back. */
void torc__blocking_refuse_all(struct torc_pool *pool, int error);

/* A shard's port, once it is open. */
void torc__blocking_join(struct torc_shard *shard, struct torc_pool *pool);

/* This thread runs a simulated job: what waits here waits for itself. */
extern __thread bool torc__blocking_is_simulated
	__attribute__((tls_model("initial-exec")));

/*
 * While the shards end. True: jobs are on their way, and have to be waited
 * for. What no task waits for and no thread has taken is cancelled.
 */
bool torc__blocking_drain(struct torc_shard *shard);

/*
 * The owner goes. True: done will never be ready; `release` is called in this
 * call, or by the thread once the job has returned. False: it has returned
 * and done is about to be ready.
 */
bool torc__blocking_abandon(
	struct torc_blocking *job, void (*release)(struct torc_blocking *job));

#endif /* TORC_CORE_BLOCKING_PRIV_H */
