/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_RESOLVE_H
#define TORC_CORE_IO_RESOLVE_H

/*
 * resolve - the addresses of a name, looked up without blocking the shard
 *
 *   struct torc_address found[8];
 *   int count = torc_resolve("example.org:443", found, 8);
 *
 * The text is that of address.h; a numeric host, a path and an @name are one
 * address at once. A name goes to getaddrinfo(3), on a thread of the pool of
 * blocking.h: what /etc/hosts, resolv.conf and nsswitch.conf say holds.
 *
 * Cancel    A cancel or a deadline ends the wait at once. getaddrinfo() can't
 *           be stopped: it runs on for nobody, by default up to 30 s with each
 *           name server silent, and holds its thread until then (`abandoned`
 *           in torc_blocking_counts()). torc_run() returns after the last.
 * Share     Look-ups, with those that run on for nobody, get a quarter of
 *           blocking_threads_max at a time, at least one: 16 of 64. Further
 *           ones wait their turn among themselves, and one that is cancelled
 *           there never starts. Other blocking calls have the rest.
 * Lifetime  `text` is copied. `out` and the struct are the runtime's until
 *           `done` is ready.
 * Shard     The caller's.
 * Errors    -EINVAL: the text is wrong (torc_address_parse() says why);
 *           -ENAMETOOLONG, -ENODEV as there; -ENOENT: there is no such name;
 *           -EAGAIN: no name server answered, or no thread was to be had;
 *           -ENOMEM; -ECANCELED, -ETIMEDOUT.
 * Simulated localhost is 127.0.0.1 and every other name -ENOENT.
 */

#include <stdbool.h>

#include <torc/core/future.h>
#include <torc/core/io/address.h>
#include <torc/core/io/connect.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Look up all addresses of `text`, in the order in which they should be tried,
 * and store the first out_max of them, 1024 at most; out_max > 0.
 *
 * Returns  how many were stored, at least 1; or -errno.
 * Cost     a numeric host: no wait and no allocation. A name: one allocation
 *          and a torc_blocking().
 */
int torc_resolve(const char *text, struct torc_address *out, unsigned out_max)
	__attribute__((warn_unused_result));

struct torc_resolve {
	struct torc_future done; /* value: how many, or -errno */

	/* Runtime only. */
	struct torc_address *_out;
	struct torc_lookup *_lookup;
};

/* Start only; await, select on or cancel resolve->done. */
void torc_resolve_start(struct torc_resolve *resolve, const char *text,
	struct torc_address *out, unsigned out_max);

/* Of a name, torc_connect_to() tries as many. */
#define TORC_CONNECT_TO_MAX 16

/*
 * Connect to the first address of `text` that takes the connection: each is
 * tried in turn, under the caller's deadline, which one that does not answer
 * may use up.
 *
 * Returns  0 and a stream; what torc_resolve() says; or what torc_connect()
 *          said about the last address tried. -EINVAL: a datagram address.
 */
int torc_connect_to(struct torc_stream **stream, const char *text)
	__attribute__((warn_unused_result));

struct torc_connect_to {
	/* Result. */
	struct torc_future done;    /* value: 0, or -errno */
	struct torc_stream *stream; /* after 0 the caller's to close */

	/* Runtime only. */
	struct torc_resolve _resolve;
	struct torc_connect _connect;
	struct torc_address _found[TORC_CONNECT_TO_MAX];
	unsigned _count;
	unsigned _tried;
	bool _is_canceled;
};

/* Start only. Look at the value also after a cancel: it may be too late. */
void torc_connect_to_start(struct torc_connect_to *connect, const char *text);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_RESOLVE_H */
