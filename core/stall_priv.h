/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_STALL_PRIV_H
#define TORC_CORE_STALL_PRIV_H

/*
 * stall - notices a shard that has stopped turning, and says what runs there
 *
 * A task that computes for long, or calls something that blocks, stops every
 * other task of its shard. One thread for all shards looks at their pulses,
 * once per limit. When one has not moved it interrupts that shard's thread
 * with SIGURG, which is ignored by default and left to a program that has a
 * handler for it; ours writes down the task and its calls, and the watcher
 * logs them. A shard that the machine gives no CPU to has not stalled.
 *
 * Pulse     A number that the shard changes each turn; odd while it waits.
 *           Its cost is one plain load and store per turn, and around each
 *           wait another and one locked instruction.
 * Quiet     After a second in which no pulse moved the watcher parks, and the
 *           first shard to wake unparks it: nothing is used when nothing
 *           moves.
 * Lifetime  open after the shards, close before their memory is freed. Each
 *           shard joins and leaves on its own thread.
 * Errors    -errno of a thread that cannot be had.
 */

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct torc_shard;
struct torc_stalls;

/* Per shard; the shard and the watcher both reach it. */
struct torc_pulse {
	_Atomic uint64_t beat;      /* odd: waits */
	_Atomic uint64_t stalled;   /* how often the watcher saw it stall */
	struct torc_stalls *stalls; /* NULL: nobody watches */
	void *watched;
};

/* Watch `count` shards, from any of `cpus`. */
int torc__stalls_open(struct torc_stalls **stalls, unsigned count,
	uint64_t limit_ns, const cpu_set_t *cpus);

/* Every shard has left. NULL is allowed. */
void torc__stalls_close(struct torc_stalls *stalls);

/* On the shard's own thread. `stalls` may be NULL. */
void torc__stalls_join(struct torc_stalls *stalls, struct torc_shard *shard);
void torc__stalls_leave(struct torc_shard *shard);

/* A shard has woken and found the watcher parked. */
void torc__stalls_unpark(struct torc_stalls *stalls);
extern _Atomic bool torc__stalls_parked;

/* The shard turns. */
static inline void
torc__pulse_beat(struct torc_pulse *pulse)
{
	uint64_t beat =
		atomic_load_explicit(&pulse->beat, memory_order_relaxed);

	/* The watcher looks for a change and for nothing behind it. */
	atomic_store_explicit(&pulse->beat, beat + 2, memory_order_relaxed);
}

/* How often it has turned. */
static inline uint64_t
torc__pulse_turns(const struct torc_pulse *pulse)
{
	return atomic_load_explicit(&pulse->beat, memory_order_relaxed) >> 1;
}

/* How often it stalled, as far as was noticed. */
static inline uint64_t
torc__pulse_stalls(const struct torc_pulse *pulse)
{
	return atomic_load_explicit(&pulse->stalled, memory_order_relaxed);
}

/* It begins to wait. */
static inline void
torc__pulse_rest(struct torc_pulse *pulse)
{
	uint64_t beat =
		atomic_load_explicit(&pulse->beat, memory_order_relaxed);

	atomic_store_explicit(&pulse->beat, beat | 1, memory_order_relaxed);
}

/*
 * It goes on. Sequentially consistent, like the watcher's own pair: either it
 * sees this pulse before it parks, or we see that it has parked.
 */
static inline void
torc__pulse_wake(struct torc_pulse *pulse)
{
	if (pulse->stalls == NULL)
		return;
	atomic_fetch_and(&pulse->beat, ~UINT64_C(1));
	if (atomic_load(&torc__stalls_parked))
		torc__stalls_unpark(pulse->stalls);
}

#endif /* TORC_CORE_STALL_PRIV_H */
