/* SPDX-License-Identifier: MIT */
/*
 * proxy - a TCP relay; a clean end is passed on as an end of that direction
 *
 * The client is read once the backend is connected. The first error on
 * either side ends both with a reset.
 */
#include "perf/peers/libuv/peer.h"

#include <stdlib.h>

enum { CLIENT, BACKEND };

struct pair {
	uv_tcp_t side[2];
	uv_connect_t connect;
	uv_shutdown_t shutdown[2];
	int shut_count;
	int open_count; /* handles that are not closed yet */
};

static struct sockaddr_in backend;

static void
on_closed(uv_handle_t *handle)
{
	struct pair *pair = handle->data;

	if (--pair->open_count == 0)
		free(pair);
}

static void
pair_close(struct pair *pair, int is_reset)
{
	for (int i = 0; i < 2; i++) {
		uv_tcp_t *side = &pair->side[i];

		if (uv_is_closing((uv_handle_t *)side))
			continue;
		/* Refused where a shutdown is on its way. */
		if (!is_reset || uv_tcp_close_reset(side, on_closed) < 0)
			uv_close((uv_handle_t *)side, on_closed);
	}
}

static void
on_shutdown(uv_shutdown_t *req, int status)
{
	struct pair *pair = req->handle->data;

	if (status < 0)
		pair_close(pair, 1);
	else if (++pair->shut_count == 2)
		pair_close(pair, 0);
}

static void
on_read(uv_stream_t *from, ssize_t bytes, const uv_buf_t *buf)
{
	struct pair *pair = from->data;
	int index = from == (uv_stream_t *)&pair->side[CLIENT];
	uv_stream_t *to = (uv_stream_t *)&pair->side[index];
	int res = (int)bytes;

	if (bytes > 0)
		res = peer_forward(from, to, buf->base, (size_t)bytes, on_read);
	else if (bytes == UV_EOF)
		res = uv_shutdown(&pair->shutdown[index], to, on_shutdown);
	if (res < 0)
		pair_close(pair, 1);
}

static void
on_connect(uv_connect_t *req, int status)
{
	struct pair *pair = req->handle->data;

	for (int i = 0; i < 2 && status == 0; i++)
		status = uv_read_start(
			(uv_stream_t *)&pair->side[i], peer_alloc, on_read);
	if (status < 0)
		pair_close(pair, 1);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct pair *pair;
	int res;

	if (status < 0)
		return;
	pair = calloc(1, sizeof(*pair));
	if (pair == NULL)
		peer_fail("no memory for a connection", UV_ENOMEM);
	pair->open_count = 2;
	res = peer_accept(listener, &pair->side[CLIENT]);
	pair->side[CLIENT].data = pair;
	/* With its family it has a socket, and can be given options. */
	if (uv_tcp_init_ex(uv_default_loop(), &pair->side[BACKEND], AF_INET) <
		0)
		uv_tcp_init(uv_default_loop(), &pair->side[BACKEND]);
	pair->side[BACKEND].data = pair;
	if (res == 0)
		res = uv_tcp_nodelay(&pair->side[BACKEND], 1);
	if (res == 0)
		res = uv_tcp_connect(&pair->connect, &pair->side[BACKEND],
			(const struct sockaddr *)&backend, on_connect);
	if (res < 0)
		pair_close(pair, 1);
}

void
proxy_start(const struct peer_args *args)
{
	backend = args->backend;
	peer_listen(args, on_connection);
}
