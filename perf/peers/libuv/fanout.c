/* SPDX-License-Identifier: MIT */
/*
 * fanout - what arrives on one connection is sent to every other
 *
 * Each subscriber is tried at once with the bytes where they were read. They
 * are copied once, when the first subscriber falls short, into a message
 * that all pending writes share. Who is more than PENDING_MAX behind is
 * disconnected with a reset.
 */
#include "perf/peers/libuv/peer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { PENDING_MAX = 1024 * 1024 };

struct conn {
	uv_tcp_t tcp; /* first: a handle is cast to its conn */
	TAILQ_ENTRY(conn) link;
};

static TAILQ_HEAD(, conn) conns = TAILQ_HEAD_INITIALIZER(conns);

/* What was read, kept for those who could not take it at once. */
struct message {
	size_t refs;
	char data[];
};

struct delivery {
	uv_write_t req;
	struct message *message;
};

static void
message_put(struct message *message)
{
	if (message != NULL && --message->refs == 0)
		free(message);
}

static void
on_closed(uv_handle_t *handle)
{
	free((struct conn *)handle);
}

static void
conn_close(struct conn *conn, int is_reset)
{
	if (uv_is_closing((uv_handle_t *)&conn->tcp))
		return;
	TAILQ_REMOVE(&conns, conn, link);
	if (!is_reset || uv_tcp_close_reset(&conn->tcp, on_closed) < 0)
		uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void
on_delivered(uv_write_t *req, int status)
{
	struct delivery *delivery = req->data;
	struct conn *conn = (struct conn *)req->handle;

	message_put(delivery->message);
	free(delivery);
	if (status < 0)
		conn_close(conn, 0);
}

static int
deliver_later(
	struct conn *conn, struct message *message, size_t offset, size_t bytes)
{
	struct delivery *delivery = malloc(sizeof(*delivery));
	uv_buf_t buf =
		uv_buf_init(message->data + offset, (unsigned)(bytes - offset));
	int res;

	if (delivery == NULL)
		return UV_ENOMEM;
	delivery->req.data = delivery;
	delivery->message = message;
	res = uv_write(&delivery->req, (uv_stream_t *)&conn->tcp, &buf, 1,
		on_delivered);
	if (res < 0) {
		free(delivery);
		return res;
	}
	message->refs++;
	return 0;
}

/* The copy of `data`, made for the first who needs it. */
static struct message *
message_get(struct message **message, const char *data, size_t bytes)
{
	if (*message == NULL) {
		*message = malloc(sizeof(**message) + bytes);
		if (*message == NULL)
			peer_fail("no memory for a message", UV_ENOMEM);
		(*message)->refs = 1;
		memcpy((*message)->data, data, bytes);
	}
	return *message;
}

static void
publish(const struct conn *from, const uv_buf_t *buf)
{
	struct message *message = NULL;
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&conns); conn != NULL; conn = next) {
		uv_stream_t *stream = (uv_stream_t *)&conn->tcp;
		int sent;

		next = TAILQ_NEXT(conn, link);
		if (conn == from)
			continue;
		sent = uv_try_write(stream, buf, 1);
		if ((size_t)sent == buf->len)
			continue;
		if (sent == UV_EAGAIN)
			sent = 0;
		if (sent < 0 ||
			deliver_later(conn,
				message_get(&message, buf->base, buf->len),
				(size_t)sent, buf->len) < 0 ||
			uv_stream_get_write_queue_size(stream) > PENDING_MAX)
			conn_close(conn, 1);
	}
	message_put(message);
}

static void
on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buf)
{
	struct conn *conn = (struct conn *)stream;

	if (bytes < 0) {
		conn_close(conn, 0);
	} else if (bytes > 0) {
		uv_buf_t data = uv_buf_init(buf->base, (unsigned)bytes);

		publish(conn, &data);
	}
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct conn *conn;

	if (status < 0)
		return;
	conn = malloc(sizeof(*conn));
	if (conn == NULL)
		peer_fail("no memory for a connection", UV_ENOMEM);
	TAILQ_INSERT_TAIL(&conns, conn, link);
	if (peer_accept(listener, &conn->tcp) < 0 ||
		uv_read_start((uv_stream_t *)&conn->tcp, peer_alloc, on_read) <
			0)
		conn_close(conn, 0);
}

void
fanout_start(const struct peer_args *args)
{
	peer_listen(args, on_connection);
}
