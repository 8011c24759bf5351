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

#define DISK(opcode, fn)                                      \
	[IORING_OP_##opcode] = { .try = torc__epoll_try_disk, \
		.work = torc__epoll_work_##fn }
#define READS(opcode)                                         \
	[IORING_OP_##opcode] = { .try = torc__epoll_try_read, \
		.events = EPOLLIN,                            \
		.is_reading = true,                           \
		.work = torc__epoll_work_read }
#define WRITES(opcode)                                         \
	[IORING_OP_##opcode] = { .try = torc__epoll_try_write, \
		.events = EPOLLOUT,                            \
		.is_writing = true,                            \
		.work = torc__epoll_work_write }

static const struct torc_epoll_opcode table[] = {
	[IORING_OP_NOP] = { .try = torc__epoll_try_nop },
	[IORING_OP_ACCEPT] = { .try = torc__epoll_try_accept,
		.events = EPOLLIN,
		.is_patient = true },
	[IORING_OP_CONNECT] = { .try = torc__epoll_try_connect,
		.events = EPOLLOUT },
	[IORING_OP_RECV] = { .try = torc__epoll_try_recv,
		.events = RECEIVABLE,
		.flags = IOSQE_BUFFER_SELECT },
	[IORING_OP_RECVMSG] = { .try = torc__epoll_try_recvmsg,
		.events = RECEIVABLE,
		.flags = IOSQE_BUFFER_SELECT },
	[IORING_OP_SEND] = { .try = torc__epoll_try_send, .events = EPOLLOUT },
	[IORING_OP_SENDMSG] = { .try = torc__epoll_try_sendmsg,
		.events = EPOLLOUT },
	READS(READ),
	READS(READV),
	READS(READ_FIXED),
	WRITES(WRITE),
	WRITES(WRITEV),
	WRITES(WRITE_FIXED),
	[IORING_OP_POLL_ADD] = { .try = torc__epoll_try_poll,
		.is_patient = true },
	[IORING_OP_SHUTDOWN] = { .try = torc__epoll_try_shutdown },
	[IORING_OP_CLOSE] = { .try = torc__epoll_try_close },
	[IORING_OP_TIMEOUT] = { .try = torc__epoll_try_timeout },
	[IORING_OP_ASYNC_CANCEL] = { .try = torc__epoll_try_cancel },
	[IORING_OP_MSG_RING] = { .try = torc__epoll_try_msg_ring },
	DISK(OPENAT, openat),
	DISK(STATX, statx),
	DISK(FSYNC, fsync),
	DISK(FTRUNCATE, ftruncate),
	DISK(RENAMEAT, renameat),
	DISK(UNLINKAT, unlinkat),
	DISK(MKDIRAT, mkdirat),
	DISK(SYMLINKAT, symlinkat),
	DISK(LINKAT, linkat),
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
	if (target->is_worked && !torc__epoll_work_cancel(target))
		return -EALREADY;
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
