/* SPDX-License-Identifier: MIT */
#include <torc/core/ticker.h>

#include <errno.h>

#include <torc/base/clock.h>

#include "core/shard_priv.h"

/* DELAY: later than this is late. A timer's grain and a wake are less. */
#define SLACK_MAX_NS TORC_MS

/* Not the turn's clock: it is old after a long computation. */
static uint64_t
now_ns(void)
{
	return torc__ring_now_ns(&torc__shard_current("a ticker")->ring);
}

static uint64_t
sum(uint64_t ns, uint64_t span_ns)
{
	return ns > UINT64_MAX - span_ns ? UINT64_MAX : ns + span_ns;
}

/* After one that was due at due_ns, and delivered at came_ns. */
static uint64_t
following(const struct torc_ticker *ticker, uint64_t due_ns, uint64_t came_ns)
{
	uint64_t period_ns = ticker->_period_ns;
	uint64_t late_ns = came_ns > due_ns ? came_ns - due_ns : 0;
	uint64_t slack_ns = period_ns / 4;

	switch (ticker->_late) {
	case TORC_TICKER_BURST:
		break;
	case TORC_TICKER_DELAY:
		if (slack_ns > SLACK_MAX_NS)
			slack_ns = SLACK_MAX_NS;
		if (late_ns > slack_ns)
			return sum(came_ns, period_ns);
		break;
	case TORC_TICKER_SKIP:
		due_ns += late_ns - late_ns % period_ns;
		break;
	}
	return sum(due_ns, period_ns);
}

static void
deliver(struct torc_ticker *ticker, uint64_t came_ns)
{
	ticker->due_ns = ticker->_next_ns;
	ticker->_next_ns = following(ticker, ticker->due_ns, came_ns);
}

static void
on_time(struct torc_timer *timer)
{
	struct torc_ticker *ticker =
		torc__container_of(timer, struct torc_ticker, _timer);

	deliver(ticker, now_ns());
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
	torc_ticker_init_at(ticker, now_ns(), period_ns, late);
}

void
torc_ticker_next_start(struct torc_ticker *ticker)
{
	uint64_t came_ns = now_ns();

	if (torc_unlikely(torc__timer_is_armed(&ticker->_timer)))
		torc__panic("torc_ticker_next: somebody waits for this ticker "
			    "already");
	torc_future_init(&ticker->done, cancel_tick, ticker);
	if (ticker->_next_ns <= came_ns) {
		deliver(ticker, came_ns);
		torc_future_complete(&ticker->done, 0);
		return;
	}
	torc__wheel_arm(&torc__shard->wheel, &ticker->_timer, ticker->_next_ns);
}

int
torc_ticker_next(struct torc_ticker *ticker)
{
	int ret = torc__interrupted("torc_ticker_next");

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
		torc__wheel_arm(&torc__shard_current("a ticker")->wheel,
			&ticker->_timer, when_ns);
}

void
torc_ticker_reset(struct torc_ticker *ticker)
{
	torc_ticker_reset_at(ticker, sum(now_ns(), ticker->_period_ns));
}
