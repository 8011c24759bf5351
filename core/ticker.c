/* SPDX-License-Identifier: MIT */
#include <torc/core/ticker.h>

#include <errno.h>

#include <torc/base/clock.h>

#include "core/shard_priv.h"

/* DELAY: later than this is late. A timer's grain and a wake are less. */
#define SLACK_MAX_NS TORC_MS

static struct torc_shard *
current(void)
{
	if (torc_unlikely(torc__shard == NULL))
		torc__panic("a ticker outside a task: only functions that "
			    "torc_spawn() started may wait");
	return torc__shard;
}

static uint64_t
sum(uint64_t ns, uint64_t span_ns)
{
	return ns > UINT64_MAX - span_ns ? UINT64_MAX : ns + span_ns;
}

/* After one that was due at due_ns, and delivered at now_ns. */
static uint64_t
following(const struct torc_ticker *ticker, uint64_t due_ns, uint64_t now_ns)
{
	uint64_t period_ns = ticker->_period_ns;
	uint64_t late_ns = now_ns > due_ns ? now_ns - due_ns : 0;
	uint64_t slack_ns = period_ns / 4;

	switch (ticker->_late) {
	case TORC_TICKER_BURST:
		break;
	case TORC_TICKER_DELAY:
		if (slack_ns > SLACK_MAX_NS)
			slack_ns = SLACK_MAX_NS;
		if (late_ns > slack_ns)
			return sum(now_ns, period_ns);
		break;
	case TORC_TICKER_SKIP:
		due_ns += late_ns - late_ns % period_ns;
		break;
	}
	return sum(due_ns, period_ns);
}

static void
deliver(struct torc_ticker *ticker, uint64_t now_ns)
{
	ticker->due_ns = ticker->_next_ns;
	ticker->_next_ns = following(ticker, ticker->due_ns, now_ns);
}

static void
on_time(struct torc_timer *timer)
{
	struct torc_ticker *ticker =
		torc__container_of(timer, struct torc_ticker, _timer);

	deliver(ticker, torc__shard->now_ns);
	torc_future_complete(&ticker->done, 0);
}

static void
cancel_tick(struct torc_future *done)
{
	struct torc_ticker *ticker = torc_future_source(done);

	torc__wheel_disarm(&torc__shard->wheel, &ticker->_timer);
	torc_future_complete(done, -ECANCELED);
}

void
torc_ticker_init_at(struct torc_ticker *ticker, uint64_t when_ns,
	uint64_t period_ns, enum torc_ticker_late late)
{
	if (torc_unlikely(period_ns == 0))
		torc__panic("torc_ticker_init: a period of 0 would never let "
			    "time pass");
	*ticker = (struct torc_ticker){ ._timer = { .fn = on_time },
		._next_ns = when_ns,
		._period_ns = period_ns,
		._late = late };
}

void
torc_ticker_init(struct torc_ticker *ticker, uint64_t period_ns,
	enum torc_ticker_late late)
{
	/* Not the turn's clock: the second tick is a whole period away. */
	torc_ticker_init_at(
		ticker, torc__ring_now_ns(&current()->ring), period_ns, late);
}

void
torc_ticker_next_start(struct torc_ticker *ticker)
{
	struct torc_shard *shard = current();
	uint64_t now_ns = shard->now_ns;

	if (torc_unlikely(torc__timer_is_armed(&ticker->_timer)))
		torc__panic("torc_ticker_next: somebody waits for this ticker "
			    "already");
	torc_future_init(&ticker->done, cancel_tick, ticker);
	/* The turn's clock may be old after a long computation. */
	if (ticker->_next_ns > now_ns)
		now_ns = torc__ring_now_ns(&shard->ring);
	if (ticker->_next_ns <= now_ns) {
		deliver(ticker, now_ns);
		torc_future_complete(&ticker->done, 0);
		return;
	}
	torc__wheel_arm(&shard->wheel, &ticker->_timer, ticker->_next_ns);
}

int
torc_ticker_next(struct torc_ticker *ticker)
{
	int ret;

	(void)torc__task_current("torc_ticker_next");
	ret = torc_interrupted();
	if (ret < 0)
		return ret;
	torc_ticker_next_start(ticker);
	return (int)torc_await(&ticker->done);
}

void
torc_ticker_reset_at(struct torc_ticker *ticker, uint64_t when_ns)
{
	ticker->_next_ns = when_ns;
	if (torc__timer_is_armed(&ticker->_timer))
		torc__wheel_arm(&current()->wheel, &ticker->_timer, when_ns);
}

void
torc_ticker_reset(struct torc_ticker *ticker)
{
	torc_ticker_reset_at(ticker,
		sum(torc__ring_now_ns(&current()->ring), ticker->_period_ns));
}
