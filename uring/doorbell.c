/* SPDX-License-Identifier: MIT */
#include "uring/doorbell_priv.h"

static void
arm(struct torc_doorbell *bell)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(bell->ring);

	io_uring_prep_read(sqe, bell->fd, &bell->count, sizeof(bell->count), 0);
	torc__op_submit(bell->ring, &bell->op, sqe);
}

static void
on_rung(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_doorbell *bell =
		torc__container_of(op, struct torc_doorbell, op);

	(void)res;
	(void)cqe_flags;
	/* The wait has ended, which is all; the count tells nothing more. */
	if (!bell->is_closing)
		arm(bell);
}

int
torc__doorbell_open(struct torc_doorbell *bell, struct torc_ring *ring)
{
	const struct torc_engine *engine = ring->engine;
	int fd = engine->event_open(ring);

	if (fd < 0)
		return fd;
	*bell = (struct torc_doorbell){
		.ring = ring, .engine = engine, .fd = fd, .message_fd = -1
	};
	if (engine->message_open != NULL)
		bell->message_fd = engine->message_open(ring);
	torc__op_init(&bell->op, on_rung);
	arm(bell);
	return 0;
}

void
torc__doorbell_cancel(struct torc_doorbell *bell)
{
	bell->is_closing = true;
	torc__op_cancel(bell->ring, &bell->op);
}

void
torc__doorbell_close(struct torc_doorbell *bell)
{
	/* Else the pending read still has it. */
	if (torc__op_is_idle(&bell->op))
		bell->engine->close_fd(bell->ring, bell->fd);
	if (bell->message_fd >= 0)
		bell->engine->close_fd(bell->ring, bell->message_fd);
}

void
torc__doorbell_ring_remote(struct torc_doorbell *bell)
{
	if (bell->message_fd < 0 ||
		bell->engine->message_remote(bell->message_fd) < 0)
		bell->engine->event_ring_remote(bell->ring, bell->fd);
}
