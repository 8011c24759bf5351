/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_TICKER_H
#define TORC_CORE_TICKER_H

/*
 * ticker - something is due again and again, a period apart
 *
 *   torc_ticker_init(&ticker, TORC_S, TORC_TICKER_SKIP);
 *   while (torc_ticker_next(&ticker) == 0)
 *           report();
 *
 * The first tick is due at once. A tick that nobody waits for is not lost:
 * the next call returns it at once, and it is late. What follows a late tick
 * is a matter of choice; with a period of 10 ms, ticks due at 0, 10, 20 ...,
 * and a task that comes back for the second one at 35:
 *
 *   BURST  10 20 30  40 50   at 35, 35, 35, 40, 50   none is left out
 *   DELAY  10 45 55  65 75   at 35, 45, 55, 65, 75   none follows sooner
 *   SKIP   10 40 50  60 70   at 35, 40, 50, 60, 70   the beat stays
 *
 * Late      DELAY takes a tick as late when it is delivered more than 1 ms,
 *           or a quarter of the period if that is less, after it was due;
 *           the grain of timers moves no beat. The others need no bound.
 * Lifetime  The caller's memory; from start until `done` is ready it belongs
 *           to the runtime. There is nothing to be closed.
 * Shard     One.
 * Errors    0; -ECANCELED, -ETIMEDOUT: the tick stays due. A period of 0
 *           and two waits at once are mistakes: asserted.
 */

#include <stdint.h>

#include <torc/core/future.h>
#include <torc/core/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

enum torc_ticker_late {
	TORC_TICKER_BURST, /* all that were missed, one after the other */
	TORC_TICKER_DELAY, /* the next is a period after this one came */
	TORC_TICKER_SKIP,  /* on with the first that is not missed yet */
};

struct torc_ticker {
	/* Result, after each tick: when it was due, as torc_now_ns(). */
	uint64_t due_ns;

	/* Of torc_ticker_next_start(): value 0. */
	struct torc_future done;

	/* Runtime only. */
	struct torc_timer _timer;
	uint64_t _next_ns;
	uint64_t _period_ns;
	enum torc_ticker_late _late;
};

/* The first tick is due now. */
void torc_ticker_init(struct torc_ticker *ticker, uint64_t period_ns,
	enum torc_ticker_late late);

/* The first tick is due at `when_ns`, as torc_now_ns() tells time. */
void torc_ticker_init_at(struct torc_ticker *ticker, uint64_t when_ns,
	uint64_t period_ns, enum torc_ticker_late late);

/*
 * Wait for the next tick. Returns 0, -ECANCELED or -ETIMEDOUT. Cost: as a
 * sleep; when the tick is late, one unit of the budget.
 */
int torc_ticker_next(struct torc_ticker *ticker)
	__attribute__((warn_unused_result));

/*
 * Start only; await, select on or cancel ticker->done. A tick that was
 * cancelled, its value is below 0, is due still. One with the value 0 was
 * had, also when it lost a select: the next call waits for the next one.
 */
void torc_ticker_next_start(struct torc_ticker *ticker);

/*
 * Begin anew: the next tick is due a period from now, or at `when_ns`. A
 * wait that is under way goes on until then.
 */
void torc_ticker_reset(struct torc_ticker *ticker);
void torc_ticker_reset_at(struct torc_ticker *ticker, uint64_t when_ns);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_TICKER_H */
