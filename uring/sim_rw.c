/* SPDX-License-Identifier: MIT */
/* Reads and writes: of events, signals, pipes and files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/signalfd.h>

#include "uring/sim_disk_priv.h"

/* Linux 6.18; older headers lack it. There are no signals to send here. */
#define NO_SIGNAL 0x00000100
#define AT_POSITION UINT64_MAX
/* Memory, file and offset are multiples of it past the cache. */
#define DIRECT_BYTES 512

/* The memory that an op is about. */
struct pieces {
	const struct iovec *iov;
	uint32_t count;
	uint64_t bytes;
	struct iovec own;
};

static bool
is_vectored(const struct torc_sim_op *op)
{
	return op->sqe.opcode == IORING_OP_READV ||
	       op->sqe.opcode == IORING_OP_WRITEV;
}

static bool
is_fixed(const struct torc_sim_op *op)
{
	return op->sqe.opcode == IORING_OP_READ_FIXED ||
	       op->sqe.opcode == IORING_OP_WRITE_FIXED;
}

/* 0, or what is wrong with it. */
static int
find_pieces(const struct torc_sim_op *op, struct pieces *pieces)
{
	if (op->sqe.flags & IOSQE_BUFFER_SELECT || op->sqe.ioprio != 0 ||
		(op->sqe.rw_flags & ~NO_SIGNAL))
		return -EOPNOTSUPP;
	pieces->own =
		(struct iovec){ (void *)(uintptr_t)op->sqe.addr, op->sqe.len };
	pieces->iov = &pieces->own;
	pieces->count = 1;
	pieces->bytes = 0;
	if (is_vectored(op)) {
		pieces->iov = (const void *)(uintptr_t)op->sqe.addr;
		pieces->count = op->sqe.len;
	}
	if (pieces->count > IOV_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < pieces->count; i++)
		pieces->bytes += pieces->iov[i].iov_len;
	if (pieces->bytes > INT32_MAX)
		pieces->bytes = INT32_MAX;
	if (is_fixed(op))
		return torc__soft_check_fixed(op->ring->ring, op->sqe.buf_index,
			op->sqe.addr, op->sqe.len);
	return 0;
}

/* A part of it, if the adversary wants. */
static uint32_t
shorten(struct torc_sim *sim, enum torc_sim_fault_kind kind, uint64_t bytes)
{
	if (bytes > 1 && torc__sim_strikes(sim, kind))
		bytes = 1 + torc__sim_draw_below(sim, bytes - 1);
	return (uint32_t)bytes;
}

/* ---- files ---- */

static bool
is_aligned(const struct torc_sim_op *op, const struct pieces *pieces)
{
	uint64_t all =
		op->sqe.off == AT_POSITION ? op->file->position : op->sqe.off;

	for (uint32_t i = 0; i < pieces->count; i++)
		all |= (uintptr_t)pieces->iov[i].iov_base |
		       pieces->iov[i].iov_len;
	return all % DIRECT_BYTES == 0;
}

/* 0, or why this file is not read or written like this. */
static int
may_use(const struct torc_sim_op *op, const struct pieces *pieces, int unfit)
{
	const struct torc_sim_file *file = op->file;
	bool is_at = op->sqe.off != AT_POSITION;

	if ((int)(file->open_flags & O_ACCMODE) == unfit)
		return -EBADF;
	if (file->node->is_folder)
		return -EISDIR;
	if (is_at && op->sqe.off > INT64_MAX)
		return -EINVAL;
	if (file->open_flags & O_DIRECT && !is_aligned(op, pieces))
		return -EINVAL;
	return 0;
}

static int32_t
read_file(struct torc_sim *sim, struct torc_sim_op *op,
	const struct pieces *pieces)
{
	struct torc_sim_file *file = op->file;
	bool is_at = op->sqe.off != AT_POSITION;
	uint64_t from = is_at ? op->sqe.off : file->position;
	uint64_t there =
		file->node->bytes > from ? file->node->bytes - from : 0;
	uint32_t max, done = 0;

	if (torc__sim_strikes(sim, TORC__SIM_DISK_ERROR))
		return -EIO;
	max = shorten(sim, TORC__SIM_SHORT_RECV,
		there < pieces->bytes ? there : pieces->bytes);
	for (uint32_t i = 0; i < pieces->count && done < max; i++) {
		size_t bytes = pieces->iov[i].iov_len;

		if (bytes > max - done)
			bytes = max - done;
		done += torc__sim_node_read(file->node, from + done,
			pieces->iov[i].iov_base, (uint32_t)bytes);
	}
	if (!is_at)
		file->position += done;
	return (int32_t)done;
}

static int32_t
write_file(struct torc_sim *sim, struct torc_sim_op *op,
	const struct pieces *pieces)
{
	struct torc_sim_file *file = op->file;
	bool is_at = op->sqe.off != AT_POSITION;
	uint64_t from = file->open_flags & O_APPEND ? file->node->bytes
			: is_at                     ? op->sqe.off
						    : file->position;
	uint32_t max, done = 0;

	if (torc__sim_strikes(sim, TORC__SIM_DISK_ERROR))
		return -EIO;
	if (pieces->bytes > INT64_MAX - from)
		return -EFBIG;
	max = shorten(sim, TORC__SIM_SHORT_SEND, pieces->bytes);
	for (uint32_t i = 0; i < pieces->count && done < max; i++) {
		size_t bytes = pieces->iov[i].iov_len;
		uint32_t now;

		if (bytes > max - done)
			bytes = max - done;
		now = torc__sim_node_write(sim, file->node, from + done,
			pieces->iov[i].iov_base, (uint32_t)bytes);
		done += now;
		if (now < bytes)
			break;
	}
	if (max > 0 && done == 0)
		return -ENOSPC;
	file->node->changed_ns = sim->now_ns;
	if (!is_at)
		file->position = from + done;
	return (int32_t)done;
}

/* ---- pipes ---- */

static enum torc_sim_attempt
read_pipe(struct torc_sim *sim, struct torc_sim_op *op,
	const struct pieces *pieces)
{
	struct torc_sim_pipe *pipe = &op->file->rx;
	uint64_t there = pipe->arrived - pipe->head;
	uint32_t max, done = 0;

	if (op->file->is_writer)
		return torc__sim_done(op, -EBADF);
	if (pieces->bytes == 0 || (there == 0 && pipe->is_end_seen))
		return torc__sim_done(op, 0);
	if (there == 0)
		return torc__sim_blocked(op, &op->file->readers);
	max = shorten(sim, TORC__SIM_SHORT_RECV,
		there < pieces->bytes ? there : pieces->bytes);
	for (uint32_t i = 0; i < pieces->count && done < max; i++) {
		size_t bytes = pieces->iov[i].iov_len;

		if (bytes > max - done)
			bytes = max - done;
		if (bytes > 0)
			torc__sim_pipe_get(sim, pipe, pieces->iov[i].iov_base,
				(uint32_t)bytes);
		done += (uint32_t)bytes;
	}
	return torc__sim_done(op, (int32_t)done);
}

/* Up to PIPE_BUF bytes go whole; of more, as many as there is room for. */
static enum torc_sim_attempt
write_pipe(struct torc_sim *sim, struct torc_sim_op *op,
	const struct pieces *pieces)
{
	struct torc_sim_file *reader = op->file->peer;
	uint32_t room, max, done = 0;

	if (!op->file->is_writer)
		return torc__sim_done(op, -EBADF);
	if (reader == NULL)
		return torc__sim_done(op, -EPIPE);
	room = torc__sim_pipe_room(&reader->rx);
	if (pieces->bytes > 0 &&
		room < (pieces->bytes < PIPE_BUF ? pieces->bytes : PIPE_BUF))
		return torc__sim_blocked(op, &op->file->writers);
	max = pieces->bytes < room ? (uint32_t)pieces->bytes : room;
	if (pieces->bytes > PIPE_BUF)
		max = shorten(sim, TORC__SIM_SHORT_SEND, max);
	for (uint32_t i = 0; i < pieces->count && done < max; i++) {
		size_t bytes = pieces->iov[i].iov_len;

		if (bytes > max - done)
			bytes = max - done;
		if (bytes > 0)
			torc__sim_pipe_put(sim, &reader->rx,
				pieces->iov[i].iov_base, (uint32_t)bytes);
		done += (uint32_t)bytes;
	}
	return torc__sim_done(op, (int32_t)done);
}

/* ---- events and signals ---- */

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

static enum torc_sim_attempt
read_event(struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;

	if (op->sqe.len < sizeof(file->count))
		return torc__sim_done(op, -EINVAL);
	if (file->count == 0)
		return torc__sim_blocked(op, &file->readers);
	memcpy((void *)(uintptr_t)op->sqe.addr, &file->count,
		sizeof(file->count));
	file->count = 0;
	return torc__sim_done(op, sizeof(file->count));
}

/* ---- all of them ---- */

enum torc_sim_attempt
torc__sim_try_read(struct torc_sim *sim, struct torc_sim_op *op)
{
	enum torc_sim_kind kind = op->file->kind;
	struct pieces pieces;
	int ret = find_pieces(op, &pieces);

	if (ret < 0)
		return torc__sim_done(op, ret);
	if (kind == TORC__SIM_FIFO)
		return read_pipe(sim, op, &pieces);
	if (kind == TORC__SIM_DISK) {
		ret = may_use(op, &pieces, O_WRONLY);
		if (ret < 0)
			return torc__sim_done(op, ret);
		if (torc__sim_is_busy(sim, op))
			return TORC__SIM_BLOCKED;
		return torc__sim_done(op, read_file(sim, op, &pieces));
	}
	if (op->sqe.opcode != IORING_OP_READ || kind <= TORC__SIM_UDP)
		return torc__sim_done(op, -EOPNOTSUPP);
	return kind == TORC__SIM_SIGNALS ? read_signal(op) : read_event(op);
}

enum torc_sim_attempt
torc__sim_try_write(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct pieces pieces;
	int ret = find_pieces(op, &pieces);

	if (ret < 0)
		return torc__sim_done(op, ret);
	if (op->file->kind == TORC__SIM_FIFO)
		return write_pipe(sim, op, &pieces);
	if (op->file->kind != TORC__SIM_DISK)
		return torc__sim_done(op, -EOPNOTSUPP);
	ret = may_use(op, &pieces, O_RDONLY);
	if (ret < 0)
		return torc__sim_done(op, ret);
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, write_file(sim, op, &pieces));
}
