/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_UDP_H
#define TORC_CORE_IO_UDP_H

/*
 * udp - datagrams
 *
 * Datagrams arrive in the shard's 64 KiB buffers: none is ever cut short,
 * whatever its size. One that arrives while 64 are waiting unread stays in
 * the kernel's socket buffer, and is dropped there when that is full.
 *
 * Lifetime  torc_udp_bind() to torc_udp_close(), which takes it at once.
 * Shard     The one that made it. On several shards of a process the kernel
 *           spreads the senders of one port among them.
 * Errors    -errno; -ECANCELED and -ETIMEDOUT when the task is interrupted.
 * Kernel    6.0 for multishot recvmsg.
 */

#include <stddef.h>
#include <sys/types.h>

#include <torc/core/future.h>
#include <torc/core/io/address.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_udp;

/* A socket bound to `address` (port 0: any). 0 or -errno. */
int torc_udp_bind(struct torc_udp **udp, const struct torc_address *address)
	__attribute__((warn_unused_result));

/*
 * Wait for a datagram. *data points at it until the next receiving call or
 * the close; *from (unless NULL) is its sender.
 *
 * Returns  its bytes, which may be 0; -errno. That nobody got what was sent
 *          earlier is not told: Linux tells connected sockets only.
 */
ssize_t torc_udp_recv(struct torc_udp *udp, const void **data,
	struct torc_address *from) __attribute__((warn_unused_result));

/* Start only: ready with 0 once torc_udp_recv() will not wait, or -errno. */
void torc_udp_recv_start(struct torc_udp *udp, struct torc_future *future);

/*
 * Send one datagram. Returns `bytes`; -EMSGSIZE when it is too large; -errno.
 * Any number of tasks may send at a time.
 */
ssize_t torc_udp_send(struct torc_udp *udp, const void *data, size_t bytes,
	const struct torc_address *to) __attribute__((warn_unused_result));

/* So many may be on their way by torc_udp_try_send(). */
#define TORC_UDP_TRY_MAX 256

/*
 * Send one datagram without waiting: it is copied, and leaves in one system
 * call with all others of the turn. For servers that answer many.
 *
 * Returns  `bytes`; -EAGAIN when TORC_UDP_TRY_MAX are on their way: await
 *          torc_udp_send() instead, or drop it; -EMSGSIZE when it is too
 *          large for any datagram; -ENOMEM. What the kernel refuses later is
 *          lost like a datagram on the network, and nobody is told.
 * Cost     one allocation and one copy; no system call of its own.
 */
ssize_t torc_udp_try_send(struct torc_udp *udp, const void *data, size_t bytes,
	const struct torc_address *to) __attribute__((warn_unused_result));

/* Where it is bound, with the port that the kernel chose. */
int torc_udp_address(struct torc_udp *udp, struct torc_address *out);

/*
 * Never waits; what torc_udp_try_send() took still leaves. No send of it may
 * be awaited any more. NULL is allowed.
 */
void torc_udp_close(struct torc_udp *udp);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_UDP_H */
