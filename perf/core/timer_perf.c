/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <torc/base/clock.h>

#include "core/timer_priv.h"
#include "perf/gbench.h"

#define PENDING 100000
#define BATCH 64

/* As a server has them: time-outs of up to a minute, in no order. */
struct crowd {
	struct torc_wheel wheel;
	uint64_t now_ns;
	uint64_t random;
	struct torc_timer timers[];
};

static void
ignore(struct torc_timer *timer)
{
	(void)timer;
}

/* xorshift64: the same sequence in every run. */
static uint64_t
draw(struct crowd *crowd)
{
	crowd->random ^= crowd->random << 13;
	crowd->random ^= crowd->random >> 7;
	crowd->random ^= crowd->random << 17;
	return crowd->random;
}

static uint64_t
draw_deadline(struct crowd *crowd)
{
	return crowd->now_ns + TORC_MS + draw(crowd) % (60 * TORC_S);
}

static struct crowd *
gather(struct torc_bench *b, int64_t pending)
{
	struct crowd *crowd = malloc(
		sizeof(*crowd) + (size_t)pending * sizeof(struct torc_timer));

	if (crowd == NULL) {
		torc_bench_fail(b, "out of memory");
		return NULL;
	}
	crowd->now_ns = 1000 * TORC_S;
	crowd->random = 88172645463325252u;
	torc__wheel_init(&crowd->wheel, crowd->now_ns);
	for (int64_t i = 0; i < pending; i++) {
		crowd->timers[i] = (struct torc_timer){ .fn = ignore };
		torc__wheel_arm(
			&crowd->wheel, &crowd->timers[i], draw_deadline(crowd));
	}
	return crowd;
}

/*
 * Question      What does a deadline around one operation cost while
 *               so many connections have time-outs of their own?
 * Unit          One arm and one disarm of a timer, each for another time.
 * Change mind   25 ns, or more with a million than with 100,000: a list of
 *               equal time-outs would then be better.
 */
static void
arm_cancel(struct torc_bench *b)
{
	struct torc_timer timer = { .fn = ignore };
	struct crowd *crowd = gather(b, torc_bench_arg(b));

	while (crowd != NULL && torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			torc__wheel_arm(
				&crowd->wheel, &timer, draw_deadline(crowd));
			torc__wheel_disarm(&crowd->wheel, &timer);
		}
	free(crowd);
}
TORC_BENCH_ARGS(arm_cancel, PENDING, 10 * PENDING)

/*
 * Question      And moving one of the 100,000, which nobody has touched for
 *               long? The timer and both its neighbours are out of the cache.
 * Unit          One arm of an armed timer, chosen at random.
 * Change mind   Five times arm_cancel: idle time-outs would then better be
 *               looked at when they fire than be moved with each message.
 */
static void
move_cold(struct torc_bench *b)
{
	struct crowd *crowd = gather(b, PENDING);

	while (crowd != NULL && torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			torc__wheel_arm(&crowd->wheel,
				&crowd->timers[draw(crowd) % PENDING],
				draw_deadline(crowd));
	free(crowd);
}
TORC_BENCH(move_cold)

/* Timers that fire come back, so that 100,000 stay pending. */
static struct crowd *refill;

static void
again(struct torc_timer *timer)
{
	torc__wheel_arm(&refill->wheel, timer, draw_deadline(refill));
}

/*
 * Question      What does it cost that a timer fires, dealt down the levels
 *               on its way? A simulated minute goes by in steps of 1 ms.
 * Unit          One timer that fires and is armed anew, of 100,000.
 * Change mind   1 us: a heap would then do as well. Most of it is waiting
 *               for memory, so it varies with what else is in the cache.
 */
static void
fire(struct torc_bench *b)
{
	struct crowd *crowd = gather(b, PENDING);
	unsigned fired = 0;

	refill = crowd;
	for (int i = 0; crowd != NULL && i < PENDING; i++)
		crowd->timers[i].fn = again;
	while (crowd != NULL && torc_bench_next(b)) {
		while (fired == 0) {
			crowd->now_ns += TORC_MS;
			fired = torc__wheel_advance(
				&crowd->wheel, crowd->now_ns, UINT32_MAX);
		}
		fired--;
	}
	free(crowd);
}
TORC_BENCH(fire)

/*
 * Question      What does the loop pay each turn to learn that nothing is
 *               due?
 * Unit          One torc__wheel_next_ns() with 100,000 pending.
 * Change mind   10 ns: the result would then be worth keeping.
 */
static void
next_due(struct torc_bench *b)
{
	struct crowd *crowd = gather(b, PENDING);

	while (crowd != NULL && torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			torc_bench_keep(torc__wheel_next_ns(&crowd->wheel));
	free(crowd);
}
TORC_BENCH(next_due)
