/* SPDX-License-Identifier: MIT */
/* One SQE each, of the kinds that scripts start. */
#include <errno.h>
#include <string.h>

#include <torc/base/clock.h>

#include "tests/contract/steps.h"

void
submit(struct contract *c, struct io_uring_sqe *sqe, uint64_t id)
{
	(void)c;
	sqe->user_data = id;
}

void
start_nop(struct contract *c, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_nop(sqe);
	submit(c, sqe, id);
}

void
start_accept(struct contract *c, uint64_t id, int fd)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	submit(c, sqe, id);
}

void
start_accepts(struct contract *c, uint64_t id, int fd)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	submit(c, sqe, id);
}

void
start_connect(
	struct contract *c, uint64_t id, int fd, const void *sa, socklen_t len)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_connect(sqe, fd, sa, len);
	submit(c, sqe, id);
}

void
start_recv(struct contract *c, uint64_t id, int fd, void *data, size_t bytes)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_recv(sqe, fd, data, bytes, 0);
	submit(c, sqe, id);
}

void
start_send(
	struct contract *c, uint64_t id, int fd, const void *data, size_t bytes)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_send(sqe, fd, data, bytes, MSG_NOSIGNAL);
	submit(c, sqe, id);
}

void
start_read(struct contract *c, uint64_t id, int fd, void *data, size_t bytes)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_read(sqe, fd, data, (unsigned)bytes, 0);
	submit(c, sqe, id);
}

void
start_poll(struct contract *c, uint64_t id, int fd, unsigned events)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_poll_add(sqe, fd, events);
	submit(c, sqe, id);
}

void
start_polls(struct contract *c, uint64_t id, int fd, unsigned events)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_poll_multishot(sqe, fd, events);
	submit(c, sqe, id);
}

void
start_close(struct contract *c, uint64_t id, int fd)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_close(sqe, fd);
	submit(c, sqe, id);
}

void
start_timeout(struct contract *c, uint64_t id, uint64_t span_ns)
{
	struct __kernel_timespec *ts = memory(c, sizeof(*ts));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	ts->tv_sec = (int64_t)(span_ns / TORC_S);
	ts->tv_nsec = (int64_t)(span_ns % TORC_S);
	io_uring_prep_timeout(sqe, ts, 0, 0);
	submit(c, sqe, id);
}

void
start_cancel(struct contract *c, uint64_t id, uint64_t target)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_cancel64(sqe, target, 0);
	submit(c, sqe, id);
}

void
cancel_waiting(struct contract *c, uint64_t target)
{
	uint64_t id = UINT64_C(0xca0000) + c->serial++;

	start_cancel(c, id, target);
	expect(c, id, RES(0));
	expect(c, target, RES(-ECANCELED));
}

void
end_starved(struct contract *c, uint64_t target)
{
	uint64_t id = UINT64_C(0xca0000) + c->serial++;

	start_cancel(c, id, target);
	expect(c, id, RES(0), RES(-ENOENT), RES(-EALREADY));
	expect(c, target, RES(-ECANCELED), RES(-ENOBUFS));
}

void
start_sendmsg(struct contract *c, uint64_t id, int fd, const void *sa,
	socklen_t len, const void *data, size_t bytes)
{
	struct msghdr *msg = memory(c, sizeof(*msg));
	struct iovec *iov = memory(c, sizeof(*iov));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	iov->iov_base = memory(c, bytes + 1);
	memcpy(iov->iov_base, data, bytes);
	iov->iov_len = bytes;
	msg->msg_iov = iov;
	msg->msg_iovlen = 1;
	if (sa != NULL) {
		msg->msg_name = memory(c, len);
		memcpy(msg->msg_name, sa, len);
		msg->msg_namelen = len;
	}
	io_uring_prep_sendmsg(sqe, fd, msg, MSG_NOSIGNAL);
	submit(c, sqe, id);
}

void
start_messages(struct contract *c, uint64_t id, int fd, uint16_t group)
{
	struct msghdr *msg = memory(c, sizeof(*msg));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	msg->msg_namelen = sizeof(struct sockaddr_in);
	io_uring_prep_recvmsg_multishot(sqe, fd, msg, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = group;
	submit(c, sqe, id);
}
