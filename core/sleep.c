/* SPDX-License-Identifier: MIT */
#include <torc/core/sleep.h>

#include <errno.h>

#include "core/shard_priv.h"

static void
on_time(struct torc_timer *timer)
{
	struct torc_sleep *sleep =
		torc__container_of(timer, struct torc_sleep, _timer);

	torc_future_complete(&sleep->done, 0);
}

static void
cancel_sleep(struct torc_future *done)
{
	struct torc_sleep *sleep = torc_future_source(done);

	torc__wheel_disarm(&torc__shard->wheel, &sleep->_timer);
	torc_future_complete(done, -ECANCELED);
}

uint64_t
torc_now_ns(void)
{
	if (torc_unlikely(torc__shard == NULL))
		torc__panic("torc_now_ns outside a shard: elsewhere "
			    "torc_clock_ns() tells the time");
	return torc__shard->now_ns;
}

void
torc_sleep_until_start(struct torc_sleep *sleep, uint64_t when_ns)
{
	struct torc_shard *shard = torc__shard_current("a sleep");

	*sleep = (struct torc_sleep){ ._timer = { .fn = on_time } };
	torc_future_init(&sleep->done, cancel_sleep, sleep);
	torc__wheel_arm(&shard->wheel, &sleep->_timer, when_ns);
}

void
torc_sleep_start(struct torc_sleep *sleep, uint64_t delay_ns)
{
	struct torc_shard *shard = torc__shard_current("a sleep");
	uint64_t when_ns;

	/* Not the turn's clock: a sleep is never shorter than asked for. */
	if (__builtin_add_overflow(
		    torc__ring_now_ns(&shard->ring), delay_ns, &when_ns))
		when_ns = UINT64_MAX;
	torc_sleep_until_start(sleep, when_ns);
}

int
torc_sleep(uint64_t delay_ns)
{
	struct torc_sleep sleep;

	torc_sleep_start(&sleep, delay_ns);
	return (int)torc_await(&sleep.done);
}

int
torc_sleep_until(uint64_t when_ns)
{
	struct torc_sleep sleep;

	torc_sleep_until_start(&sleep, when_ns);
	return (int)torc_await(&sleep.done);
}
