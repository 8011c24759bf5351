/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SHARD_PRIV_H
#define TORC_CORE_SHARD_PRIV_H

/*
 * shard - one thread with its ring, memory, timers, tasks and sockets
 *
 * Lifetime  open, run and close on the same thread. Everything here is the
 *           owner's; others reach it by torc__shard_post_remote() only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "alloc/arena_priv.h"
#include "alloc/io_priv.h"
#include "alloc/region_priv.h"
#include "alloc/stack_priv.h"
#include "base/list_priv.h"
#include "core/blocking_priv.h"
#include "core/inbox_priv.h"
#include "core/mask_priv.h"
#include "core/metrics_page_priv.h"
#include "core/place_priv.h"
#include "core/resource_priv.h"
#include "core/stall_priv.h"
#include "core/task_priv.h"
#include "core/timer_priv.h"
#include "uring/buffers_priv.h"
#include "uring/doorbell_priv.h"
#include "uring/ring_priv.h"

/*
 * Per turn: tasks from the ready FIFO, messages, timers, CQEs. A task that
 * is resumed by one of these makes at most TORC__TASK_BUDGET calls that find
 * their value ready; then it goes to the end of the FIFO. Hence
 *
 *   a ready task waits for one resume of each task before it in the FIFO,
 *   and per 256 of them for those that messages and CQEs bring about:
 *   256 * 128 + 512 * 128 + 512 * 128 = 163,840 calls at the very most,
 *   128 when there is one such task and no other comes.
 */
#define TORC__READY_MAX 256
#define TORC__MSG_MAX 512
#define TORC__TIMER_MAX 256
#define TORC__CQE_MAX 512

/* Provided buffer groups. */
enum { TORC__GROUP_STREAM, TORC__GROUP_DATAGRAM };

struct torc_vec;

/* Something that must happen before the turn's enter; on the list once. */
struct torc_flush {
	struct torc_flush *next;
	void (*fn)(struct torc_flush *);
	bool is_queued;
};

/* Something that waits for descriptors to become free. */
struct torc_fd_waiter {
	struct torc_link link;
	void (*fn)(struct torc_fd_waiter *);
};

struct torc_shard_options {
	const struct torc_engine *engine;
	const struct torc_engine *fallback; /* where it is refused, or NULL */
	struct torc_ring_options ring;
	size_t stack_bytes;
	size_t io_bytes_max; /* 0: TORC_IO_BYTES_DEFAULT */
	uint64_t spin_ns;    /* 0: never spin */
	bool busy_poll;
	uint32_t stream_bufs_max;
};

struct torc_shard {
	/* The hot part: what every turn touches. */
	struct torc_task *current; /* NULL: the loop itself runs */
	struct torc_task *resume;  /* woken by the CQE just dispatched */
	struct torc_task *ready_head;
	struct torc_task *ready_tail;
	struct torc_flush *flush_head;
	struct torc_flush *flush_tail;
	void *loop_sp;
	uint64_t now_ns;  /* one clock read per turn */
	uint64_t tell_ns; /* when its metrics are told at the latest */
	bool is_stopping; /* torc__shard_run() returns */
	bool is_ending;   /* since torc__shard_drain(): tasks begin cancelled */

	/* How to wait: see wait.c. */
	bool busy_poll;
	uint64_t spin_ns;
	uint64_t gap_ns;   /* a moving average of recent waits */
	bool is_untrimmed; /* worked since it last gave memory back */

	struct torc_ring ring;
	struct torc_buffers streams;
	struct torc_stacks stacks;
	struct torc_inbox inbox;
	struct torc_msg *mail; /* taken from the inbox, not read yet */
	struct torc_doorbell bell;
	/* While the runtime ends: no task is left here. Read by all shards. */
	_Atomic bool is_drained;
	struct torc_msg stop; /* from shard 0: the main task has returned */

	struct torc_link tasks; /* also those that are done and not joined */
	uint32_t tasks_count;   /* not done */
	struct torc_link resources;
	struct torc_link kept; /* those that are gone; see resource_priv.h */
	struct torc_link fd_waiters;

	/* What is counted for metrics.h alone. */
	uint64_t spawned_count;
	uint64_t messages_count;
	uint64_t sleeps_count;
	uint64_t waited_ns;
	uint64_t asleep_ns;
	uint64_t asleep_since_ns;       /* 0: awake */
	uint32_t resources_count;       /* without those that are kept */
	struct torc_metrics_slot *slot; /* NULL: there is no page */

	struct torc_region region;
	struct torc_arena arena;
	struct torc_io io;
	struct torc_buffers datagrams; /* opened by the first udp socket */
	bool has_datagrams;
	uint32_t udp_count;    /* sockets that share them */
	uint32_t udp_share;    /* buffers for each */
	bool is_recv_uncapped; /* the kernel is older than 6.17 */
	struct torc_region datagram_region;
	struct torc_vec *spare_vecs; /* kept for reuse */
	struct torc_mask mask;
	sigset_t caught;            /* each by one of core/io/signal.h */
	struct torc_pipe *stdio[3]; /* see core/io/stdio.h */
	void *signal_stack;
	stack_t signal_stack_before; /* the program's */
	uint32_t index;
	uint64_t ending_ns;     /* since when it ends */
	uint64_t give_up_ns;    /* when those that are left are abandoned */
	size_t stack_bytes;     /* as it was asked for */
	struct torc_pool *pool; /* for blocking calls; NULL: there is none */
	struct torc_port port;
	struct torc_shelf shelf;
	struct torc_pulse pulse; /* for who watches over stalls */
#ifdef TORC__ASAN
	const void *asan_loop_low;
	size_t asan_loop_bytes;
#endif
#ifdef TORC__TSAN
	void *tsan_loop;
#endif
	struct torc_wheel wheel;
};

/* The calling thread's shard, or NULL. */
extern __thread struct torc_shard *torc__shard
	__attribute__((tls_model("initial-exec")));

int torc__shard_open(struct torc_shard *shard, uint32_t index,
	const struct torc_shard_options *options);

/* Turn until is_stopping is set. 0 or -errno when the ring was lost. */
int torc__shard_run(struct torc_shard *shard);

/*
 * Cancel every task, and turn until none is left on any of the `count`
 * shards, for a task may wait for an answer from another shard; or until
 * `abandon_ns` are over.
 */
void torc__shard_drain(struct torc_shard *shard,
	struct torc_shard *const *shards, unsigned count, uint64_t abandon_ns);

/*
 * Close what was left open, wait for the last terminal CQE, give all back.
 * What does not end in time is named in the log, its memory left alone, and
 * the result -ETIME; else it is 0.
 */
int torc__shard_close(struct torc_shard *shard);

/* After all shards are closed: nobody rings its doorbell any more. */
void torc__shard_fini(struct torc_shard *shard);

/* One turn of the loop. `may_wait`: sleep when there is nothing to do. */
int torc__shard_turn(struct torc_shard *shard, bool may_wait);

/* Any thread. */
void torc__shard_post_remote(struct torc_shard *shard, struct torc_msg *msg);

/* Wait as the policy says, submitting on the way; core/wait.c. */
int torc__shard_wait(struct torc_shard *shard);

void torc__shard_misused(const struct torc_shard *shard, const char *what,
	const char *remedy) __attribute__((noreturn, cold));

/*
 * `what`, "a stream", belongs to `shard`, and this is a call on it. The
 * message's remedy is to be there, or `remedy`.
 */
static inline void
torc__shard_own(
	const struct torc_shard *shard, const char *what, const char *remedy)
{
	if (torc_unlikely(shard != torc__shard))
		torc__shard_misused(shard, what, remedy);
}

/* `call` needs a task, or a shard at least. */
void torc__shard_outside(const char *call) __attribute__((noreturn, cold));

/* The calling thread's shard; `call` needs one, if only in its loop. */
static inline struct torc_shard *
torc__shard_current(const char *call)
{
	if (torc_unlikely(torc__shard == NULL))
		torc__shard_outside(call);
	return torc__shard;
}

/* The running task; `call` needs one. */
static inline struct torc_task *
torc__task_current(const char *call)
{
	if (torc_unlikely(torc__shard == NULL || torc__shard->current == NULL))
		torc__shard_outside(call);
	return torc__shard->current;
}

/* torc_interrupted(), with which `call` begins: that a mistake is named. */
static inline int
torc__interrupted(const char *call)
{
	struct torc_task *task = torc__task_current(call);

	return task->interrupt;
}

static inline void
torc__shard_flush_later(struct torc_shard *shard, struct torc_flush *flush)
{
	if (flush->is_queued)
		return;
	flush->is_queued = true;
	flush->next = NULL;
	if (shard->flush_head == NULL)
		shard->flush_head = flush;
	else
		shard->flush_tail->next = flush;
	shard->flush_tail = flush;
}

static inline void
torc__shard_ready(struct torc_shard *shard, struct torc_task *task)
{
	task->ready_next = NULL;
	if (shard->ready_head == NULL)
		shard->ready_head = task;
	else
		shard->ready_tail->ready_next = task;
	shard->ready_tail = task;
}

/* A descriptor was closed: who waits for one may try again. */
void torc__shard_fd_freed(struct torc_shard *shard);

static inline void
torc__timer_arm_in(
	struct torc_shard *shard, struct torc_timer *timer, uint64_t delay_ns)
{
	uint64_t deadline_ns;

	if (__builtin_add_overflow(shard->now_ns, delay_ns, &deadline_ns))
		deadline_ns = UINT64_MAX;
	torc__wheel_arm(&shard->wheel, timer, deadline_ns);
}

#endif /* TORC_CORE_SHARD_PRIV_H */
