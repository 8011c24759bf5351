/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_RING_H
#define TORC_PERF_BASELINE_RING_H

/*
 * ring - what the two io_uring baselines share: one ring and its buffers
 *
 * All sockets receive into one short ring of provided buffers. It is short
 * so that the buffers in use stay in the cache, and one for all so that an
 * idle connection holds none. A received buffer is queued on its
 * connection, sent from where it lies, and given back when the last byte
 * has left; the kernel learns of all returns of a turn with one store.
 *
 * When slow readers hold every buffer, more are put into circulation (up to
 * RING_BUFFERS_MAX, touched only then), and taken out again as they return:
 * otherwise a handful of stuck peers would stop everybody else.
 *
 * Kernel  6.1 (IORING_SETUP_DEFER_TASKRUN, multishot recv).
 */

#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "perf/baseline/net.h"

#ifndef RING_BUFFER_BYTES
#define RING_BUFFER_BYTES (16 * 1024)
#endif
#ifndef RING_BUFFER_STRIDE
#define RING_BUFFER_STRIDE RING_BUFFER_BYTES
#endif
#ifndef RING_BUFFERS_MAX
#define RING_BUFFERS_MAX 4096
#endif
#ifndef RING_CQES
#define RING_CQES 4096
#endif

enum {
	RING_SQES = 512,
	RING_GROW = 64,  /* buffers added when none is left */
	RING_IOVS = 16,  /* buffers in one vectored send */
	RING_GROUP = 0,  /* the only buffer group */
	RING_CREDIT = 8, /* buffers a direction may hold before it stops */
};

struct ring {
	struct io_uring io;
	struct io_uring_buf_ring *slots;
	char *memory;
	unsigned returned;    /* since the kernel last heard of returns */
	unsigned circulating; /* buffers with the kernel or on a queue */
	unsigned held;        /* of these, on a queue */
	unsigned base;        /* how many circulate while nobody is slow */
	unsigned spare_count;
	uint16_t spare[RING_BUFFERS_MAX];
	uint16_t next[RING_BUFFERS_MAX];  /* by buffer: its successor */
	uint32_t bytes[RING_BUFFERS_MAX]; /* by buffer: received */
	struct net_pool vecs;
};

/* The buffers of one direction, in order of arrival. */
struct queue {
	uint16_t head;
	uint16_t tail;
	uint16_t count;
	uint32_t sent; /* of the head */
};

/* The memory of one vectored send; it is the kernel's until the CQE. */
struct vec {
	struct msghdr msg;
	struct iovec iov[RING_IOVS];
};

static inline char *
ring_buffer(const struct ring *r, unsigned bid)
{
	return r->memory + (size_t)bid * RING_BUFFER_STRIDE;
}

/* Visible to the kernel only after ring_publish(). */
static inline void
ring_provide(struct ring *r, uint16_t bid)
{
	io_uring_buf_ring_add(r->slots, ring_buffer(r, bid), RING_BUFFER_BYTES,
		bid, RING_BUFFERS_MAX - 1, (int)r->returned++);
}

static inline void
ring_publish(struct ring *r)
{
	if (r->returned == 0)
		return;
	io_uring_buf_ring_advance(r->slots, (int)r->returned);
	r->returned = 0;
}

static inline void
ring_give(struct ring *r, uint16_t bid)
{
	r->held--;
	if (bid < r->base) {
		ring_provide(r, bid);
		return;
	}
	r->circulating--;
	r->spare[r->spare_count++] = bid;
}

/* Put more buffers into circulation; false when there are no more. */
static inline bool
ring_grow(struct ring *r)
{
	unsigned count = 0;

	while (count < RING_GROW && r->spare_count > 0) {
		ring_provide(r, r->spare[--r->spare_count]);
		count++;
	}
	r->circulating += count;
	return count > 0;
}

static inline struct io_uring_sqe *
ring_sqe(struct ring *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->io);

	while (sqe == NULL) {
		/* Full: the kernel takes what is there, out of turn. */
		io_uring_submit(&r->io);
		sqe = io_uring_get_sqe(&r->io);
	}
	return sqe;
}

/* Queue the cancel of one op, whose answer nobody waits for. */
static inline void
ring_cancel(struct ring *r, uint64_t user_data, uint64_t ignored)
{
	struct io_uring_sqe *sqe = ring_sqe(r);

	io_uring_prep_cancel64(sqe, user_data, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = ignored;
}

static inline void
queue_push(struct ring *r, struct queue *q, uint16_t bid, uint32_t bytes)
{
	r->held++;
	if (bytes == 0) {
		ring_give(r, bid);
		return;
	}
	r->bytes[bid] = bytes;
	if (q->count++ == 0)
		q->head = bid;
	else
		r->next[q->tail] = bid;
	q->tail = bid;
}

static inline void
queue_pop(struct ring *r, struct queue *q)
{
	uint16_t bid = q->head;

	q->head = r->next[bid];
	q->count--;
	q->sent = 0;
	ring_give(r, bid);
}

/* `bytes` have left: give back the buffers they emptied. */
static inline void
queue_consume(struct ring *r, struct queue *q, uint32_t bytes)
{
	while (bytes > 0) {
		uint32_t left = r->bytes[q->head] - q->sent;

		if (bytes < left) {
			q->sent += bytes;
			return;
		}
		bytes -= left;
		queue_pop(r, q);
	}
}

static inline void
queue_clear(struct ring *r, struct queue *q)
{
	while (q->count > 0)
		queue_pop(r, q);
}

static inline void
vec_fill(struct ring *r, const struct queue *q, struct vec *v)
{
	uint16_t bid = q->head;
	uint32_t sent = q->sent;
	size_t count = 0;

	while (count < q->count && count < RING_IOVS) {
		v->iov[count].iov_base = ring_buffer(r, bid) + sent;
		v->iov[count].iov_len = r->bytes[bid] - sent;
		sent = 0;
		count++;
		bid = r->next[bid];
	}
	v->msg = (struct msghdr){ .msg_iov = v->iov, .msg_iovlen = count };
}

/*
 * Prepare the send of what is queued, from where it lies. MSG_WAITALL makes
 * the kernel continue a short send itself; what is short nevertheless is
 * continued by the next call.
 *
 * Returns  the vec to put back at the CQE, or NULL for a plain send.
 */
static inline struct vec *
queue_send(
	struct ring *r, const struct queue *q, struct io_uring_sqe *sqe, int fd)
{
	int flags = MSG_NOSIGNAL | MSG_WAITALL;
	struct vec *v = q->count > 1 ? net_pool_get(&r->vecs) : NULL;

	if (v == NULL) {
		io_uring_prep_send(sqe, fd, ring_buffer(r, q->head) + q->sent,
			r->bytes[q->head] - q->sent, flags);
		return NULL;
	}
	vec_fill(r, q, v);
	io_uring_prep_sendmsg(sqe, fd, &v->msg, (unsigned)flags);
	return v;
}

static inline void
ring_open_buffers(struct ring *r, const struct net_args *args, unsigned count)
{
	size_t bytes = (size_t)RING_BUFFERS_MAX * RING_BUFFER_STRIDE;
	int res;

	r->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->memory == MAP_FAILED)
		net_fail(args->name, "cannot map the buffers", errno);
	r->slots = io_uring_setup_buf_ring(
		&r->io, RING_BUFFERS_MAX, RING_GROUP, 0, &res);
	if (r->slots == NULL)
		net_fail(args->name, "cannot register the buffers", -res);
	r->base = args->buffers ? args->buffers : count;
	r->circulating = r->base;
	for (unsigned bid = RING_BUFFERS_MAX; bid-- > r->base;)
		r->spare[r->spare_count++] = (uint16_t)bid;
	for (unsigned bid = 0; bid < r->base; bid++)
		ring_provide(r, (uint16_t)bid);
	ring_publish(r);
}

/* Set up the ring with `count` buffers, or leave with one line. */
static inline void
ring_open(struct ring *r, const struct net_args *args, unsigned count)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE |
			 IORING_SETUP_CLAMP | IORING_SETUP_NO_SQARRAY,
		.cq_entries = RING_CQES,
	};
	int res = io_uring_queue_init_params(RING_SQES, &r->io, &params);

	if (res == -EINVAL) {
		/* Before 6.6 there is always an index array. */
		params.flags &= ~IORING_SETUP_NO_SQARRAY;
		res = io_uring_queue_init_params(RING_SQES, &r->io, &params);
	}
	if (res == -EPERM || res == -ENOSYS)
		net_fail(args->name,
			"io_uring is not allowed (kernel.io_uring_disabled, "
			"seccomp) or not there",
			-res);
	if (res == -ENOMEM)
		net_fail(args->name,
			"the ring needs more locked memory "
			"(raise ulimit -l)",
			-res);
	if (res < 0)
		net_fail(args->name,
			"cannot set up a ring (Linux 6.1 or "
			"later is needed)",
			-res);
	/* Saves a descriptor look-up per enter; harmless where refused. */
	(void)io_uring_register_ring_fd(&r->io);
	r->vecs = (struct net_pool){
		.bytes = (sizeof(struct vec) + 15) & ~(size_t)15,
		.chunk_count = 16,
	};
	ring_open_buffers(r, args, count);
}

/*
 * Cancel everything and let it finish: a ring that is merely dropped goes
 * on in the kernel, and keeps the listener's port, after the process ended.
 */
static inline void
ring_close(struct ring *r)
{
	struct io_uring_sync_cancel_reg all = {
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = { .tv_sec = 1 },
	};

	(void)io_uring_register_sync_cancel(&r->io, &all);
	/* Each call carries out about twenty of the completions due. */
	do
		(void)io_uring_get_events(&r->io);
	while (IO_URING_READ_ONCE(*r->io.sq.kflags) & IORING_SQ_TASKRUN);
	io_uring_queue_exit(&r->io);
}

/* The one system call of a turn: submit all and wait for something. */
static inline void
ring_enter(struct ring *r, const struct net_args *args)
{
	int res = io_uring_submit_and_wait(&r->io, 1);

	/* A signal, or memory and CQ pressure: what is there is reaped. */
	if (res < 0 && res != -EINTR && res != -EAGAIN && res != -EBUSY)
		net_fail(args->name, "the ring failed", -res);
}

#endif /* TORC_PERF_BASELINE_RING_H */
