/* SPDX-License-Identifier: MIT */
#include "core/io/send_priv.h"
#include "core/vec_priv.h"

#include <errno.h>
#include <sys/socket.h>

static void
prep_one(struct torc_stream *s, struct io_uring_sqe *sqe)
{
	struct torc_send *first = s->tx_first;
	size_t left = first->bytes - first->sent_bytes;

	io_uring_prep_send(sqe, s->fd,
		(const char *)first->data + first->sent_bytes,
		left < TORC__SEND_BYTES_MAX ? left : TORC__SEND_BYTES_MAX,
		TORC__SEND_FLAGS);
	s->tx_inflight = 1;
}

static void
prep_several(struct torc_stream *s, struct io_uring_sqe *sqe)
{
	struct torc_vec *vec = s->vec;
	uint32_t count = 0;

	for (struct torc_send *send = s->tx_first;
		send != NULL && count < TORC__IOV_MAX; send = send->_next)
		vec->iov[count++] = (struct iovec){
			.iov_base = (char *)(uintptr_t)send->data +
				    send->sent_bytes,
			.iov_len = send->bytes - send->sent_bytes,
		};
	vec->msg = (struct msghdr){ .msg_iov = vec->iov, .msg_iovlen = count };
	io_uring_prep_sendmsg(sqe, s->fd, &vec->msg, TORC__SEND_FLAGS);
	s->tx_inflight = count;
}

/* At the end of the turn: everything that was queued in it leaves as one. */
static void
submit(struct torc_flush *flush)
{
	struct torc_stream *s =
		torc__container_of(flush, struct torc_stream, flush);
	struct torc_ring *ring = &s->shard->ring;
	struct io_uring_sqe *sqe;

	if (s->tx_first == NULL || s->is_closing ||
		!torc__op_is_idle(&s->send_op))
		return;
	if (torc_unlikely(s->is_mixed)) {
		torc__send_mixed(s);
		return;
	}
	/* Without memory for a vector they leave one after the other. */
	if (s->tx_first->_next != NULL)
		s->vec = torc__vec_get(s->shard);
	sqe = torc__ring_sqe(ring);
	if (s->vec != NULL)
		prep_several(s, sqe);
	else
		prep_one(s, sqe);
	torc__op_submit(ring, &s->send_op, sqe);
}

/*
 * Take from the queue what `sent` bytes cover, and what was cancelled in
 * flight. They are completed by the caller, when the stream is consistent.
 */
static struct torc_send *
take_done(struct torc_stream *s, size_t sent)
{
	struct torc_send *done = NULL, **done_tail = &done;
	struct torc_send **at = &s->tx_first, *kept = NULL;

	for (uint32_t n = s->tx_inflight; n > 0; n--) {
		struct torc_send *send = *at;
		size_t left = send->bytes - send->sent_bytes;
		size_t part = sent < left ? sent : left;

		send->sent_bytes += part;
		sent -= part;
		if (send->sent_bytes < send->bytes && !send->_is_canceled) {
			kept = send;
			at = &send->_next;
			continue;
		}
		*at = send->_next;
		if (s->tx_last == send)
			s->tx_last = kept;
		if (send->sent_bytes > 0 && send->sent_bytes < send->bytes)
			s->is_cut = true;
		send->_next = NULL;
		*done_tail = send;
		done_tail = &send->_next;
	}
	s->tx_inflight = 0;
	return done;
}

static void
complete(struct torc_send *done)
{
	while (done != NULL) {
		struct torc_send *next = done->_next;
		bool is_whole = done->sent_bytes == done->bytes;

		torc_future_complete(&done->done,
			is_whole ? (int64_t)done->bytes : -ECANCELED);
		done = next;
	}
}

void
torc__send_fail(struct torc_stream *s, int error)
{
	struct torc_send *send = s->tx_first;

	torc_assert(torc__op_is_idle(&s->send_op));
	s->tx_first = NULL;
	s->tx_inflight = 0;
	while (send != NULL) {
		struct torc_send *next = send->_next;

		torc_future_complete(&send->done, error);
		send = next;
	}
}

static bool
is_transient(int32_t res)
{
	return res == -ECANCELED || res == -EINTR || res == -EAGAIN;
}

/* The message is what is wrong, and nothing of it has left. */
static bool
is_about_the_message(const struct torc_stream *s, int32_t res)
{
	if (s->tx_first->_kind == TORC__SEND_FDS &&
		(res == -EBADF || res == -EINVAL || res == -ETOOMANYREFS))
		return true;
	return s->is_packet &&
	       (res == -EMSGSIZE || res == -ENOBUFS || res == -ENOMEM);
}

void
torc__send_end_first(struct torc_stream *s, int64_t value)
{
	struct torc_send *send = s->tx_first;

	s->tx_first = send->_next;
	s->tx_inflight = 0;
	if (s->tx_first != NULL)
		torc__shard_flush_later(s->shard, &s->flush);
	torc_future_complete(&send->done, value);
}

static __attribute__((noinline, cold)) bool
failed(struct torc_stream *s, int32_t res)
{
	if (is_transient(res))
		return false;
	if (!s->is_closing && is_about_the_message(s, res)) {
		torc__send_end_first(s, res);
		return true;
	}
	torc__stream_fail(s, res);
	return false;
}

static void
on_sent(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_stream *s =
		torc__container_of(op, struct torc_stream, send_op);
	struct torc_send *done;

	(void)cqe_flags;
	if (s->vec != NULL) {
		torc__vec_put(s->shard, s->vec);
		s->vec = NULL;
	}
	if (torc_likely(res > 0))
		s->sent_ns = s->shard->now_ns;
	else if (res < 0 && failed(s, res))
		return;

	done = take_done(s, res > 0 ? (size_t)res : 0);
	if (torc_unlikely(s->is_closing)) {
		complete(done);
		torc__stream_close_when_quiet(s);
		return;
	}
	if (torc_likely(s->error == 0)) {
		if (s->tx_first != NULL)
			torc__shard_flush_later(s->shard, &s->flush);
		complete(done);
	} else {
		/* Completions may close the stream, so they come last. */
		struct torc_send *rest = s->tx_first;

		s->tx_first = NULL;
		complete(done);
		while (rest != NULL) {
			struct torc_send *next = rest->_next;

			torc_future_complete(&rest->done, s->error);
			rest = next;
		}
	}
}

void
torc__send_init(struct torc_stream *s)
{
	torc__op_init(&s->send_op, on_sent);
	s->flush.fn = submit;
}

/* True when `send` is among those that the op in flight names. */
static bool
is_inflight(const struct torc_stream *s, const struct torc_send *send)
{
	const struct torc_send *at = s->tx_first;

	for (uint32_t n = s->tx_inflight; n > 0; n--, at = at->_next)
		if (at == send)
			return true;
	return false;
}

/* False when it is done, and its completion only waits for its turn. */
static bool
unlink_send(struct torc_stream *s, struct torc_send *send)
{
	struct torc_send **at = &s->tx_first, *last = NULL;

	while (*at != NULL && *at != send) {
		last = *at;
		at = &last->_next;
	}
	if (*at == NULL)
		return false;
	*at = send->_next;
	if (s->tx_last == send)
		s->tx_last = last;
	return true;
}

static void
cancel_send(struct torc_future *future)
{
	struct torc_send *send =
		torc__container_of(future, struct torc_send, done);
	struct torc_stream *s = torc_future_source(future);

	if (is_inflight(s, send)) {
		send->_is_canceled = true;
		torc__op_cancel(&s->shard->ring, &s->send_op);
		return;
	}
	if (!unlink_send(s, send))
		return;
	if (send->sent_bytes > 0)
		s->is_cut = true;
	/* It may have been a file that others waited behind. */
	if (s->tx_first != NULL && torc__op_is_idle(&s->send_op))
		torc__shard_flush_later(s->shard, &s->flush);
	torc_future_complete(future, -ECANCELED);
}

static __attribute__((noinline, cold)) void
refuse_closed(struct torc_stream *s, struct torc_send *send)
{
	send->sent_bytes = 0;
	torc__resource_refuse(&s->resource, "a stream", &send->done);
}

static inline void
queue(struct torc_stream *s, struct torc_send *send, enum torc_send_kind kind)
{
	torc__stream_own(s);
	torc_assert(send->bytes > 0);
	if (torc_unlikely(s->is_closing)) {
		refuse_closed(s, send);
		return;
	}
	torc_future_init(&send->done, cancel_send, s);
	send->sent_bytes = 0;
	send->_next = NULL;
	send->_kind = (uint8_t)kind;
	send->_is_canceled = false;
	if (torc_unlikely(s->error != 0 || s->is_shut)) {
		torc_future_complete(
			&send->done, s->error != 0 ? s->error : -EPIPE);
		return;
	}
	if (s->tx_first == NULL)
		s->tx_first = send;
	else
		s->tx_last->_next = send;
	s->tx_last = send;
	if (torc__op_is_idle(&s->send_op))
		torc__shard_flush_later(s->shard, &s->flush);
}

void
torc_send_start(struct torc_stream *s, struct torc_send *send)
{
	queue(s, send, TORC__SEND_PLAIN);
}

void
torc__send_queue(
	struct torc_stream *s, struct torc_send *send, enum torc_send_kind kind)
{
	s->is_mixed = true;
	queue(s, send, kind);
}

ssize_t
torc_send_all(struct torc_stream *s, const void *data, size_t bytes)
{
	struct torc_send send = { .data = data, .bytes = bytes };
	int ret = torc__interrupted("torc_send_all");

	if (ret < 0)
		return ret;
	if (bytes == 0)
		return s->is_packet ? -EINVAL : 0;
	torc_send_start(s, &send);
	return (ssize_t)torc_await(&send.done);
}

int
torc_shutdown(struct torc_stream *s)
{
	struct torc_ring *ring = &s->shard->ring;
	int ret = torc__stream_begin(s);

	if (ret < 0)
		return ret;
	if (s->tx_first != NULL)
		return -EBUSY;
	if (s->is_shut)
		return 0;
	/* IORING_OP_SHUTDOWN always goes to a worker thread; this does not. */
	ret = ring->engine->shutdown(ring, s->fd, SHUT_WR);
	if (ret == 0)
		s->is_shut = true;
	return ret;
}
