/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_CONNECT_H
#define TORC_CORE_IO_CONNECT_H

/*
 * connect - a connection on its way out
 *
 * torc_connect() in stream.h awaits one; this starts it only.
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
 * leaves a connection behind: look at the value, also after a select.
 */
void torc_connect_start(
	struct torc_connect *connect, const struct torc_address *to);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_CONNECT_H */
