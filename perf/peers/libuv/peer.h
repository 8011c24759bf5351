/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_PEERS_LIBUV_PEER_H
#define TORC_PERF_PEERS_LIBUV_PEER_H

/*
 * peer - what the roles of libuv-peer share
 *
 * One thread, the default loop. All connections read into one buffer of
 * READ_BYTES, which therefore stays in the cache: a read callback has to be
 * done with the bytes when it returns. What it writes is tried at once, and
 * only what the socket does not take is copied and queued.
 *
 * Accepted sockets have TCP_NODELAY from their listener.
 *
 * Errors  peer_fail() prints one line and leaves with 1, and so do the
 *         functions named for start-up. The others return libuv's codes.
 */

#include <netinet/in.h>
#include <stddef.h>
#include <uv.h>

enum {
	READ_BYTES = 64 * 1024,
	BACKLOG = 4096,
};

struct peer_args {
	struct sockaddr_in listen;
	struct sockaddr_in backend; /* proxy only */
};

/* One per role; each sets up its listener and returns, before the loop. */
void echo_start(const struct peer_args *args);
void fanout_start(const struct peer_args *args);
void proxy_start(const struct peer_args *args);
void sink_start(const struct peer_args *args);
void udp_start(const struct peer_args *args);

/* Print "libuv-peer: what: reason" and leave with 1. */
void peer_fail(const char *what, int error) __attribute__((noreturn, cold));

/* Listen for TCP and say so; `on_connection` accepts. Leaves on failure. */
void peer_listen(const struct peer_args *args, uv_connection_cb on_connection);

/* "listening on HOST:PORT" for the bound `address`. */
void peer_ready(const struct sockaddr_in *address);

/* Accept into `conn`, which is initialized here. */
int peer_accept(uv_stream_t *listener, uv_tcp_t *conn);

/* The alloc_cb of all connections: always the same buffer. */
void peer_alloc(uv_handle_t *handle, size_t bytes, uv_buf_t *buf);

/*
 * Write to `to` what was read from `from`, which may be the same. What does
 * not fit is copied, and `from` reads on into `on_read` when it is written.
 * When that fails, `on_read` gets the error as if reading had.
 *
 * Returns  0 or a negative code, after which nothing is pending.
 */
int peer_forward(uv_stream_t *from, uv_stream_t *to, const char *data,
	size_t bytes, uv_read_cb on_read);

#endif /* TORC_PERF_PEERS_LIBUV_PEER_H */
