/* SPDX-License-Identifier: MIT */
/*
 * The life of a stream and what it receives. read.c has the calls that take
 * it, send.c the other half.
 */
#include "core/io/stream_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include <torc/alloc/arena.h>

#include "core/io/send_priv.h"
#include "core/vec_priv.h"

/*
 * Received by one multishot: the credit at first, and twice as much each time
 * that the reader kept up, because a bulk stream pays for every arming.
 */
#define RECV_CAP_BYTES ((uint32_t)TORC_STREAM_CREDIT * TORC_STREAM_BUF_BYTES)
#define RECV_CAP_SHIFT_MAX 4

static torc_op_fn on_recv, on_closed;
static void resume_parked(struct torc_parked *parked);
static void close_resource(struct torc_resource *resource);

/* RFC 9293, 3.10.5: ABORT sends a reset and drops what is queued. */
static void
reset_on_close(struct torc_ring *ring, int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	ring->engine->setsockopt(
		ring, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

struct torc_stream *
torc__stream_new(struct torc_shard *shard, int fd, bool is_tcp)
{
	struct torc_stream *s = torc_malloc(sizeof(*s));

	if (s == NULL) {
		/* The peer must not take this for an end without bytes. */
		if (is_tcp)
			reset_on_close(&shard->ring, fd);
		shard->ring.engine->close_fd(&shard->ring, fd);
		return NULL;
	}
	*s = (struct torc_stream){ .shard = shard,
		.fd = fd,
		.is_tcp = is_tcp,
		.parked = { .resume = resume_parked },
		.resource = { .close = close_resource } };
	torc__op_init(&s->recv_op, on_recv);
	torc__send_init(s);
	torc__resource_join(shard, &s->resource);
	return s;
}

/* ---- the end ---- */

void
torc__stream_release(struct torc_stream *s)
{
	/* A relay may still send from buffers that were received here. */
	if (!s->is_closed || s->rx_held > 0 || s->pins > 0 ||
		s->resource.is_ending)
		return;
	torc__list_remove(&s->resource.link);
	torc_free(s);
}

static void
on_closed(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_stream *s =
		torc__container_of(op, struct torc_stream, recv_op);
	struct torc_shard *shard = s->shard;

	(void)cqe_flags;
	/*
	 * The descriptor is gone whatever the result says (close(2)), unless
	 * the kernel could not even begin, or does not know the operation.
	 */
	if (res == -ECANCELED || res == -ENOMEM || res == -EINVAL ||
		res == -EOPNOTSUPP)
		shard->ring.engine->close_fd(&shard->ring, s->fd);
	if (s->packet_vec != NULL)
		torc__vec_put(shard, s->packet_vec);
	torc__resource_gone(shard, &s->resource);
	s->is_closed = true;
	torc__stream_release(s);
	torc__shard_fd_freed(shard);
}

void
torc__stream_close_when_quiet(struct torc_stream *s)
{
	struct torc_ring *ring = &s->shard->ring;
	struct io_uring_sqe *sqe;

	if (s->is_close_sent || !torc__op_is_idle(&s->recv_op) ||
		!torc__op_is_idle(&s->send_op))
		return;
	s->is_close_sent = true;
	torc__send_fail(s, -ECANCELED);
	s->recv_op.on_cqe = on_closed;
	sqe = torc__ring_sqe(ring);
	io_uring_prep_close(sqe, s->fd);
	torc__op_submit(ring, &s->recv_op, sqe);
}

static void
drop_received(struct torc_stream *s)
{
	struct torc_buf *buf;

	if (s->view != NULL)
		torc__stream_put(s->view);
	s->view = NULL;
	while ((buf = torc__stream_take(s)) != NULL)
		torc__stream_put(buf);
}

/* The runtime has closed it, unless that is a mistake. */
static __attribute__((noinline, cold)) void
close_again(struct torc_stream *s)
{
	torc__resource_close_again(&s->resource, "a stream");
	torc__stream_release(s);
}

void
torc_close(struct torc_stream *s)
{
	struct torc_future *reader;

	if (s == NULL)
		return;
	torc__stream_own(s);
	if (torc_unlikely(s->is_closing)) {
		close_again(s);
		return;
	}
	s->is_closing = true;
	s->end = TORC_STREAM_ENDED;
	drop_received(s);
	if (torc__list_is_linked(&s->parked.link))
		torc__list_remove(&s->parked.link);
	torc__op_cancel(&s->shard->ring, &s->recv_op);
	torc__op_cancel(&s->shard->ring, &s->send_op);
	reader = s->reader;
	s->reader = NULL;
	/* Callbacks of the sends that end here may want to cancel it. */
	if (reader != NULL)
		reader->_cancel = NULL;
	torc__stream_close_when_quiet(s);
	if (reader != NULL)
		torc_future_complete(reader, -ECANCELED);
}

void
torc__stream_abort(struct torc_stream *s)
{
	if (!s->is_closing || s->resource.is_ending)
		torc_abort(s);
	else if (s->is_tcp && !s->is_closed)
		reset_on_close(&s->shard->ring, s->fd);
}

void
torc_abort(struct torc_stream *s)
{
	if (s == NULL)
		return;
	torc__stream_own(s);
	if (s->is_tcp && !s->is_closed)
		reset_on_close(&s->shard->ring, s->fd);
	torc_close(s);
}

/* The shard ends and nobody closed this. */
static void
close_resource(struct torc_resource *resource)
{
	struct torc_stream *s =
		torc__container_of(resource, struct torc_stream, resource);

	if (s->is_closed) {
		torc__stream_release(s);
	} else if (s->is_connecting) {
		torc_future_cancel(s->reader);
	} else if (!s->is_closing) {
		resource->is_ending = true;
		torc_close(s);
	}
}

/* ---- receiving ---- */

/* Unless it is armed, ended, past its credit or waits for buffers. */
static void
arm(struct torc_stream *s)
{
	struct io_uring_sqe *sqe;

	if (!torc__op_is_idle(&s->recv_op) || s->is_closing ||
		s->end != TORC_STREAM_OPEN || s->rx_held > TORC__CREDIT_LOW ||
		torc__list_is_linked(&s->parked.link))
		return;
	sqe = torc__ring_sqe(&s->shard->ring);
	/* With MSG_TRUNC a message's result is its length, not the part's. */
	io_uring_prep_recv_multishot(
		sqe, s->fd, NULL, 0, s->is_packet ? MSG_TRUNC : 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = TORC__GROUP_STREAM;
	/*
	 * A cancel past the credit takes effect after a burst of 32 more.
	 * From 6.17 on the kernel stops by itself after so many bytes. It
	 * would cut a message there.
	 */
	s->is_capped = !s->shard->is_recv_uncapped && !s->is_packet;
	if (s->is_capped)
		sqe->optlen = RECV_CAP_BYTES << s->cap_shift;
	torc__op_submit(&s->shard->ring, &s->recv_op, sqe);
}

static void
resume_parked(struct torc_parked *parked)
{
	arm(torc__container_of(parked, struct torc_stream, parked));
}

/* Tell the reader, if there is one and something to tell. */
static void
notify(struct torc_stream *s)
{
	struct torc_future *reader = s->reader;

	if (reader == NULL)
		return;
	if (s->rx_first != NULL) {
		s->reader = NULL;
		torc_future_complete(reader, s->rx_first->bytes);
	} else if (s->end == TORC_STREAM_ENDED) {
		s->reader = NULL;
		torc_future_complete(reader, s->error);
	}
}

void
torc__stream_fail(struct torc_stream *s, int error)
{
	/* The peer's reset reaches a sender as -EPIPE as often as not. */
	if (s->error == 0)
		s->error = error == -EPIPE ? -ECONNRESET : error;
}

static bool
is_tcp_dead(struct torc_stream *s)
{
	struct torc_ring *ring = &s->shard->ring;
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return s->is_tcp &&
	       ring->engine->getsockopt(
		       ring, s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

/*
 * An end of file. A socket reports a reset once: when a send took the error
 * (or, after a part had left, swallowed it and returned the part), receiving
 * sees nothing but an end. After a clean FIN the connection is in
 * CLOSE-WAIT; when it is dead instead, and not everything was sent, that was
 * the reset.
 */
static void
end_of_file(struct torc_stream *s)
{
	if ((s->tx_first != NULL || s->is_cut) && is_tcp_dead(s))
		torc__stream_fail(s, -ECONNRESET);
	s->end = TORC_STREAM_ENDED;
}

/* The multishot is over; `res` is its last result. */
static void
recv_stopped(struct torc_stream *s, int32_t res)
{
	if (s->end == TORC_STREAM_ENDED)
		return;
	if (res == 0) {
		end_of_file(s);
		return;
	}
	switch (res) {
	case -ENOBUFS:
		/* If it holds some, its own buffers bring it back. */
		if (s->rx_held <= TORC__CREDIT_LOW)
			torc__buffers_park(&s->shard->streams, &s->parked);
		return;
	case -ECANCELED: /* our own, past the credit */
	case -EINTR:
	case -EAGAIN:
		break;
	case -EINVAL: /* before 6.17 a cap is an unknown field */
		if (s->is_capped) {
			s->shard->is_recv_uncapped = true;
			break;
		}
		/* fall through */
	default:
		if (res < 0) {
			torc__stream_fail(s, res);
			s->end = TORC_STREAM_ENDED;
			return;
		}
	}
	/* The cap, or a full CQ: nothing is lost. */
	if (s->rx_held > TORC__CREDIT_LOW)
		s->cap_shift = 0;
	else if (s->cap_shift < RECV_CAP_SHIFT_MAX)
		s->cap_shift++;
	arm(s);
}

/* Nothing, or what is not wanted any more, or a message that was cut. */
static __attribute__((noinline, cold)) void
drop(struct torc_stream *s, struct torc_buf *buf, int32_t res)
{
	torc__stream_put(buf);
	if (res <= (int32_t)TORC_STREAM_BUF_BYTES || s->is_closing)
		return;
	torc__stream_fail(s, -EMSGSIZE);
	s->end = TORC_STREAM_ENDED;
	torc__op_cancel(&s->shard->ring, &s->recv_op);
}

static void
on_recv(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_stream *s =
		torc__container_of(op, struct torc_stream, recv_op);

	if (cqe_flags & IORING_CQE_F_BUFFER) {
		struct torc_buf *buf = torc__buffers_take(&s->shard->streams,
			cqe_flags, res > 0 ? (uint32_t)res : 0, s);

		s->rx_held++;
		if ((uint32_t)res - 1 >= TORC_STREAM_BUF_BYTES ||
			s->end != TORC_STREAM_OPEN) {
			drop(s, buf, res);
		} else if (s->rx_first == NULL) {
			s->rx_first = s->rx_last = buf;
		} else {
			s->rx_last->next = buf;
			s->rx_last = buf;
		}
	}
	if (torc_unlikely(!(cqe_flags & IORING_CQE_F_MORE))) {
		if (s->is_closing) {
			torc__stream_close_when_quiet(s);
			return;
		}
		recv_stopped(s, res);
	} else if (torc_unlikely(s->rx_held > TORC_STREAM_CREDIT)) {
		torc__op_cancel(&s->shard->ring, &s->recv_op);
	}
	notify(s);
}

struct torc_buf *
torc__stream_take(struct torc_stream *s)
{
	struct torc_buf *buf = s->rx_first;

	if (buf != NULL)
		s->rx_first = buf->next;
	return buf;
}

void
torc__stream_put(struct torc_buf *buf)
{
	struct torc_stream *s = buf->holder;

	torc__buffers_put(buf);
	s->rx_held--;
	if (torc_unlikely(s->is_closing)) {
		torc__stream_release(s);
		return;
	}
	if (s->rx_held <= TORC__CREDIT_LOW)
		arm(s);
}

static void
cancel_recv(struct torc_future *future)
{
	struct torc_stream *s = torc_future_source(future);

	s->reader = NULL;
	torc_future_complete(future, -ECANCELED);
}

static __attribute__((noreturn, cold)) void
received_twice(void)
{
	torc__panic("two receive from one stream: it has one receiver at a "
		    "time, and a relay is one");
}

void
torc__stream_recv(struct torc_stream *s, struct torc_future *future)
{
	if (torc_unlikely(s->is_closing)) {
		torc__resource_refuse(&s->resource, "a stream", future);
		return;
	}
	if (torc_unlikely(s->reader != NULL))
		received_twice();
	if (torc_unlikely(s->end == TORC_STREAM_BY_MESSAGE))
		torc__panic("torc_recv() or torc_read() after torc_recv_fds(): "
			    "a stream whose descriptors are received is read "
			    "by torc_recv_fds() alone");
	torc_future_init(future, cancel_recv, s);
	s->reader = future;
	if (s->view != NULL && s->view_used < s->view->bytes) {
		s->reader = NULL;
		torc_future_complete(future, s->view->bytes - s->view_used);
		return;
	}
	notify(s);
	if (s->reader != NULL)
		arm(s);
}

void
torc_recv_start(struct torc_stream *s, struct torc_future *future)
{
	torc__stream_own(s);
	torc__stream_recv(s, future);
}

/* ---- after the end ---- */

static torc_op_fn on_watched;

static void
watch(struct torc_stream *s)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&s->shard->ring);

	s->recv_op.on_cqe = on_watched;
	/* No event is asked for: errors come always. */
	io_uring_prep_poll_multishot(sqe, s->fd, 0);
	torc__op_submit(&s->shard->ring, &s->recv_op, sqe);
}

static void
on_watched(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_stream *s =
		torc__container_of(op, struct torc_stream, recv_op);
	struct torc_future *watcher = s->reader;

	if (!(cqe_flags & IORING_CQE_F_MORE) && s->is_closing) {
		torc__stream_close_when_quiet(s);
		return;
	}
	/* It fires at once, for the end that is known already. */
	if (res >= 0 && !(res & POLLERR)) {
		if (!(cqe_flags & IORING_CQE_F_MORE))
			watch(s);
		return;
	}
	torc__stream_fail(s, res < 0 ? res : -ECONNRESET);
	s->reader = NULL;
	if (watcher != NULL)
		torc_future_complete(watcher, s->error);
}

void
torc_reset_start(struct torc_stream *s, struct torc_future *future)
{
	torc__stream_own(s);
	if (torc_unlikely(s->is_closing)) {
		torc__resource_refuse(&s->resource, "a stream", future);
		return;
	}
	if (torc_unlikely(s->reader != NULL))
		received_twice();
	if (torc_unlikely(s->end != TORC_STREAM_ENDED))
		torc__panic("torc_reset_start() before the end of a stream: "
			    "await a receiving call that says 0 first");
	torc_future_init(future, cancel_recv, s);
	if (s->error != 0) {
		torc_future_complete(future, s->error);
		return;
	}
	s->reader = future;
	if (torc__op_is_idle(&s->recv_op))
		watch(s);
}

/* ---- names ---- */

static void
set_type(struct torc_stream *s, struct torc_address *out)
{
	out->type = s->is_tcp      ? TORC_TCP
		    : s->is_packet ? TORC_UNIX_SEQPACKET
				   : TORC_UNIX;
}

int
torc_stream_local(struct torc_stream *s, struct torc_address *out)
{
	struct torc_ring *ring = &s->shard->ring;
	int ret = torc__stream_begin(s);

	if (ret < 0)
		return ret;
	*out = (struct torc_address){ .len = sizeof(out->storage) };
	set_type(s, out);
	return ring->engine->getsockname(ring, s->fd, &out->sa, &out->len);
}

int
torc_stream_peer(struct torc_stream *s, struct torc_address *out)
{
	struct torc_ring *ring = &s->shard->ring;
	int ret = torc__stream_begin(s);

	if (ret < 0)
		return ret;
	*out = (struct torc_address){ .len = sizeof(out->storage) };
	set_type(s, out);
	return ring->engine->getpeername(ring, s->fd, &out->sa, &out->len);
}
