/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_QUEUE_H
#define TORC_PERF_BASELINE_QUEUE_H

/*
 * queue - received buffers on their way out of another socket, or the same
 *
 * What the echo server and the proxy do with a buffer: it is queued where it
 * was received, sent from where it lies, several in one vectored send, and
 * given back to the ring when its last byte has left.
 */

#include "perf/baseline/ring.h"

/* The buffers of one direction, in order of arrival. */
struct queue {
	uint16_t head;
	uint16_t tail;
	uint16_t count;
	uint32_t sent; /* of the head */
};

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

#endif /* TORC_PERF_BASELINE_QUEUE_H */
