/* SPDX-License-Identifier: MIT */
/*
 * What sends on connections: as much as there is room for, or an error.
 */
#include <errno.h>

#include "uring/sim_world_priv.h"

#define MSG_KNOWN (MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT)

static enum torc_sim_attempt
send_failed(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;
	int error = file->error;

	/*
	 * A part had left: the part is the result. The error waits for the
	 * next call, or is gone, which measures both ways.
	 */
	if (op->done_bytes > 0) {
		if (torc__sim_strikes(sim, TORC__SIM_SWALLOW))
			file->error = 0;
		return torc__sim_done(op, (int32_t)op->done_bytes);
	}
	if (file->kind == TORC__SIM_UNIX || error == 0)
		return torc__sim_done(op, -EPIPE);
	file->error = 0;
	return torc__sim_done(op, -error);
}

/* Into the air: nobody is there, and says so. */
static uint32_t
send_to_nobody(struct torc_sim *sim, struct torc_sim_file *file, uint32_t bytes)
{
	if (file->reset.slot == 0)
		torc__sim_event_arm(sim, &file->reset,
			sim->now_ns + 2 * sim->config.latency_max_ns);
	return bytes;
}

static void
reset_both(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_sim_file *peer = file->peer;

	if (peer != NULL)
		torc__sim_event_arm(sim, &peer->reset,
			sim->now_ns + torc__sim_draw_below(sim,
					      1 + 2 * peer->rx.latency_ns));
	torc__sim_event_arm(sim, &file->reset,
		sim->now_ns +
			torc__sim_draw_below(sim, 1 + 2 * file->rx.latency_ns));
}

/* How much goes now of one piece; 0: it must wait. */
static uint32_t
send_piece(struct torc_sim *sim, struct torc_sim_op *op, const void *data,
	size_t bytes)
{
	struct torc_sim_file *file = op->file;
	uint32_t room;

	if (bytes > INT32_MAX - op->done_bytes)
		bytes = INT32_MAX - op->done_bytes;
	if (file->peer == NULL)
		return send_to_nobody(sim, file, (uint32_t)bytes);
	room = torc__sim_pipe_room(&file->peer->rx);
	if (bytes > room)
		bytes = room;
	if (bytes > 0)
		torc__sim_pipe_put(sim, &file->peer->rx, data, (uint32_t)bytes);
	return (uint32_t)bytes;
}

static bool
can_send(const struct torc_sim_file *file)
{
	if (file->state != TORC__SIM_CONNECTED || file->is_write_shut)
		return false;
	if (file->kind == TORC__SIM_UNIX)
		return file->peer != NULL && !file->peer->is_read_shut;
	return file->error == 0;
}

/* All pieces from done_bytes on, at most `max` bytes of them. */
static void
send_pieces(struct torc_sim *sim, struct torc_sim_op *op,
	const struct iovec *pieces, size_t count, uint64_t max)
{
	uint64_t skip = op->done_bytes, limit = op->done_bytes + max;

	for (size_t i = 0; i < count && op->done_bytes < limit; i++) {
		size_t bytes = pieces[i].iov_len;
		uint32_t sent;

		if (skip >= bytes) {
			skip -= bytes;
			continue;
		}
		bytes -= skip;
		if (bytes > limit - op->done_bytes)
			bytes = limit - op->done_bytes;
		sent = send_piece(sim, op,
			(const uint8_t *)pieces[i].iov_base + skip, bytes);
		skip = 0;
		op->done_bytes += sent;
		if (sent < bytes)
			return;
	}
}

static enum torc_sim_attempt
wait_for_room(struct torc_sim_op *op)
{
	if (!(op->sqe.msg_flags & MSG_DONTWAIT))
		return torc__sim_blocked(op, &op->file->writers);
	return torc__sim_done(
		op, op->done_bytes > 0 ? (int32_t)op->done_bytes : -EAGAIN);
}

static enum torc_sim_attempt
send_part(struct torc_sim *sim, struct torc_sim_op *op,
	const struct iovec *pieces, size_t count, uint64_t total)
{
	bool is_all = op->sqe.msg_flags & MSG_WAITALL;
	uint64_t max = total - op->done_bytes;

	if (max > 1 && torc__sim_strikes(sim, TORC__SIM_SHORT_SEND))
		max = 1 + torc__sim_draw_below(sim, max - 1);
	send_pieces(sim, op, pieces, count, max);
	if (op->done_bytes == total || (op->done_bytes > 0 && !is_all))
		return torc__sim_done(op, (int32_t)op->done_bytes);
	return wait_for_room(op);
}

/* All of it at once. */
static enum torc_sim_attempt
send_packet(struct torc_sim *sim, struct torc_sim_op *op,
	const struct iovec *pieces, size_t count, uint64_t total)
{
	const struct torc_sim_pipe *pipe = &op->file->peer->rx;
	uint32_t room = torc__sim_pipe_room(pipe);

	if (total > pipe->sndbuf_bytes)
		return torc__sim_done(op, -EMSGSIZE);
	if (room == 0 || room < total)
		return wait_for_room(op);
	send_pieces(sim, op, pieces, count, total);
	return torc__sim_done(op, (int32_t)total);
}

static enum torc_sim_attempt
send_now(struct torc_sim *sim, struct torc_sim_op *op,
	const struct iovec *pieces, size_t count, const struct msghdr *msg)
{
	struct torc_sim_file *file = op->file;
	uint32_t before = op->done_bytes;
	struct torc_sim_note *note;
	enum torc_sim_attempt how;
	uint64_t total = 0;
	int ret = torc__sim_note_make(sim, op, msg, &note);

	if (ret < 0)
		return torc__sim_done(op, ret);
	for (size_t i = 0; i < count; i++)
		total += pieces[i].iov_len;
	how = file->is_packet ? send_packet(sim, op, pieces, count, total)
			      : send_part(sim, op, pieces, count, total);
	if (op->done_bytes > before || (how == TORC__SIM_DONE && op->res >= 0))
		torc__sim_note_put(
			sim, file->peer, op->done_bytes - before, note);
	else
		torc__sim_note_drop(sim, note);
	return how;
}

static enum torc_sim_attempt
send_stream(struct torc_sim *sim, struct torc_sim_op *op,
	const struct iovec *pieces, size_t count, const struct msghdr *msg)
{
	struct torc_sim_file *file = op->file;

	if (file->state == TORC__SIM_NEW || file->state == TORC__SIM_CONNECTING)
		return torc__sim_done(
			op, file->kind == TORC__SIM_UNIX ? -ENOTCONN : -EPIPE);
	if (!can_send(file))
		return send_failed(sim, op);
	if (torc__sim_strikes(sim, TORC__SIM_RESET) &&
		file->kind == TORC__SIM_TCP)
		reset_both(sim, file);
	return send_now(sim, op, pieces, count, msg);
}

enum torc_sim_attempt
torc__sim_try_send(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct iovec piece = { (void *)(uintptr_t)op->sqe.addr, op->sqe.len };

	if (op->sqe.msg_flags & ~(uint32_t)MSG_KNOWN || op->sqe.ioprio != 0 ||
		op->sqe.flags & IOSQE_BUFFER_SELECT || op->sqe.addr2 != 0)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (op->file->kind > TORC__SIM_UDP)
		return torc__sim_done(op, -ENOTSOCK);
	if (op->file->kind == TORC__SIM_UDP)
		return torc__sim_done(op, -EDESTADDRREQ);
	return send_stream(sim, op, &piece, 1, NULL);
}

enum torc_sim_attempt
torc__sim_send_vector(
	struct torc_sim *sim, struct torc_sim_op *op, const struct msghdr *msg)
{
	return send_stream(sim, op, msg->msg_iov, msg->msg_iovlen, msg);
}
