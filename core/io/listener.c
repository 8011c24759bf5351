/* SPDX-License-Identifier: MIT */
#include <torc/core/io/listener.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <torc/alloc/arena.h>
#include <torc/base/clock.h>
#include <torc/base/log.h>

#include "core/io/address_priv.h"
#include "core/io/bind_priv.h"
#include "core/io/listener_priv.h"
#include "core/io/stream_priv.h"

#define BACKLOG_DEFAULT 4096
#define AHEAD_DEFAULT 64

/* How long accepting pauses in a shortage when nothing is closed here. */
#define PAUSE_NS (100 * TORC_MS)
/* A shortage this long after the last one is a new one, and logged. */
#define SHORTAGE_OVER_NS (60 * TORC_S)

struct torc_listener {
	struct torc_op op; /* the accept */
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_address address;
	int fd;
	bool is_multishot; /* what op is, while it is in flight */
	bool is_stopping;  /* no more accepts; the socket closes */
	bool is_socket_closed;
	bool is_adopted; /* others may have the socket as well */
	bool is_closing; /* and the listener goes */
	bool is_gone;
	uint32_t pins; /* tasks inside torc_accept() */
	bool is_paused;
	int error; /* accepting cannot go on */

	/* Accepted, not taken. */
	struct torc_link ahead;
	uint32_t ahead_count;
	uint32_t ahead_max;
	struct torc_future *acceptor;

	/* A shortage. */
	struct torc_timer pause;
	struct torc_fd_waiter fd_waiter;
	uint64_t shortage_ns; /* when the last one was seen */
};

static inline void
own(const struct torc_listener *l)
{
	torc__shard_own(l->shard, "a listener", "listen there as well");
}

static void
arm(struct torc_listener *l)
{
	struct io_uring_sqe *sqe;
	bool is_wanted = l->ahead_count < l->ahead_max ||
			 (l->acceptor != NULL && l->ahead_count == 0);

	if (!torc__op_is_idle(&l->op) || l->is_stopping || l->is_paused ||
		l->error != 0 || !is_wanted)
		return;
	l->is_multishot = l->ahead_max > 0;
	sqe = torc__ring_sqe(&l->shard->ring);
	if (l->is_multishot)
		io_uring_prep_multishot_accept(
			sqe, l->fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, l->fd, NULL, NULL, SOCK_CLOEXEC);
	torc__op_submit(&l->shard->ring, &l->op, sqe);
}

static void
notify(struct torc_listener *l)
{
	struct torc_future *acceptor = l->acceptor;

	if (acceptor == NULL || (l->ahead_count == 0 && l->error == 0))
		return;
	l->acceptor = NULL;
	torc_future_complete(acceptor, l->ahead_count > 0 ? 0 : l->error);
}

/* ---- a shortage ---- */

static void
resume(struct torc_listener *l)
{
	if (!l->is_paused)
		return;
	l->is_paused = false;
	torc__wheel_disarm(&l->shard->wheel, &l->pause);
	if (torc__list_is_linked(&l->fd_waiter.link))
		torc__list_remove(&l->fd_waiter.link);
	arm(l);
}

static void
on_pause_over(struct torc_timer *timer)
{
	resume(torc__container_of(timer, struct torc_listener, pause));
}

static void
on_fd_freed(struct torc_fd_waiter *waiter)
{
	resume(torc__container_of(waiter, struct torc_listener, fd_waiter));
}

static void
pause_accepting(struct torc_listener *l, int error)
{
	struct torc_shard *shard = l->shard;
	char text[TORC_ADDRESS_TEXT_MAX] = "";

	if (l->shortage_ns == 0 ||
		shard->now_ns - l->shortage_ns > SHORTAGE_OVER_NS) {
		if (torc_address_format(&l->address, text, sizeof(text)) < 0)
			text[0] = '\0';
		torc_log(TORC_LOG_WARN,
			"accepting on %s pauses: %s; clients wait in the "
			"backlog%s",
			text, strerror(-error),
			error == -EMFILE ? ". Raise ulimit -n" : "");
	}
	l->shortage_ns = shard->now_ns;
	l->is_paused = true;
	torc__timer_arm_in(shard, &l->pause, PAUSE_NS);
	torc__list_push_back(&shard->fd_waiters, &l->fd_waiter.link);
}

/* ---- accepting ---- */

static void
accepted(struct torc_listener *l, int fd)
{
	struct torc_stream *stream;

	stream = torc__stream_of_type(l->shard, fd, l->address.type);
	if (stream == NULL) {
		torc_log(TORC_LOG_ERROR,
			"out of memory: a connection was closed");
		return;
	}
	if (l->is_closing) {
		/* A late success: nobody will ever take it. */
		torc_abort(stream);
		return;
	}
	/* It waits on our list, and goes to the shard's when it is taken. */
	torc__resource_leave(l->shard, &stream->resource);
	torc__list_push_back(&l->ahead, &stream->resource.link);
	l->ahead_count++;
}

static void
accept_failed(struct torc_listener *l, int error)
{
	switch (error) {
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
		if (!l->is_paused && !l->is_stopping)
			pause_accepting(l, error);
		return;
	case -EBADF:
	case -EINVAL:
	case -ENOTSOCK:
	case -EOPNOTSUPP:
		l->error = error;
		return;
	}
	/*
	 * The rest, accept(2) says, are errors of a connection that is gone
	 * already, or our own cancel.
	 */
}

static void
release(struct torc_listener *l)
{
	if (!l->is_gone || l->pins > 0 || l->resource.is_ending)
		return;
	torc__list_remove(&l->resource.link);
	torc_free(l);
}

/* Nothing is in flight on it: a plain close, now, frees the port. */
static void
close_socket(struct torc_listener *l)
{
	struct torc_ring *ring = &l->shard->ring;

	if (!l->is_socket_closed) {
		l->is_socket_closed = true;
		l->error = -ESHUTDOWN;
		if (l->is_adopted)
			ring->engine->close_fd(ring, l->fd);
		else
			torc__bind_close(ring, &l->address, l->fd);
	}
	if (l->is_closing) {
		torc__resource_gone(l->shard, &l->resource);
		l->is_gone = true;
		release(l);
	}
}

static void
on_accept(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_listener *l =
		torc__container_of(op, struct torc_listener, op);

	if (res >= 0)
		accepted(l, res);
	else
		accept_failed(l, res);

	if (cqe_flags & IORING_CQE_F_MORE) {
		if (l->ahead_count >= l->ahead_max && l->acceptor == NULL)
			torc__op_cancel(&l->shard->ring, &l->op);
	} else if (l->is_closing) {
		close_socket(l);
		return;
	} else if (l->is_stopping) {
		close_socket(l);
	} else {
		arm(l);
	}
	notify(l);
}

static void
cancel_accept(struct torc_future *future)
{
	struct torc_listener *l = torc_future_source(future);

	l->acceptor = NULL;
	/* A connection must not be accepted that nobody waits for. */
	if (!l->is_multishot)
		torc__op_cancel(&l->shard->ring, &l->op);
	torc_future_complete(future, -ECANCELED);
}

static void
wait_for_one(struct torc_listener *l, struct torc_future *future)
{
	if (torc_unlikely(l->is_closing)) {
		torc__resource_refuse(&l->resource, "a listener", future);
		return;
	}
	if (torc_unlikely(l->acceptor != NULL))
		torc__panic("two accept from one listener: it has one acceptor "
			    "at a time, which spawns a task per connection");
	torc_future_init(future, cancel_accept, l);
	l->acceptor = future;
	notify(l);
	arm(l);
}

void
torc_accept_start(struct torc_listener *l, struct torc_future *future)
{
	own(l);
	wait_for_one(l, future);
}

int
torc_accept(struct torc_listener *l, struct torc_stream **stream)
{
	struct torc_link *link;
	int64_t ret = torc__interrupted("torc_accept");

	own(l);
	if (ret < 0)
		return (int)ret;
	/* Another task may close the listener before this one runs again. */
	l->pins++;
	if (l->ahead_count > 0) {
		torc__budget_spend();
	} else {
		struct torc_future future;

		wait_for_one(l, &future);
		ret = torc_await(&future);
	}
	l->pins--;
	if (torc_unlikely(l->is_closing)) {
		release(l);
		return ret < 0 ? (int)ret : -ECANCELED;
	}
	if (ret < 0)
		return (int)ret;
	link = torc__list_pop_front(&l->ahead);
	l->ahead_count--;
	*stream = torc__container_of(link, struct torc_stream, resource.link);
	torc__resource_join(l->shard, &(*stream)->resource);
	arm(l);
	return 0;
}

void
torc_listener_ahead_set(struct torc_listener *l, uint32_t count)
{
	own(l);
	l->ahead_max = count;
	if (count == 0 && l->is_multishot)
		torc__op_cancel(&l->shard->ring, &l->op);
	arm(l);
}

/* ---- life ---- */

static void
close_resource(struct torc_resource *resource)
{
	struct torc_listener *l =
		torc__container_of(resource, struct torc_listener, resource);

	if (l->is_gone) {
		release(l);
	} else if (!l->is_closing) {
		resource->is_ending = true;
		torc_listener_close(l);
	}
}

/* Without a socket yet. NULL when memory is exhausted. */
static struct torc_listener *
make(struct torc_shard *shard)
{
	struct torc_listener *l = torc_calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->shard = shard;
	l->ahead_max = AHEAD_DEFAULT;
	l->pause.fn = on_pause_over;
	l->fd_waiter.fn = on_fd_freed;
	l->resource.close = close_resource;
	torc__op_init(&l->op, on_accept);
	torc__list_init(&l->ahead);
	return l;
}

struct torc_listener *
torc__listener_adopt(
	struct torc_shard *shard, int fd, const struct torc_address *address)
{
	struct torc_listener *l = make(shard);

	if (l == NULL)
		return NULL;
	l->address = *address;
	l->is_adopted = true;
	l->fd = fd;
	torc__resource_join(shard, &l->resource);
	return l;
}

int
torc_listen(struct torc_listener **listener, const struct torc_address *address,
	const struct torc_listen_options *options)
{
	struct torc_shard *shard = torc__shard_current("torc_listen");
	int backlog = options != NULL && options->backlog > 0 ? options->backlog
							      : BACKLOG_DEFAULT;
	struct torc_listener *l;
	int fd;

	if (torc__address_is_datagram(address))
		return -EINVAL;
	l = make(shard);
	if (l == NULL)
		return -ENOMEM;
	fd = torc__bind_open(&shard->ring, address, backlog, &l->address);
	if (fd < 0) {
		torc_free(l);
		return fd;
	}
	l->fd = fd;
	torc__resource_join(shard, &l->resource);
	*listener = l;
	return 0;
}

int
torc_listener_address(struct torc_listener *l, struct torc_address *out)
{
	own(l);
	*out = l->address;
	return 0;
}

int
torc__listener_fd(const struct torc_listener *l)
{
	own(l);
	if (torc_unlikely(l->is_closing))
		return torc__resource_refusal(&l->resource, "a listener");
	return l->is_stopping ? -ESHUTDOWN : l->fd;
}

void
torc_listener_stop(struct torc_listener *l)
{
	own(l);
	if (l->is_stopping)
		return;
	l->is_stopping = true;
	torc__wheel_disarm(&l->shard->wheel, &l->pause);
	if (torc__list_is_linked(&l->fd_waiter.link))
		torc__list_remove(&l->fd_waiter.link);
	if (!torc__op_is_idle(&l->op)) {
		struct torc_ring *ring = &l->shard->ring;

		/*
		 * From now on, not from the next turn on, clients are
		 * refused, unless others share the socket: the shards of a
		 * Unix address, or from whom it was adopted.
		 */
		if (l->address.type == TORC_TCP && !l->is_adopted)
			(void)ring->engine->shutdown(ring, l->fd, SHUT_RD);
		torc__op_cancel(ring, &l->op);
		return;
	}
	close_socket(l);
	notify(l);
}

void
torc_listener_close(struct torc_listener *l)
{
	struct torc_future *acceptor;
	struct torc_link *link;

	if (l == NULL)
		return;
	own(l);
	if (torc_unlikely(l->is_closing)) {
		torc__resource_close_again(&l->resource, "a listener");
		release(l);
		return;
	}
	acceptor = l->acceptor;
	l->acceptor = NULL;
	torc_listener_stop(l);
	l->is_closing = true;
	while ((link = torc__list_pop_front(&l->ahead)) != NULL) {
		struct torc_stream *stream = torc__container_of(
			link, struct torc_stream, resource.link);

		torc__resource_join(l->shard, &stream->resource);
		torc_abort(stream);
	}
	l->ahead_count = 0;
	if (torc__op_is_idle(&l->op))
		close_socket(l);
	if (acceptor != NULL)
		torc_future_complete(acceptor, -ECANCELED);
}
