/* SPDX-License-Identifier: MIT */
/*
 * echo - sends every byte back, and sink, which reads and sends nothing
 *
 * They differ in what they do with bytes and share the connection: a handle
 * of its own memory, closed at the end of file or the first error.
 */
#include "perf/peers/libuv/peer.h"

#include <stdlib.h>

static void
on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
conn_close(uv_stream_t *conn)
{
	uv_close((uv_handle_t *)conn, on_closed);
}

static void
echo_on_read(uv_stream_t *conn, ssize_t bytes, const uv_buf_t *buf)
{
	if (bytes < 0 ||
		(bytes > 0 && peer_forward(conn, conn, buf->base, (size_t)bytes,
				      echo_on_read) < 0))
		conn_close(conn);
}

static void
sink_on_read(uv_stream_t *conn, ssize_t bytes, const uv_buf_t *buf)
{
	(void)buf;
	if (bytes < 0)
		conn_close(conn);
}

static void
accept_one(uv_stream_t *listener, int status, uv_read_cb on_read)
{
	uv_tcp_t *conn;

	if (status < 0)
		return;
	conn = malloc(sizeof(*conn));
	if (conn == NULL)
		peer_fail("no memory for a connection", UV_ENOMEM);
	if (peer_accept(listener, conn) < 0 ||
		uv_read_start((uv_stream_t *)conn, peer_alloc, on_read) < 0)
		conn_close((uv_stream_t *)conn);
}

static void
echo_on_connection(uv_stream_t *listener, int status)
{
	accept_one(listener, status, echo_on_read);
}

static void
sink_on_connection(uv_stream_t *listener, int status)
{
	accept_one(listener, status, sink_on_read);
}

void
echo_start(const struct peer_args *args)
{
	peer_listen(args, echo_on_connection);
}

void
sink_start(const struct peer_args *args)
{
	peer_listen(args, sink_on_connection);
}
