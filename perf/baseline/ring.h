/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_RING_H
#define TORC_PERF_BASELINE_RING_H

/*
 * ring - what the io_uring baselines share: one ring and its buffers
 *
 * All sockets receive into one short ring of provided buffers. It is short
 * so that the buffers in use stay in the cache, and one for all so that an
 * idle connection holds none. The kernel learns of all that were given back
 * in a turn with one store.
 *
 * When slow readers hold every buffer, more are put into circulation (up to
 * RING_BUFFERS_MAX, touched only then), and taken out again as they return:
 * otherwise a handful of stuck peers would stop everybody else.
 *
 * Kernel  6.1 (IORING_SETUP_DEFER_TASKRUN, multishot recv).
 */

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdint.h>

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

enum {
	RING_GROW = 64,  /* buffers added when none is left */
	RING_IOVS = 16,  /* buffers in one vectored send */
	RING_GROUP = 0,  /* the only buffer group */
	RING_CREDIT = 8, /* buffers a direction may hold before it stops */
};

/* The memory of one vectored send; it is the kernel's until the CQE. */
struct vec {
	struct msghdr msg;
	struct iovec iov[RING_IOVS];
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
ring_get_sqe(struct io_uring *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(io);

	while (sqe == NULL) {
		/* Full: the kernel takes what is there, out of turn. */
		io_uring_submit(io);
		sqe = io_uring_get_sqe(io);
	}
	return sqe;
}

static inline struct io_uring_sqe *
ring_sqe(struct ring *r)
{
	return ring_get_sqe(&r->io);
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

/* The same for all that is in flight on a descriptor. */
static inline void
ring_cancel_fd(struct ring *r, int fd, uint64_t ignored)
{
	struct io_uring_sqe *sqe = ring_sqe(r);

	io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = ignored;
}

/* Accept all that come: a CQE each. */
static inline void
ring_accept(struct ring *r, int listen_fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_sqe(r);

	io_uring_prep_multishot_accept(
		sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	sqe->user_data = tag;
}

/* Descriptors or memory ran out: clients wait in the backlog. */
static inline bool
ring_is_shortage(int res)
{
	return res == -EMFILE || res == -ENFILE || res == -ENOBUFS ||
	       res == -ENOMEM;
}

/* Receive until the end or until the buffers run out: a CQE for each. */
static inline struct io_uring_sqe *
ring_receive(struct ring *r, int fd, uint64_t user_data)
{
	struct io_uring_sqe *sqe = ring_sqe(r);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RING_GROUP;
	sqe->user_data = user_data;
	return sqe;
}

/* A receive that ended with this result may simply be started again. */
static inline bool
ring_is_transient(int res)
{
	return res > 0 || res == -ENOBUFS || res == -EAGAIN || res == -EINTR;
}

static inline uint16_t
ring_buffer_id(const struct io_uring_cqe *cqe)
{
	return (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
}

/* Queue the close of a descriptor, whose answer nobody waits for. */
static inline void
ring_close_fd(struct ring *r, int fd, uint64_t ignored)
{
	struct io_uring_sqe *sqe = ring_sqe(r);

	io_uring_prep_close(sqe, fd);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = ignored;
}

/* A CQE with `tag` after 100 ms, and a line the first time. */
void ring_retry(
	struct ring *r, const struct net_args *args, int error, uint64_t tag);

/*
 * A ring without buffers, for one thread that submits and waits in one call.
 * Leaves with one line on failure.
 */
void ring_setup(struct io_uring *io, const char *name);

/* Cancel everything, let it finish, and give the ring back. */
void ring_close(struct io_uring *io);

/* Map and register room for RING_BUFFERS_MAX buffers of this stride. */
void ring_map(struct ring *r, const char *name, size_t stride_bytes);

/* Set up the ring with `count` buffers, or leave with one line. */
static inline void
ring_open(struct ring *r, const struct net_args *args, unsigned count)
{
	ring_setup(&r->io, args->name);
	ring_map(r, args->name, RING_BUFFER_STRIDE);
	r->base = args->buffers ? args->buffers : count;
	r->circulating = r->base;
	for (unsigned bid = RING_BUFFERS_MAX; bid-- > r->base;)
		r->spare[r->spare_count++] = (uint16_t)bid;
	for (unsigned bid = 0; bid < r->base; bid++)
		ring_provide(r, (uint16_t)bid);
	ring_publish(r);
}

/* A CQE with `tag` when it is time to stop. */
static inline void
ring_watch_stop(struct io_uring *io, int stop_fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_get_sqe(io);

	io_uring_prep_poll_add(sqe, stop_fd, POLLIN);
	sqe->user_data = tag;
}

/* The one system call of a turn: submit all and wait for something. */
static inline void
ring_enter(struct io_uring *io, const char *name)
{
	int res = io_uring_submit_and_wait(io, 1);

	/* A signal, or memory and CQ pressure: what is there is reaped. */
	if (res < 0 && res != -EINTR && res != -EAGAIN && res != -EBUSY)
		net_fail(name, "the ring failed", -res);
}

typedef void ring_cqe_fn(void *server, const struct io_uring_cqe *cqe);

/* Enter, and hand over what came; on_cqe is inlined where it is constant. */
static inline __attribute__((always_inline)) void
ring_turn(struct io_uring *io, const char *name, ring_cqe_fn *on_cqe,
	void *server)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	ring_enter(io, name);
	io_uring_for_each_cqe(io, head, cqe)
	{
		on_cqe(server, cqe);
		count++;
	}
	io_uring_cq_advance(io, count);
}

#endif /* TORC_PERF_BASELINE_RING_H */
