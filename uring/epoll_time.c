/* SPDX-License-Identifier: MIT */
#include "uring/epoll_priv.h"

#include <torc/base/clock.h>

static struct torc_epoll_op *
op_of(struct torc_link *timed)
{
	return torc__container_of(timed, struct torc_epoll_op, timed);
}

/* There are few, and the next is mostly the last: torc has its own timers. */
void
torc__epoll_time_wait(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	struct torc_link *before = epoll->timed.prev;

	while (before != &epoll->timed &&
		op_of(before)->until_ns > op->until_ns)
		before = before->prev;
	torc__list_insert(&op->timed, before, before->next);
}

void
torc__epoll_time_run(struct torc_ring *ring)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	struct torc_link *first = torc__list_first(&epoll->timed);
	uint64_t now_ns;

	if (torc_likely(first == NULL))
		return;
	now_ns = torc_clock_ns();
	while (first != NULL && op_of(first)->until_ns <= now_ns) {
		torc__list_remove(first);
		torc__epoll_op_run(ring, op_of(first));
		first = torc__list_first(&epoll->timed);
	}
}

uint64_t
torc__epoll_time_next_ns(const struct torc_epoll *epoll)
{
	struct torc_link *first = torc__list_first(&epoll->timed);

	return first != NULL ? op_of(first)->until_ns : UINT64_MAX;
}
