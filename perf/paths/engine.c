/* SPDX-License-Identifier: MIT */
#include "perf/paths/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert_priv.h"
#include "uring/ring_priv.h"

#define SOCKETS 1024
#define GROUPS 2
#define CLOCK_START_NS UINT64_C(1000000000)

/* One ring per process is enough. */
static struct {
	uint32_t sq_head, sq_tail, sq_flags;
	uint32_t cq_head, cq_tail;
	uint64_t now_ns;
	struct io_uring_buf_ring *groups[GROUPS];
	uint16_t group_heads[GROUPS];
	uint16_t groups_mask;
	/* By descriptor: the multishot that is armed on it, or 0. */
	uint64_t armed[SOCKETS];
	uint64_t accept;       /* the listener's */
	int32_t datagram_head; /* bytes before a datagram */
	uint32_t sockets_count;
	uint32_t stalls_count;
} kernel;

static uint64_t *
armed_on(int fd)
{
	return &kernel.armed[(uint32_t)fd % SOCKETS];
}

int
path_socket_pair(void)
{
	/* Not 0 to 2, which a mistake could close. */
	kernel.sockets_count += 2;
	return (int)(SOCKETS + kernel.sockets_count % SOCKETS);
}

uint32_t
path_stalls_count(void)
{
	return kernel.stalls_count;
}

static int
engine_open(struct torc_ring *ring, const struct torc_ring_options *options)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	struct io_uring_cq *cq = &ring->uring.cq;

	kernel.now_ns = CLOCK_START_NS;
	sq->khead = &kernel.sq_head;
	sq->ktail = &kernel.sq_tail;
	sq->kflags = &kernel.sq_flags;
	sq->ring_entries = options->sq_entries;
	sq->ring_mask = options->sq_entries - 1;
	sq->sqes = calloc(options->sq_entries, sizeof(*sq->sqes));
	cq->khead = &kernel.cq_head;
	cq->ktail = &kernel.cq_tail;
	cq->ring_entries = options->cq_entries;
	cq->ring_mask = options->cq_entries - 1;
	cq->cqes = calloc(options->cq_entries, sizeof(*cq->cqes));
	return sq->sqes != NULL && cq->cqes != NULL ? 0 : -ENOMEM;
}

static void
engine_close(struct torc_ring *ring)
{
	free(ring->uring.sq.sqes);
	free(ring->uring.cq.cqes);
}

static void
post(struct torc_ring *ring, uint64_t user_data, int32_t res, uint32_t flags)
{
	struct io_uring_cq *cq = &ring->uring.cq;

	torc_assert(kernel.cq_tail - kernel.cq_head < cq->ring_entries);
	cq->cqes[kernel.cq_tail++ & cq->ring_mask] = (struct io_uring_cqe){
		.user_data = user_data,
		.res = res,
		.flags = flags,
	};
}

/* The next buffer of a group, as a CQE names it. */
static uint32_t
pick(uint16_t group, void **data)
{
	uint16_t head = kernel.group_heads[group]++;
	const struct io_uring_buf *buf =
		&kernel.groups[group]->bufs[head & kernel.groups_mask];

	*data = (void *)(uintptr_t)buf->addr;
	return (uint32_t)buf->bid << IORING_CQE_BUFFER_SHIFT |
	       IORING_CQE_F_BUFFER | IORING_CQE_F_MORE;
}

static void
send_bytes(struct torc_ring *ring, int fd, uint64_t user_data, int32_t bytes)
{
	uint64_t reader = *armed_on(fd ^ 1);
	void *data;

	torc_assert(reader != 0);
	post(ring, user_data, bytes, 0);
	post(ring, reader, bytes, pick(0, &data));
}

/* Back to the socket it came from, behind what was asked for before it. */
static void
send_datagram(struct torc_ring *ring, int fd, uint64_t user_data,
	const struct msghdr *msg)
{
	struct io_uring_recvmsg_out *out;
	int32_t bytes = (int32_t)msg->msg_iov->iov_len;
	void *data;
	uint32_t flags = pick(1, &data);

	torc_assert(*armed_on(fd) != 0);
	out = data;
	*out = (struct io_uring_recvmsg_out){
		.namelen = sizeof(struct sockaddr_in6),
		.payloadlen = (uint32_t)bytes,
	};
	post(ring, user_data, bytes, 0);
	post(ring, *armed_on(fd), kernel.datagram_head + bytes, flags);
}

/* A header, room for the name and room for control messages. */
static int32_t
head_bytes(const struct msghdr *msg)
{
	return (int32_t)(sizeof(struct io_uring_recvmsg_out) +
			 msg->msg_namelen + msg->msg_controllen);
}

static void
send_message(struct torc_ring *ring, const struct io_uring_sqe *sqe)
{
	const struct msghdr *msg = (const struct msghdr *)(uintptr_t)sqe->addr;
	size_t bytes = 0;

	if (msg->msg_name != NULL) {
		send_datagram(ring, sqe->fd, sqe->user_data, msg);
		return;
	}
	for (size_t i = 0; i < msg->msg_iovlen; i++)
		bytes += msg->msg_iov[i].iov_len;
	send_bytes(ring, sqe->fd, sqe->user_data, (int32_t)bytes);
}

/* Both ends are there at once: ours, and the one that is accepted. */
static void
connect_pair(struct torc_ring *ring, const struct io_uring_sqe *sqe)
{
	torc_assert(kernel.accept != 0);
	post(ring, sqe->user_data, 0, 0);
	post(ring, kernel.accept, sqe->fd ^ 1, IORING_CQE_F_MORE);
}

static void
take(struct torc_ring *ring, const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_NOP:
	case IORING_OP_CLOSE:
		post(ring, sqe->user_data, 0, 0);
		return;
	case IORING_OP_SEND:
		send_bytes(ring, sqe->fd, sqe->user_data, (int32_t)sqe->len);
		return;
	case IORING_OP_SENDMSG:
		send_message(ring, sqe);
		return;
	case IORING_OP_RECVMSG:
		kernel.datagram_head =
			head_bytes((const struct msghdr *)(uintptr_t)sqe->addr);
		*armed_on(sqe->fd) = sqe->user_data;
		return;
	case IORING_OP_RECV:
		*armed_on(sqe->fd) = sqe->user_data;
		return;
	case IORING_OP_ACCEPT:
		kernel.accept = sqe->user_data;
		return;
	case IORING_OP_CONNECT:
		connect_pair(ring, sqe);
		return;
	case IORING_OP_ASYNC_CANCEL: /* of what is there: it says no more */
		post(ring, sqe->addr, -ECANCELED, 0);
		return;
	case IORING_OP_READ: /* the doorbell: nobody rings it */
		return;
	}
	torc__panic("no path needs operation %u", sqe->opcode);
}

static int
engine_enter(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	struct io_uring_sq *sq = &ring->uring.sq;

	for (uint32_t i = 0; i < to_submit; i++)
		take(ring, &sq->sqes[kernel.sq_head++ & sq->ring_mask]);
	if (min_complete > 0 && kernel.cq_tail == kernel.cq_head) {
		if (timeout_ns == UINT64_MAX)
			kernel.stalls_count++;
		else
			kernel.now_ns += timeout_ns;
	}
	return (int)to_submit;
}

static int
engine_reg(struct torc_ring *ring, uint32_t opcode, const void *arg,
	uint32_t arg_count)
{
	const struct io_uring_buf_reg *reg = arg;

	(void)ring;
	(void)arg_count;
	if (opcode != IORING_REGISTER_PBUF_RING)
		return 0;
	torc_assert(reg->bgid < GROUPS);
	kernel.groups[reg->bgid] =
		(struct io_uring_buf_ring *)(uintptr_t)reg->ring_addr;
	kernel.groups_mask = (uint16_t)(reg->ring_entries - 1);
	return 0;
}

static uint64_t
engine_now_ns(struct torc_ring *ring)
{
	(void)ring;
	return kernel.now_ns;
}

static int
engine_socket(struct torc_ring *ring, int domain, int type, int protocol)
{
	(void)ring;
	(void)domain;
	(void)type;
	(void)protocol;
	return path_socket_pair();
}

static int
engine_bind(struct torc_ring *ring, int fd, const struct sockaddr *sa,
	socklen_t len)
{
	(void)ring;
	(void)fd;
	(void)sa;
	(void)len;
	return 0;
}

static int
engine_listen(struct torc_ring *ring, int fd, int backlog)
{
	(void)ring;
	(void)fd;
	(void)backlog;
	return 0;
}

static int
engine_shutdown(struct torc_ring *ring, int fd, int how)
{
	(void)ring;
	(void)fd;
	(void)how;
	return 0;
}

static int
engine_setsockopt(struct torc_ring *ring, int fd, int level, int name,
	const void *value, socklen_t len)
{
	(void)ring;
	(void)fd;
	(void)level;
	(void)name;
	(void)value;
	(void)len;
	return 0;
}

/* Any name will do, as long as it is a socket's own. */
static int
engine_getsockname(
	struct torc_ring *ring, int fd, struct sockaddr *sa, socklen_t *len)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = (in_port_t)fd };

	(void)ring;
	memcpy(sa, &in, sizeof(in));
	*len = sizeof(in);
	return 0;
}

/* Its read waits for ever: nobody rings. */
static int
engine_event_open(struct torc_ring *ring)
{
	(void)ring;
	return path_socket_pair();
}

static void
engine_close_fd(struct torc_ring *ring, int fd)
{
	(void)ring;
	*armed_on(fd) = 0;
}

/* What is missing no path calls. */
const struct torc_engine path_engine = {
	.name = "path",
	.open = engine_open,
	.close = engine_close,
	.enter = engine_enter,
	.reg = engine_reg,
	.now_ns = engine_now_ns,
	.socket = engine_socket,
	.bind = engine_bind,
	.listen = engine_listen,
	.shutdown = engine_shutdown,
	.setsockopt = engine_setsockopt,
	.getsockname = engine_getsockname,
	.event_open = engine_event_open,
	.close_fd = engine_close_fd,
};
