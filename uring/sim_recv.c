/* SPDX-License-Identifier: MIT */
/*
 * What receives: from connections, into buffers of the caller or of a group;
 * and polls.
 */
#include <errno.h>
#include <poll.h>

#include "uring/sim_world_priv.h"

#define MSG_KNOWN (MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT | MSG_TRUNC)

enum torc_sim_attempt
torc__sim_recv_nothing(struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;
	bool is_end =
		file->rx.is_end_seen && file->rx.end == TORC__SIM_PIPE_FIN;

	/* TCP says the end again before it looks for an error. */
	if (is_end && file->kind == TORC__SIM_TCP)
		return torc__sim_done(op, (int32_t)op->done_bytes);
	if (file->error != 0 && op->done_bytes == 0) {
		int error = file->error;

		file->error = 0;
		return torc__sim_done(op, -error);
	}
	if (is_end || file->is_read_shut || file->state == TORC__SIM_DEAD)
		return torc__sim_done(op, (int32_t)op->done_bytes);
	if (file->state != TORC__SIM_CONNECTED)
		return torc__sim_done(op, -ENOTCONN);
	if (op->sqe.msg_flags & MSG_DONTWAIT)
		return torc__sim_done(op,
			op->done_bytes > 0 ? (int32_t)op->done_bytes : -EAGAIN);
	return torc__sim_blocked(op, &file->readers);
}

/* With MSG_TRUNC a packet's length is told, and not what fitted. */
static int32_t
length_of(const struct torc_sim_op *op, const struct torc_sim_take *take)
{
	return (int32_t)(op->file->is_packet && op->sqe.msg_flags & MSG_TRUNC
				 ? take->whole
				 : take->bytes);
}

static enum torc_sim_attempt
recv_selected(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;
	struct torc_ring *ring = op->ring->ring;
	struct torc_soft_buffer buffer;
	struct torc_sim_take take;

	/* It is chosen before anything is received: none, and it ends. */
	if (torc__soft_next_buffer(ring, op->sqe.buf_group, &buffer) < 0 ||
		torc__sim_strikes(sim, TORC__SIM_NO_BUFS))
		return torc__sim_done(op, -ENOBUFS);
	if (op->sqe.len != 0 && op->sqe.len < buffer.bytes)
		buffer.bytes = op->sqe.len;
	if (op->is_capped && op->cap_bytes < buffer.bytes)
		buffer.bytes = op->cap_bytes;
	if (!torc__sim_take_begin(sim, file, buffer.bytes, &take))
		return torc__sim_recv_nothing(op);
	if (take.bytes > 0)
		torc__sim_pipe_get(sim, &file->rx, buffer.data, take.bytes);
	op->res = length_of(op, &take);
	torc__sim_take_end(sim, file, &take, NULL);
	/* An empty packet looks like an end, to the multishot as well. */
	if (op->res == 0)
		return TORC__SIM_DONE;
	op->cqe_flags = torc__soft_use_buffer(ring, op->sqe.buf_group, &buffer);
	if (op->is_capped) {
		op->cap_bytes -= take.bytes;
		if (op->cap_bytes == 0)
			return TORC__SIM_DONE;
	}
	return op->is_multishot ? TORC__SIM_MORE : TORC__SIM_DONE;
}

static enum torc_sim_attempt
recv_plain(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;
	bool is_all = op->sqe.msg_flags & MSG_WAITALL;
	uint32_t max = op->sqe.len - op->done_bytes;
	struct torc_sim_take take;

	if (op->sqe.len == 0 && !file->is_packet)
		return torc__sim_done(op, 0);
	if (!torc__sim_take_begin(sim, file, max, &take))
		return torc__sim_recv_nothing(op);
	if (take.bytes > 0)
		torc__sim_pipe_get(sim, &file->rx,
			(uint8_t *)(uintptr_t)op->sqe.addr + op->done_bytes,
			take.bytes);
	torc__sim_take_end(sim, file, &take, NULL);
	if (file->is_packet)
		return torc__sim_done(op, length_of(op, &take));
	op->done_bytes += take.bytes;
	/* Short by choice of the adversary: then it is short. */
	if (is_all && take.bytes < max && file->rx.arrived == file->rx.head)
		return torc__sim_recv_nothing(op);
	return torc__sim_done(op, (int32_t)op->done_bytes);
}

static bool
is_recv_known(const struct torc_sim_op *op)
{
	return (op->sqe.msg_flags & ~(uint32_t)MSG_KNOWN) == 0 &&
	       (op->sqe.ioprio & ~IORING_RECV_MULTISHOT) == 0;
}

enum torc_sim_attempt
torc__sim_try_recv(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;
	bool is_selected = op->sqe.flags & IOSQE_BUFFER_SELECT;

	if (!is_recv_known(op))
		return torc__sim_done(op, -EOPNOTSUPP);
	if (file->kind > TORC__SIM_UDP)
		return torc__sim_done(op, -ENOTSOCK);
	if (file->kind == TORC__SIM_UDP)
		return torc__sim_done(op, -EOPNOTSUPP);
	op->is_multishot = op->sqe.ioprio & IORING_RECV_MULTISHOT;
	if (op->is_multishot &&
		(!is_selected || op->sqe.msg_flags & MSG_WAITALL))
		return torc__sim_done(op, -EINVAL);
	if (op->sqe.optlen != 0 && (sim->is_cap_refused || !op->is_multishot))
		return torc__sim_done(op, -EINVAL);
	if (op->sqe.optlen != 0 && !op->is_capped) {
		op->is_capped = true;
		op->cap_bytes = op->sqe.optlen;
	}
	return is_selected ? recv_selected(sim, op) : recv_plain(sim, op);
}

enum torc_sim_attempt
torc__sim_try_poll(struct torc_sim *sim, struct torc_sim_op *op)
{
	uint32_t wanted = op->sqe.poll32_events | POLLERR | POLLHUP;
	uint32_t mask;

	(void)sim;
	op->is_multishot = op->sqe.len & IORING_POLL_ADD_MULTI;
	if (op->sqe.len & ~IORING_POLL_ADD_MULTI)
		return torc__sim_done(op, -EOPNOTSUPP);
	/* A multishot shows a state once, and again when something changed. */
	mask = op->is_polled ? 0 : torc__sim_file_poll(op->file) & wanted;
	op->is_polled = true;
	if (mask == 0)
		return torc__sim_blocked(op, &op->file->pollers);
	op->res = (int32_t)mask;
	return op->is_multishot ? TORC__SIM_MORE : TORC__SIM_DONE;
}
