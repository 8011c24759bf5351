/* SPDX-License-Identifier: MIT */
/*
 * What receives: from connections, into buffers of the caller or of a group;
 * reads of events and signals; polls.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>

#include "uring/sim_world_priv.h"

#define MSG_KNOWN (MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT | MSG_TRUNC)

/* Nothing is there: the error, once, an end, or wait. */
static enum torc_sim_attempt
recv_nothing(struct torc_sim_op *op)
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

static uint32_t
recv_bytes(struct torc_sim *sim, const struct torc_sim_file *file, uint32_t max)
{
	uint64_t there = file->rx.arrived - file->rx.head;
	uint32_t bytes = there < max ? (uint32_t)there : max;

	if (bytes > 1 && torc__sim_strikes(sim, TORC__SIM_SHORT_RECV))
		bytes = 1 + (uint32_t)torc__sim_draw_below(sim, bytes - 1);
	return bytes;
}

static enum torc_sim_attempt
recv_selected(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;
	struct torc_ring *ring = op->ring->ring;
	struct torc_soft_buffer buffer;
	uint32_t bytes;

	/* It is chosen before anything is received: none, and it ends. */
	if (torc__soft_next_buffer(ring, op->sqe.buf_group, &buffer) < 0 ||
		torc__sim_strikes(sim, TORC__SIM_NO_BUFS))
		return torc__sim_done(op, -ENOBUFS);
	if (op->sqe.len != 0 && op->sqe.len < buffer.bytes)
		buffer.bytes = op->sqe.len;
	if (op->is_capped && op->cap_bytes < buffer.bytes)
		buffer.bytes = op->cap_bytes;
	bytes = recv_bytes(sim, file, buffer.bytes);
	if (bytes == 0)
		return recv_nothing(op);
	torc__sim_pipe_get(sim, &file->rx, buffer.data, bytes);
	op->cqe_flags = torc__soft_use_buffer(ring, op->sqe.buf_group, &buffer);
	op->res = (int32_t)bytes;
	if (op->is_capped) {
		op->cap_bytes -= bytes;
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
	uint32_t max = op->sqe.len - op->done_bytes, bytes;

	if (op->sqe.len == 0)
		return torc__sim_done(op, 0);
	bytes = recv_bytes(sim, file, max);
	if (bytes == 0)
		return recv_nothing(op);
	torc__sim_pipe_get(sim, &file->rx,
		(uint8_t *)(uintptr_t)op->sqe.addr + op->done_bytes, bytes);
	op->done_bytes += bytes;
	/* Short by choice of the adversary: then it is short. */
	if (is_all && bytes < max && file->rx.arrived == file->rx.head)
		return recv_nothing(op);
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

static int
take_signal(struct torc_sim_file *file)
{
	for (int signo = 1; signo < 64; signo++) {
		if (!(file->raised >> signo & 1))
			continue;
		file->raised &= ~(UINT64_C(1) << signo);
		return signo;
	}
	return 0;
}

static enum torc_sim_attempt
read_signal(struct torc_sim_op *op)
{
	struct signalfd_siginfo info = { 0 };
	int signo;

	if (op->sqe.len < sizeof(info))
		return torc__sim_done(op, -EINVAL);
	signo = take_signal(op->file);
	if (signo == 0)
		return torc__sim_blocked(op, &op->file->readers);
	info.ssi_signo = (uint32_t)signo;
	memcpy((void *)(uintptr_t)op->sqe.addr, &info, sizeof(info));
	return torc__sim_done(op, sizeof(info));
}

enum torc_sim_attempt
torc__sim_try_read(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;

	(void)sim;
	if (op->sqe.flags & IOSQE_BUFFER_SELECT || file->kind < TORC__SIM_EVENT)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (file->kind == TORC__SIM_SIGNALS)
		return read_signal(op);
	if (op->sqe.len < sizeof(file->count))
		return torc__sim_done(op, -EINVAL);
	if (file->count == 0)
		return torc__sim_blocked(op, &file->readers);
	memcpy((void *)(uintptr_t)op->sqe.addr, &file->count,
		sizeof(file->count));
	file->count = 0;
	return torc__sim_done(op, sizeof(file->count));
}
