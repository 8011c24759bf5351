/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_CONNECT_H
#define TORC_CORE_IO_CONNECT_H

/*
 * connect - a connection on its way out
 *
 * torc_connect() in stream.h awaits one; here are the ways to start it only,
 * and to say where from.
 *
 * Lifetime  The struct is the runtime's from start until `done` is ready.
 * Shard     The caller's.
 */

#include <torc/core/io/stream.h>
#include <torc/uring/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_connect {
	/* Result. */
	struct torc_future done;    /* value: 0, or -errno */
	struct torc_stream *stream; /* after 0 the caller's to close */

	/* Runtime only. */
	struct torc_op _op;
	struct torc_address _to;
};

/*
 * Begin to connect to `to`, which is copied. A cancel that comes too late
 * leaves a connection behind: look at the value, also after a select. -EINVAL:
 * an address of datagrams.
 */
void torc_connect_start(
	struct torc_connect *connect, const struct torc_address *to);

/*
 * Connect from a local address: one of several that this machine has, or a
 * port. Port 0 is chosen when the other side is known, so that one local
 * address has room for as many connections as any. A Unix path is a file that
 * stays when the stream is closed.
 *
 * Returns  as torc_connect(), and -EADDRNOTAVAIL, -EADDRINUSE; -EINVAL when
 *          the two are of different kinds, -EINVAL or -EAFNOSUPPORT for IPv4
 *          and IPv6.
 */
int torc_connect_from(struct torc_stream **stream,
	const struct torc_address *to, const struct torc_address *from)
	__attribute__((warn_unused_result));
void torc_connect_from_start(struct torc_connect *connect,
	const struct torc_address *to, const struct torc_address *from);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_CONNECT_H */
