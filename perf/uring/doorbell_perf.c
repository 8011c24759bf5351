/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "perf/gbench.h"
#include "uring/doorbell_priv.h"

static void
answer(struct torc_ring *ring)
{
	if (torc__ring_enter(ring, 1, UINT64_MAX) < 0)
		torc__panic("the ring is lost");
	while (torc__ring_cq_count(ring) != 0) {
		struct torc_cqe cqe = torc__ring_pop(ring);

		torc__op_dispatch(ring, cqe.user_data, cqe.res, cqe.flags);
	}
}

/* One side: a ring, and its bell, by messages or by its event alone. */
struct side {
	struct torc_ring ring;
	struct torc_doorbell bell;
	struct side *other;
	bool is_message;
	_Atomic bool is_open, is_over;
};

static int
open_side(struct side *side)
{
	struct torc_ring_options options = { 0 };
	int ret = torc__ring_open(&side->ring, &torc__engine_kernel, &options);

	if (ret < 0)
		return ret;
	ret = torc__doorbell_open(&side->bell, &side->ring);
	if (ret == 0 && side->is_message && side->bell.message_fd < 0)
		ret = -EOPNOTSUPP;
	if (ret < 0) {
		torc__ring_close(&side->ring);
		return ret;
	}
	if (!side->is_message && side->bell.message_fd >= 0) {
		close(side->bell.message_fd);
		side->bell.message_fd = -1;
	}
	side->is_open = true;
	return 0;
}

static void
close_side(struct side *side)
{
	torc__doorbell_cancel(&side->bell);
	while (!torc__op_is_idle(&side->bell.op))
		answer(&side->ring);
	torc__doorbell_close(&side->bell);
	torc__ring_close(&side->ring);
}

static void
on_one_thread(struct torc_bench *b, bool is_message)
{
	struct side side = { .is_message = is_message };
	int ret = open_side(&side);

	if (ret < 0) {
		torc_bench_fail(b, strerror(-ret));
		return;
	}
	while (torc_bench_next(b)) {
		torc__doorbell_ring_remote(&side.bell);
		answer(&side.ring);
	}
	close_side(&side);
}

/*
 * Question      What does waking a shard by its event cost the two sides,
 *               without the time in which nobody computes?
 * Unit          One write, the enter that finds it, and the read that is
 *               armed anew; on one thread.
 * Change mind   Below message_and_answer: the event would be the better bell.
 */
static void
event_and_answer(struct torc_bench *b)
{
	on_one_thread(b, false);
}
TORC_BENCH(event_and_answer)

/*
 * Question      The same by a message (IORING_REGISTER_SEND_MSG_RING), which
 *               is the bell wherever the kernel has it.
 * Unit          One message, and the enter that finds it.
 * Change mind   Above event_and_answer.
 */
static void
message_and_answer(struct torc_bench *b)
{
	on_one_thread(b, true);
}
TORC_BENCH(message_and_answer)

static void *
answer_all(void *arg)
{
	struct side *side = arg;
	bool is_over;

	if (open_side(side) < 0)
		torc__panic("the second ring cannot be opened");
	do {
		answer(&side->ring);
		/* Asked before the wake: after it the other may say so. */
		is_over = side->is_over;
		torc__doorbell_ring_remote(&side->other->bell);
	} while (!is_over);
	/* Its ring must live while the other may still send to it. */
	while (side->other->is_open)
		;
	close_side(side);
	return NULL;
}

static void
between_threads(struct torc_bench *b, bool is_message)
{
	struct side a = { .is_message = is_message };
	struct side z = { .is_message = is_message, .other = &a };
	uint64_t sending_ns = 0;
	pthread_t thread;
	int ret = open_side(&a);

	a.other = &z;
	if (ret == 0)
		ret = -pthread_create(&thread, NULL, answer_all, &z);
	if (ret < 0) {
		torc_bench_fail(b, strerror(-ret));
		return;
	}
	while (!z.is_open)
		;
	while (torc_bench_next(b)) {
		uint64_t began_ns = torc_clock_ns();

		torc__doorbell_ring_remote(&z.bell);
		sending_ns += torc_clock_ns() - began_ns;
		answer(&a.ring);
	}
	torc_bench_note(b, "sender_ns",
		(double)sending_ns / (double)torc_bench_passes(b));
	z.is_over = true;
	torc__doorbell_ring_remote(&z.bell);
	answer(&a.ring);
	a.is_open = false;
	pthread_join(thread, NULL);
	close_side(&a);
}

/*
 * Question      How long until a shard that sleeps in the kernel runs, and how
 *               long is its waker kept?
 * Unit          Two wakes, there and back, each side asleep in its enter; the
 *               wall time counts. sender_ns is one side's system call.
 * Change mind   Below wakes_by_message, in either.
 */
static void
wakes_by_event(struct torc_bench *b)
{
	between_threads(b, false);
}
TORC_BENCH(wakes_by_event)

/*
 * Question      The same by messages.
 * Unit          As above.
 * Change mind   As above.
 */
static void
wakes_by_message(struct torc_bench *b)
{
	between_threads(b, true);
}
TORC_BENCH(wakes_by_message)
