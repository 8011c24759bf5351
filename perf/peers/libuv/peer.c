/* SPDX-License-Identifier: MIT */
#include "perf/peers/libuv/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a socket did not take; the bytes follow it. */
struct rest {
	uv_write_t req;
	uv_stream_t *from;
	uv_read_cb on_read;
	char data[];
};

void
peer_fail(const char *what, int error)
{
	fprintf(stderr, "libuv-peer: %s: %s\n", what, uv_strerror(error));
	exit(1);
}

void
peer_ready(const struct sockaddr_in *address)
{
	char host[INET_ADDRSTRLEN];

	uv_ip4_name(address, host, sizeof(host));
	printf("listening on %s:%u\n", host, ntohs(address->sin_port));
	fflush(stdout);
}

void
peer_listen(const struct peer_args *args, uv_connection_cb on_connection)
{
	static uv_tcp_t listener;
	const struct sockaddr *sa = (const struct sockaddr *)&args->listen;
	struct sockaddr_in bound;
	int bytes = sizeof(bound);
	int res;

	res = uv_tcp_init(uv_default_loop(), &listener);
	if (res == 0)
		res = uv_tcp_bind(&listener, sa, 0);
	if (res == 0)
		res = uv_tcp_nodelay(&listener, 1);
	if (res == 0)
		res = uv_listen(
			(uv_stream_t *)&listener, BACKLOG, on_connection);
	if (res == 0)
		res = uv_tcp_getsockname(
			&listener, (struct sockaddr *)&bound, &bytes);
	if (res < 0)
		peer_fail("cannot listen", res);
	peer_ready(&bound);
}

int
peer_accept(uv_stream_t *listener, uv_tcp_t *conn)
{
	int res = uv_tcp_init(uv_default_loop(), conn);

	return res < 0 ? res : uv_accept(listener, (uv_stream_t *)conn);
}

void
peer_alloc(uv_handle_t *handle, size_t bytes, uv_buf_t *buf)
{
	static char shared[READ_BYTES];

	(void)handle;
	(void)bytes;
	*buf = uv_buf_init(shared, sizeof(shared));
}

static void
on_rest_written(uv_write_t *req, int status)
{
	struct rest *rest = req->data;
	uv_stream_t *from = rest->from;
	uv_read_cb on_read = rest->on_read;

	free(rest);
	if (uv_is_closing((uv_handle_t *)from))
		return;
	if (status == 0)
		status = uv_read_start(from, peer_alloc, on_read);
	if (status < 0)
		on_read(from, status, NULL);
}

static int
write_rest(uv_stream_t *from, uv_stream_t *to, const char *data, size_t bytes,
	uv_read_cb on_read)
{
	struct rest *rest = malloc(sizeof(*rest) + bytes);
	uv_buf_t buf;
	int res;

	if (rest == NULL)
		return UV_ENOMEM;
	rest->req.data = rest;
	rest->from = from;
	rest->on_read = on_read;
	memcpy(rest->data, data, bytes);
	buf = uv_buf_init(rest->data, (unsigned)bytes);
	res = uv_write(&rest->req, to, &buf, 1, on_rest_written);
	if (res < 0) {
		free(rest);
		return res;
	}
	return uv_read_stop(from);
}

int
peer_forward(uv_stream_t *from, uv_stream_t *to, const char *data, size_t bytes,
	uv_read_cb on_read)
{
	/* libuv's buffers are not const, though it only reads this one. */
	uv_buf_t buf = { .base = (char *)(uintptr_t)data, .len = bytes };
	int sent = uv_try_write(to, &buf, 1);

	if ((size_t)sent == bytes)
		return 0;
	if (sent < 0 && sent != UV_EAGAIN)
		return sent;
	if (sent < 0)
		sent = 0;
	return write_rest(from, to, data + sent, bytes - (size_t)sent, on_read);
}
