/* SPDX-License-Identifier: MIT */
/*
 * Connections and readiness itself: accept, connect, poll, shutdown, close.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <torc/base/clock.h>

/* Told by POLL_ADD without being asked for. */
#define POLL_UNASKED (POLLERR | POLLHUP | POLLRDHUP)
/* What a file that has no events is always ready for. */
#define POLL_ALWAYS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

/* A Unix listener's full backlog tells nobody when it has room again. */
#define BACKLOG_RETRY_NS TORC_MS

static void *
memory(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* ---- accept ---- */

/*
 * A client may be gone between the event and the call, which must not wait
 * for the next one then. The listener stays that way: shards that share one
 * share this too.
 */
static int
make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int
accept_now(const struct torc_epoll_op *op)
{
	return accept4(op->sqe.fd, memory(op->sqe.addr), memory(op->sqe.addr2),
		(int)op->sqe.accept_flags);
}

int32_t
torc__epoll_try_accept(struct torc_ring *ring, struct torc_epoll_op *op)
{
	bool is_multishot = op->sqe.ioprio & IORING_ACCEPT_MULTISHOT;

	if ((op->sqe.ioprio & ~IORING_ACCEPT_MULTISHOT) ||
		op->sqe.file_index != 0 || op->sqe.len != 0)
		return -EINVAL;
	if (!op->is_started) {
		int ret = make_nonblocking(op->sqe.fd);

		if (ret < 0)
			return ret;
		op->is_started = true;
	}
	for (unsigned n = 0; n < TORC__EPOLL_BURST; n++) {
		int fd = accept_now(op);

		if (fd < 0)
			return errno == EAGAIN ? TORC__EPOLL_WAIT : -errno;
		if (!is_multishot || !torc__epoll_post_more(ring, op, fd, 0))
			return fd;
	}
	return TORC__EPOLL_LATER;
}

/* ---- connect ---- */

/*
 * O_NONBLOCK for the length of the call: what it began goes on without, and
 * all else on this socket is to wait as it does in io_uring.
 */
static int
connect_now(const struct torc_epoll_op *op)
{
	int flags = fcntl(op->sqe.fd, F_GETFL);
	bool is_blocking = !(flags & O_NONBLOCK);
	int ret;

	if (flags < 0)
		return -errno;
	if (is_blocking && fcntl(op->sqe.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	ret = connect(op->sqe.fd, memory(op->sqe.addr),
		      (socklen_t)op->sqe.off) < 0
		      ? -errno
		      : 0;
	if (is_blocking)
		(void)fcntl(op->sqe.fd, F_SETFL, flags);
	return ret;
}

int32_t
torc__epoll_try_connect(struct torc_ring *ring, struct torc_epoll_op *op)
{
	int ret;

	(void)ring;
	if (op->sqe.ioprio != 0 || op->sqe.len != 0)
		return -EINVAL;
	if (op->is_last)
		return -EAGAIN;
	/* Again after the event: that is how the socket learns of its end. */
	ret = connect_now(op);
	if (ret == -EINPROGRESS || (ret == -EALREADY && op->is_started)) {
		op->is_started = true;
		return TORC__EPOLL_WAIT;
	}
	if (ret == -EAGAIN) {
		op->until_ns = torc_clock_ns() + BACKLOG_RETRY_NS;
		return TORC__EPOLL_PAUSE;
	}
	return ret;
}

/* ---- poll ---- */

int32_t
torc__epoll_try_poll(struct torc_ring *ring, struct torc_epoll_op *op)
{
	uint32_t events = op->sqe.poll32_events | POLL_UNASKED;
	bool is_multishot = op->sqe.len & IORING_POLL_ADD_MULTI;

	if ((op->sqe.len & ~IORING_POLL_ADD_MULTI) || op->sqe.ioprio != 0)
		return -EINVAL;
	if (op->is_last)
		return (int32_t)(events & POLL_ALWAYS);
	/* Arming tells at once what there is. */
	if (op->is_armed && (op->seen & events) != 0) {
		int32_t res = (int32_t)(op->seen & events);

		if (!is_multishot || !torc__epoll_post_more(ring, op, res, 0))
			return res;
	}
	op->events = events;
	return TORC__EPOLL_WAIT;
}

/* ---- the end ---- */

int32_t
torc__epoll_try_shutdown(struct torc_ring *ring, struct torc_epoll_op *op)
{
	(void)ring;
	return shutdown(op->sqe.fd, (int)op->sqe.len) < 0 ? -errno : 0;
}

int32_t
torc__epoll_try_close(struct torc_ring *ring, struct torc_epoll_op *op)
{
	if (op->sqe.file_index != 0)
		return -EINVAL;
	return torc__epoll_file_close(ring, op->sqe.fd);
}
