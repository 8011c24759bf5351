/* SPDX-License-Identifier: MIT */
/*
 * Which opcodes there are, how each is tried and what it waits for; and
 * those that are about the ring itself.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <fcntl.h>

#include <torc/base/clock.h>

/*
 * EPOLLPRI, because a receive stops short at an urgent byte: without it the
 * bytes behind that would wait for the next edge.
 */
#define RECEIVABLE (EPOLLIN | EPOLLRDHUP | EPOLLPRI)

static const struct torc_epoll_opcode table[] = {
	[IORING_OP_NOP] = { torc__epoll_try_nop, 0, 0, false },
	[IORING_OP_ACCEPT] = { torc__epoll_try_accept, EPOLLIN, 0, true },
	[IORING_OP_CONNECT] = { torc__epoll_try_connect, EPOLLOUT, 0, false },
	[IORING_OP_RECV] = { torc__epoll_try_recv, RECEIVABLE,
		IOSQE_BUFFER_SELECT, false },
	[IORING_OP_RECVMSG] = { torc__epoll_try_recvmsg, RECEIVABLE,
		IOSQE_BUFFER_SELECT, false },
	[IORING_OP_SEND] = { torc__epoll_try_send, EPOLLOUT, 0, false },
	[IORING_OP_SENDMSG] = { torc__epoll_try_sendmsg, EPOLLOUT, 0, false },
	[IORING_OP_READ] = { torc__epoll_try_read, EPOLLIN, 0, false },
	[IORING_OP_POLL_ADD] = { torc__epoll_try_poll, 0, 0, true },
	[IORING_OP_SHUTDOWN] = { torc__epoll_try_shutdown, 0, 0, false },
	[IORING_OP_CLOSE] = { torc__epoll_try_close, 0, 0, false },
	[IORING_OP_TIMEOUT] = { torc__epoll_try_timeout, 0, 0, false },
	[IORING_OP_ASYNC_CANCEL] = { torc__epoll_try_cancel, 0, 0, false },
	[IORING_OP_MSG_RING] = { torc__epoll_try_msg_ring, 0, 0, false },
};

const struct torc_epoll_opcode *
torc__epoll_opcode(uint8_t opcode)
{
	if (opcode >= sizeof(table) / sizeof(table[0]) ||
		table[opcode].try == NULL)
		return NULL;
	return &table[opcode];
}

int32_t
torc__epoll_try_nop(struct torc_ring *ring, struct torc_epoll_op *op)
{
	(void)ring;
	return op->sqe.rw_flags != 0 ? -EINVAL : 0;
}

/* A time from now on, and nothing else that ends it. */
int32_t
torc__epoll_try_timeout(struct torc_ring *ring, struct torc_epoll_op *op)
{
	const struct __kernel_timespec *ts = (void *)(uintptr_t)op->sqe.addr;

	(void)ring;
	if (op->is_kept)
		return -ETIME;
	if (op->sqe.timeout_flags != 0 || op->sqe.off != 0 || op->sqe.len != 1)
		return -EINVAL;
	if (ts->tv_sec < 0 || ts->tv_nsec < 0)
		return -EINVAL;
	op->until_ns = torc_clock_ns() + (uint64_t)ts->tv_sec * TORC_S +
		       (uint64_t)ts->tv_nsec;
	return TORC__EPOLL_PAUSE;
}

int32_t
torc__epoll_try_cancel(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_epoll_op *target;

	if (op->sqe.cancel_flags != 0)
		return -EINVAL;
	target = torc__epoll_find(torc__epoll_of(ring), op->sqe.addr);
	if (target == NULL)
		return -ENOENT;
	torc__epoll_op_finish(ring, target, -ECANCELED);
	return 0;
}

int32_t
torc__epoll_try_msg_ring(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_epoll_letter letter = { .user_data = op->sqe.off,
		.res = (int32_t)op->sqe.len };

	(void)ring;
	if (op->sqe.addr != IORING_MSG_DATA ||
		(op->sqe.msg_ring_flags & ~IORING_MSG_RING_FLAGS_PASS))
		return -EINVAL;
	if (fcntl(op->sqe.fd, F_GETFD) < 0)
		return -EBADF;
	if (op->sqe.msg_ring_flags & IORING_MSG_RING_FLAGS_PASS)
		letter.cqe_flags = op->sqe.file_index;
	return torc__epoll_mail_send(op->sqe.fd, &letter);
}
