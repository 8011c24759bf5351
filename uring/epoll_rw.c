/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes, of whatever has bytes.
 *
 *   a pipe, an event, a socket   when epoll says so, and told not to wait
 *   a terminal                   the same; writes by a worker, because it
 *                                cannot be told not to wait
 *   a file                       a read at once when the page cache has all
 *                                of it; the rest by a worker
 *
 * Which one it is shows by trying: an offset is refused by the first two, and
 * events by the last. Descriptors stay as they are: standard input and output
 * are shared with other processes.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Linux 6.18; older headers lack it. A pipe without a reader, in silence. */
#define NO_SIGNAL 0x00000100

#define AT_POSITION UINT64_MAX

/* The memory that an op is about. */
struct pieces {
	const struct iovec *iov;
	int count;
	struct iovec own;
};

static bool
is_vectored(const struct torc_epoll_op *op)
{
	return op->sqe.opcode == IORING_OP_READV ||
	       op->sqe.opcode == IORING_OP_WRITEV;
}

static void
find_pieces(const struct torc_epoll_op *op, struct pieces *pieces)
{
	if (is_vectored(op)) {
		pieces->iov = (const void *)(uintptr_t)op->sqe.addr;
		pieces->count = (int)op->sqe.len;
		return;
	}
	pieces->own = (struct iovec){
		(char *)(uintptr_t)op->sqe.addr + op->done,
		op->sqe.len - op->done,
	};
	pieces->iov = &pieces->own;
	pieces->count = 1;
}

static uint64_t
bytes_of(const struct torc_epoll_op *op)
{
	const struct iovec *iov = (const void *)(uintptr_t)op->sqe.addr;
	uint64_t bytes = 0;

	if (!is_vectored(op))
		return op->sqe.len;
	for (uint32_t i = 0; i < op->sqe.len; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

/* 0, or what is wrong with it. */
static int
check(const struct torc_ring *ring, const struct torc_epoll_op *op)
{
	if (op->sqe.ioprio != 0 || (op->sqe.rw_flags & ~NO_SIGNAL))
		return -EINVAL;
	if (is_vectored(op) && op->sqe.len > IOV_MAX)
		return -EINVAL;
	if (op->sqe.opcode == IORING_OP_READ_FIXED ||
		op->sqe.opcode == IORING_OP_WRITE_FIXED)
		return torc__soft_check_fixed(
			ring, op->sqe.buf_index, op->sqe.addr, op->sqe.len);
	return 0;
}

/* As far as it goes without waiting; offset -1 is the position. */
static ssize_t
read_now(const struct torc_epoll_op *op, uint64_t offset)
{
	struct pieces pieces;

	find_pieces(op, &pieces);
	return preadv2(op->sqe.fd, pieces.iov, pieces.count, (off_t)offset,
		RWF_NOWAIT);
}

static bool
is_regular(int fd, uint64_t *bytes)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode))
		return false;
	*bytes = (uint64_t)stat.st_size;
	return true;
}

/* ---- reading ---- */

/*
 * What the page cache has, when it has all that there is: a part of it may be
 * the end of the file or the end of what is in memory. Past the cache
 * (O_DIRECT) a read waits for the disk, whatever it is told.
 */
static int32_t
read_cached(const struct torc_epoll_op *op)
{
	int flags = fcntl(op->sqe.fd, F_GETFL);
	uint64_t there;
	ssize_t got;

	if (flags < 0)
		return -errno;
	if (flags & O_DIRECT || op->sqe.flags & IOSQE_ASYNC)
		return TORC__EPOLL_WAIT;
	got = read_now(op, op->sqe.off);
	if (got < 0)
		return errno == EAGAIN || errno == EOPNOTSUPP || errno == ESPIPE
			       ? TORC__EPOLL_WAIT
			       : -errno;
	if ((uint64_t)got == bytes_of(op) ||
		(is_regular(op->sqe.fd, &there) &&
			op->sqe.off + (uint64_t)got >= there))
		return (int32_t)got;
	return TORC__EPOLL_WAIT;
}

/*
 * Pipes and eventfds (5.x) and signalfds (6.10) take RWF_NOWAIT. Others are
 * asked first; who shares one with another reader may then wait for it.
 */
static int32_t
read_if_ready(const struct torc_epoll_op *op)
{
	struct pollfd ready = { .fd = op->sqe.fd, .events = POLLIN };
	struct timespec none = { 0 };
	struct pieces pieces;
	ssize_t got = read_now(op, AT_POSITION);

	if (got < 0 && errno == EOPNOTSUPP) {
		if (ppoll(&ready, 1, &none, NULL) == 0)
			return TORC__EPOLL_WAIT;
		find_pieces(op, &pieces);
		got = readv(op->sqe.fd, pieces.iov, pieces.count);
	}
	if (got < 0)
		return errno == EAGAIN ? TORC__EPOLL_WAIT : -errno;
	return (int32_t)got;
}

/* Not to be waited for: a file without events, or O_NONBLOCK. */
static int32_t
read_last(const struct torc_epoll_op *op)
{
	struct pieces pieces;
	uint64_t bytes;
	ssize_t got;

	if (op->is_mute || is_regular(op->sqe.fd, &bytes))
		return TORC__EPOLL_WORK;
	find_pieces(op, &pieces);
	got = readv(op->sqe.fd, pieces.iov, pieces.count);
	return got < 0 ? -errno : (int32_t)got;
}

int32_t
torc__epoll_try_read(struct torc_ring *ring, struct torc_epoll_op *op)
{
	int ret = check(ring, op);

	if (ret < 0)
		return ret;
	if (op->is_last)
		return read_last(op);
	if (op->is_armed)
		return read_if_ready(op);
	/* Of all others arming tells at once whether they are ready. */
	return op->sqe.off != AT_POSITION ? read_cached(op) : TORC__EPOLL_WAIT;
}

/*
 * To the end of the file or of the memory, as io_uring does it; what came
 * before an error is the result.
 */
int32_t
torc__epoll_work_read(struct torc_epoll_op *op)
{
	uint64_t bytes = bytes_of(op);

	for (;;) {
		bool is_at = op->sqe.off != AT_POSITION;
		struct pieces pieces;
		ssize_t got;

		find_pieces(op, &pieces);
		got = preadv2(op->sqe.fd, pieces.iov, pieces.count,
			is_at ? (off_t)(op->sqe.off + op->done) : -1, 0);
		if (got < 0 && op->done == 0)
			return -errno;
		if (got <= 0)
			return (int32_t)op->done;
		op->done += (uint32_t)got;
		if (is_vectored(op) || op->done >= bytes)
			return (int32_t)op->done;
	}
}

/* ---- writing ---- */

static int32_t
write_if_ready(const struct torc_epoll_op *op)
{
	struct pollfd ready = { .fd = op->sqe.fd, .events = POLLOUT };
	struct timespec none = { 0 };
	struct pieces pieces;
	ssize_t sent;

	find_pieces(op, &pieces);
	sent = pwritev2(op->sqe.fd, pieces.iov, pieces.count, -1,
		RWF_NOWAIT | (int)op->sqe.rw_flags);
	if (sent >= 0)
		return (int32_t)sent;
	if (errno == EOPNOTSUPP)
		return ppoll(&ready, 1, &none, NULL) == 0 ? TORC__EPOLL_WAIT
							  : TORC__EPOLL_WORK;
	return errno == EAGAIN ? TORC__EPOLL_WAIT : -errno;
}

static int32_t
write_last(const struct torc_epoll_op *op)
{
	struct pieces pieces;
	uint64_t bytes;
	ssize_t sent;

	if (op->is_mute || is_regular(op->sqe.fd, &bytes))
		return TORC__EPOLL_WORK;
	find_pieces(op, &pieces);
	sent = pwritev2(op->sqe.fd, pieces.iov, pieces.count, -1,
		(int)op->sqe.rw_flags);
	if (sent < 0 && errno == EOPNOTSUPP)
		sent = writev(op->sqe.fd, pieces.iov, pieces.count);
	return sent < 0 ? -errno : (int32_t)sent;
}

int32_t
torc__epoll_try_write(struct torc_ring *ring, struct torc_epoll_op *op)
{
	int ret = check(ring, op);

	if (ret < 0)
		return ret;
	if (op->is_last)
		return write_last(op);
	return op->is_armed ? write_if_ready(op) : TORC__EPOLL_WAIT;
}

/* A terminal that is ready has room for some bytes, and not for all. */
static int32_t
write_some(const struct torc_epoll_op *op)
{
	struct pieces pieces;
	ssize_t sent;

	find_pieces(op, &pieces);
	if (is_vectored(op)) {
		while (pieces.count > 1 && pieces.iov->iov_len == 0) {
			pieces.iov++;
			pieces.count--;
		}
		pieces.own =
			pieces.count > 0 ? *pieces.iov : (struct iovec){ 0 };
	}
	if (pieces.own.iov_len > PIPE_BUF)
		pieces.own.iov_len = PIPE_BUF;
	sent = write(op->sqe.fd, pieces.own.iov_base, pieces.own.iov_len);
	return sent < 0 ? -errno : (int32_t)sent;
}

int32_t
torc__epoll_work_write(struct torc_epoll_op *op)
{
	uint64_t bytes = bytes_of(op);
	bool is_at = op->sqe.off != AT_POSITION;

	if (!op->is_last)
		return write_some(op);
	for (;;) {
		struct pieces pieces;
		ssize_t sent;

		find_pieces(op, &pieces);
		sent = pwritev2(op->sqe.fd, pieces.iov, pieces.count,
			is_at ? (off_t)(op->sqe.off + op->done) : -1, 0);
		if (sent < 0 && op->done == 0)
			return -errno;
		if (sent <= 0)
			return (int32_t)op->done;
		op->done += (uint32_t)sent;
		if (is_vectored(op) || op->done >= bytes)
			return (int32_t)op->done;
	}
}
