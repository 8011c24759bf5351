/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_LISTENER_H
#define TORC_CORE_IO_LISTENER_H

/*
 * listener - accepts connections on one shard
 *
 * Listen to the same address on every shard of a process and the kernel
 * spreads the connections (SO_REUSEPORT; a Unix socket is shared instead).
 * An address that another process listens to is refused all the same.
 *
 * Shortage  When descriptors or memory run out, accepting pauses: clients
 *           wait in the kernel's backlog, nobody is accepted and dropped. It
 *           goes on when this shard closes a connection, and every 100 ms.
 *           One line is logged per shortage.
 * Lifetime  torc_listen() or torc_listener_adopt() to torc_listener_close(),
 *           which takes it at once. Connections that were accepted and not
 *           taken are then reset.
 * Shard     The one that made it.
 * Errors    -errno.
 * Kernel    5.19 for multishot accept.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/core/future.h>
#include <torc/core/io/address.h>
#include <torc/core/io/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_listener;

/* Zero means default. */
struct torc_listen_options {
	int backlog; /* 0: 4096, which the kernel cuts to net.core.somaxconn */
};

/*
 * Begin to listen. Port 0 takes a free one, the same on every shard.
 *
 * Returns  0; -EADDRINUSE, -EACCES, -EADDRNOTAVAIL ...; -EINVAL: an address
 *          of datagrams, which have udp.h; -ENOMEM. A Unix socket that a dead
 *          process left behind is replaced.
 */
int torc_listen(struct torc_listener **listener,
	const struct torc_address *address,
	const struct torc_listen_options *options)
	__attribute__((warn_unused_result));

/* Wait for a connection. 0; -ECANCELED, -ETIMEDOUT; -errno. */
int torc_accept(struct torc_listener *listener, struct torc_stream **stream)
	__attribute__((warn_unused_result));

/*
 * Start only: ready with 0 once torc_accept() will not wait. Cancelling it
 * loses nothing. One at a time.
 */
void torc_accept_start(
	struct torc_listener *listener, struct torc_future *future);

/*
 * How many connections may be accepted ahead of torc_accept() before
 * accepting pauses. The kernel accepts all that are there at once, so up to
 * a backlog more may come. 0: none is accepted unless somebody waits for
 * it, at the cost of one submit each. Default 64.
 */
void torc_listener_ahead_set(struct torc_listener *listener, uint32_t count);

/* Where it listens, with the port that the kernel chose. */
int torc_listener_address(
	struct torc_listener *listener, struct torc_address *out);

/*
 * Stop accepting and close the socket: new clients are refused. Those that
 * were accepted already are still handed out by torc_accept(), which then
 * returns -ESHUTDOWN. Never waits.
 */
void torc_listener_stop(struct torc_listener *listener);

/* Stop, and reset what was not taken. Never waits. NULL is allowed. */
void torc_listener_close(struct torc_listener *listener);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_LISTENER_H */
