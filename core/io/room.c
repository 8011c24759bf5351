/* SPDX-License-Identifier: MIT */
#include "core/io/room_priv.h"

#include <errno.h>
#include <poll.h>

static void
arm(struct torc_room *room)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&room->shard->ring);

	io_uring_prep_poll_multishot(sqe, room->fd, POLLOUT);
	torc__op_submit(&room->shard->ring, &room->op, sqe);
}

static void
notify(struct torc_room *room, int64_t value)
{
	struct torc_future *waiter = room->waiter;

	room->waiter = NULL;
	if (waiter != NULL)
		torc_future_complete(waiter, value);
}

static void
on_event(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_room *room = torc__container_of(op, struct torc_room, op);
	bool is_over = !(cqe_flags & IORING_CQE_F_MORE);

	(void)res;
	/* Whatever it was, the send that is tried next finds out. */
	room->has_changed = true;
	if (!room->is_closing && is_over)
		arm(room);
	if (!room->is_closing || is_over)
		notify(room, 0);
}

void
torc__room_open(struct torc_room *room, struct torc_shard *shard, int fd)
{
	*room = (struct torc_room){ .shard = shard, .fd = fd };
	torc__op_init(&room->op, on_event);
	arm(room);
}

static void
cancel_wait(struct torc_future *future)
{
	struct torc_room *room = torc_future_source(future);

	room->waiter = NULL;
	torc_future_complete(future, -ECANCELED);
}

int
torc__room_wait(struct torc_room *room)
{
	struct torc_future future;
	int ret;

	torc_future_init(&future, cancel_wait, room);
	room->waiter = &future;
	if (room->has_changed)
		notify(room, 0);
	ret = (int)torc_await(&future);
	room->has_changed = false;
	return ret;
}

void
torc__room_close(struct torc_room *room)
{
	struct torc_future future;

	room->is_closing = true;
	torc__op_cancel(&room->shard->ring, &room->op);
	torc_future_init(&future, NULL, NULL);
	room->waiter = &future;
	torc__await_shielded(&future);
}
