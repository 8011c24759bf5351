/* SPDX-License-Identifier: MIT */
/*
 * The faulty engine's way down: operations are shortened, or never start.
 */
#include <errno.h>
#include <string.h>

#include "tests/support/faulty_engine.h"
#include "uring/sys_priv.h"

#define SHORT_RECV_BYTES_MAX 4096

int32_t (*faulty_refuse)(const struct io_uring_sqe *sqe);

static bool
is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return torc__sys_getsockopt(
		       NULL, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

static void
shorten_send(struct faulty *f, struct io_uring_sqe *sqe)
{
	if (sqe->len < 2 || !is_stream(sqe->fd) || !faulty_strikes(f))
		return;
	sqe->len = 1 + (uint32_t)faulty_draw(f, sqe->len - 1);
	faulty_count(FAULT_SHORT_SEND);
}

/* The caller's vector stays as it is: it sends the rest from it. */
static void
shorten_sendmsg(struct faulty *f, struct io_uring_sqe *sqe)
{
	const struct msghdr *msg = (const void *)(uintptr_t)sqe->addr;
	struct altered *altered;
	struct iovec *last;
	size_t iovs;

	if (msg->msg_iovlen == 0 || !is_stream(sqe->fd) || !faulty_strikes(f))
		return;
	iovs = 1 + (size_t)faulty_draw(f, msg->msg_iovlen);
	altered = faulty_alter(f, sqe->user_data, FAULT_SHORT_SEND, iovs);
	memcpy(altered->iov, msg->msg_iov, iovs * sizeof(altered->iov[0]));
	last = &altered->iov[iovs - 1];
	if (last->iov_len > 1)
		last->iov_len = 1 + (size_t)faulty_draw(f, last->iov_len - 1);
	altered->msg = *msg;
	altered->msg.msg_iov = altered->iov;
	altered->msg.msg_iovlen = iovs;
	sqe->addr = (uintptr_t)&altered->msg;
	faulty_count(FAULT_SHORT_SEND);
}

/* Linux 6.17: a multishot's length bounds each of its receives. */
static void
shorten_recv(struct faulty *f, struct io_uring_sqe *sqe)
{
	if (!(sqe->ioprio & IORING_RECV_MULTISHOT) || sqe->optlen == 0 ||
		!faulty_strikes(f))
		return;
	sqe->len = 1 + (uint32_t)faulty_draw(f, SHORT_RECV_BYTES_MAX);
	faulty_count(FAULT_SHORT_RECV);
}

static bool
may_not_start(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
	case IORING_OP_ACCEPT:
	case IORING_OP_CLOSE:
		return true;
	}
	return false;
}

static void
pass_one_down(struct torc_ring *ring, struct faulty *f,
	const struct io_uring_sqe *from)
{
	struct torc_cqe unstarted = { from->user_data, -ECANCELED, 0 };
	int32_t refusal = faulty_refuse != NULL ? faulty_refuse(from) : 0;
	struct altered *target;
	struct io_uring_sqe *sqe;

	if (refusal != 0) {
		unstarted.res = refusal;
		faulty_deliver(ring, f, &unstarted);
		return;
	}
	if (may_not_start(from) && faulty_strikes(f)) {
		faulty_count(FAULT_CANCELED);
		faulty_deliver(ring, f, &unstarted);
		return;
	}
	sqe = torc__ring_sqe(&f->inner);
	*sqe = *from;
	if (sqe->opcode == IORING_OP_SEND)
		shorten_send(f, sqe);
	else if (sqe->opcode == IORING_OP_SENDMSG)
		shorten_sendmsg(f, sqe);
	else if (sqe->opcode == IORING_OP_RECV)
		shorten_recv(f, sqe);
	if (sqe->opcode != IORING_OP_ASYNC_CANCEL)
		return;
	target = faulty_find(f, sqe->addr);
	if (target != NULL)
		target->is_canceled = true;
}

void
faulty_pass_down(struct torc_ring *ring, struct faulty *f)
{
	const struct io_uring_sqe *sqe;

	while ((sqe = torc__soft_take(ring)) != NULL)
		pass_one_down(ring, f, sqe);
}
