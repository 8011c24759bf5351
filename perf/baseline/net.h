/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_NET_H
#define TORC_PERF_BASELINE_NET_H

/*
 * net - what the baselines share besides their subject
 *
 * Arguments, addresses, listening, the ready line, the stop signal and a
 * pool of equal objects. None of it runs per message except the pool.
 *
 * Every party sets the same socket options, or a comparison would compare
 * the options: TCP_NODELAY always, TCP_CONGESTION=cubic with --cubic. Both
 * are set on the listener, from which the kernel copies them to each
 * accepted socket, so that accepting costs no further call.
 *
 * Errors  Functions named for start-up print one line and leave: 2 for the
 *         command line, 1 for the machine. The others return -errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Longest queue of clients not yet accepted; net.core.somaxconn may cut it. */
#define NET_BACKLOG 4096

struct net_address {
	struct sockaddr_storage sa;
	socklen_t bytes;
};

struct net_args {
	const char *name;
	struct net_address listen;
	struct net_address backend; /* proxies only */
	bool cubic;
	bool direct;      /* registered files instead of descriptors */
	unsigned buffers; /* provided buffers; 0 is the program's choice */
};

/* What a program accepts besides --cubic and LISTEN. */
enum {
	NET_ARG_BACKEND = 1,
	NET_ARG_DIRECT = 2,
	NET_ARG_BUFFERS = 4,
};

/* Read the command line; leaves with 2 and one line if it is wrong. */
void net_args_read(struct net_args *args, const char *name, int argc,
	char **argv, int accepted);

/* Print "NAME: what: reason" and leave with 1. */
void net_fail(const char *name, const char *what, int error)
	__attribute__((noreturn, cold));

/*
 * HOST:PORT or [HOST]:PORT with a decimal port.
 *
 * Returns  0, or -EINVAL when the text is no address or the host unknown.
 */
int net_address_parse(struct net_address *address, const char *text);

/* A listening socket; `flags` are those of socket(2). Leaves on failure. */
int net_listen(const struct net_args *args, int flags);

/* A bound UDP socket that does not block. Leaves on failure. */
int net_bind_udp(const struct net_args *args);

/* An unconnected socket for `address`, or -errno. */
int net_socket(const struct net_address *address, bool cubic, int flags);

/* Make the next close(fd) send a reset instead of a clean end. */
void net_abort_on_close(int fd);

/* A descriptor readable after SIGTERM or SIGINT. Leaves on failure. */
int net_stop_fd(const struct net_args *args);

/* "NAME: listening on HOST:PORT" with the port the kernel gave. */
void net_ready(const struct net_args *args, int fd);

/*
 * Objects of one size, last in first out so that the next is still cached.
 * Chunks stay with the pool: after a burst its memory is there for the next.
 */
struct net_pool {
	size_t bytes;       /* of one object, a multiple of 16 */
	size_t chunk_count; /* objects per allocation */
	void *_free;
	void *_chunks;
};

/* NULL only if memory is exhausted; the object is not cleared. */
void *net_pool_get(struct net_pool *pool);
void net_pool_put(struct net_pool *pool, void *object);

#endif /* TORC_PERF_BASELINE_NET_H */
