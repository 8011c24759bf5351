/* SPDX-License-Identifier: MIT */
/*
 * udp - sends every datagram back to its sender
 *
 * Datagrams are taken with recvmmsg, up to DATAGRAMS at once, each into its
 * own part of one buffer. Each answer is tried at once.
 */
#include "perf/peers/libuv/peer.h"

#include <stdlib.h>
#include <string.h>

/* libuv's own limit, and its own size of a part. */
enum { DATAGRAMS = 20, DATAGRAM_BYTES = 64 * 1024 };

struct answer {
	uv_udp_send_t req;
	char data[];
};

static void
on_alloc(uv_handle_t *handle, size_t bytes, uv_buf_t *buf)
{
	static char shared[DATAGRAMS * DATAGRAM_BYTES];

	(void)handle;
	(void)bytes;
	*buf = uv_buf_init(shared, sizeof(shared));
}

static void
on_sent(uv_udp_send_t *req, int status)
{
	(void)status;
	free(req->data);
}

/* The socket is full. What can't be queued is lost, as datagrams may be. */
static void
answer_later(uv_udp_t *socket, const uv_buf_t *from, const struct sockaddr *to)
{
	struct answer *answer = malloc(sizeof(*answer) + from->len);
	uv_buf_t buf;

	if (answer == NULL)
		return;
	answer->req.data = answer;
	memcpy(answer->data, from->base, from->len);
	buf = uv_buf_init(answer->data, (unsigned)from->len);
	if (uv_udp_send(&answer->req, socket, &buf, 1, to, on_sent) < 0)
		free(answer);
}

static void
on_datagram(uv_udp_t *socket, ssize_t bytes, const uv_buf_t *buf,
	const struct sockaddr *from, unsigned flags)
{
	uv_buf_t answer;

	(void)flags;
	/* No sender: nothing more to read, or a report that all was read. */
	if (bytes < 0 || from == NULL)
		return;
	answer = uv_buf_init(buf->base, (unsigned)bytes);
	if (uv_udp_try_send(socket, &answer, 1, from) == UV_EAGAIN)
		answer_later(socket, &answer, from);
}

void
udp_start(const struct peer_args *args)
{
	static uv_udp_t socket;
	const struct sockaddr *sa = (const struct sockaddr *)&args->listen;
	struct sockaddr_in bound;
	int bytes = sizeof(bound);
	int res;

	res = uv_udp_init_ex(
		uv_default_loop(), &socket, AF_INET | UV_UDP_RECVMMSG);
	if (res == 0)
		res = uv_udp_bind(&socket, sa, 0);
	if (res == 0)
		res = uv_udp_recv_start(&socket, on_alloc, on_datagram);
	if (res == 0)
		res = uv_udp_getsockname(
			&socket, (struct sockaddr *)&bound, &bytes);
	if (res < 0)
		peer_fail("cannot listen", res);
	peer_ready(&bound);
}
