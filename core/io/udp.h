/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_UDP_H
#define TORC_CORE_IO_UDP_H

/*
 * udp - datagrams
 *
 * Datagrams arrive in the shard's buffers of 65 KiB: no UDP datagram is ever
 * cut short. One that arrives while 64 are waiting unread stays in the kernel's
 * socket buffer, and is dropped there when that is full. A shard has 4096 such
 * buffers; of each socket's, what is past its share of a half of them is
 * copied, so that sockets that nobody reads leave some to the others.
 *
 * Connected  After torc_udp_connect() only that peer's datagrams arrive, `to`
 *            may be NULL, and -ECONNREFUSED tells that nobody listens there.
 * Batches    The kernel hands over all that have arrived in one turn;
 *            torc_udp_recv_many() shows them together. torc_udp_try_send()
 *            sends all of a turn with one system call. Many of one size to one
 *            receiver are one message (torc_udp_send_segments(), GSO), and
 *            with torc_udp_join_set() are received as one (GRO).
 * Unix       An address like unix-dgram:PATH makes it a Unix socket: what
 *            torc_udp_send() takes is not lost then, it waits while the
 *            receiver is full; on a socket that is not connected it looks again
 *            after 0.25 to 16 ms. The kernel sends datagrams of up to about
 *            TORC_SEND_BUF_BYTES; one that is longer than a buffer, which has
 *            room for 64 KiB at least, is -EMSGSIZE for who receives it here.
 *
 * Lifetime  torc_udp_bind() or torc_udp_adopt() to torc_udp_close(), which
 *           takes it at once.
 * Shard     The one that made it. Shards that bind the same port share it: the
 *           kernel spreads the senders among them. Port 0 is a port of its
 *           own for each socket.
 *           One task receives at a time, any number send: asserted.
 * Errors    -errno; -ECANCELED and -ETIMEDOUT when the task is interrupted.
 * Kernel    6.0 for multishot recvmsg.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <torc/core/future.h>
#include <torc/core/io/address.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_udp;

/*
 * A socket bound to `address` (port 0: any). 0; -EINVAL: an address of
 * streams; -errno.
 */
int torc_udp_bind(struct torc_udp **udp, const struct torc_address *address)
	__attribute__((warn_unused_result));

/*
 * Send to `to` and receive from it alone, until it is connected elsewhere.
 * Returns 0; -ENETUNREACH ...; -EAFNOSUPPORT. Sends nothing and never blocks.
 */
int torc_udp_connect(struct torc_udp *udp, const struct torc_address *to)
	__attribute__((warn_unused_result));

/*
 * Receive what is sent to `group` on the interface of this index (see
 * if_nametoindex(3); 0: the kernel's choice), and stop. 0; -ENODEV;
 * -EADDRINUSE: joined already; -EADDRNOTAVAIL: not joined; -EINVAL: no
 * multicast address; -ENOPROTOOPT in the simulation.
 */
int torc_udp_multicast_join(struct torc_udp *udp,
	const struct torc_address *group, unsigned interface_index)
	__attribute__((warn_unused_result));
int torc_udp_multicast_leave(struct torc_udp *udp,
	const struct torc_address *group, unsigned interface_index)
	__attribute__((warn_unused_result));

/*
 * Let the kernel join datagrams of one sender and size before it hands them
 * over (UDP_GRO): a fraction of the work for streams of them. They are shown
 * one by one all the same. 0; -ENOPROTOOPT before Linux 5.0 and in the
 * simulation.
 */
int torc_udp_join_set(struct torc_udp *udp, bool is_joined)
	__attribute__((warn_unused_result));

/*
 * Wait for a datagram. *data points at it until the next receiving call or
 * the close; *from (unless NULL) is its sender.
 *
 * Returns  its bytes, which may be 0; -errno. That nobody got what was sent
 *          earlier is not told unless the socket is connected.
 */
ssize_t torc_udp_recv(struct torc_udp *udp, const void **data,
	struct torc_address *from) __attribute__((warn_unused_result));

/* The same without waiting: -EAGAIN when none is there. */
ssize_t torc_udp_try_recv(struct torc_udp *udp, const void **data,
	struct torc_address *from) __attribute__((warn_unused_result));

struct torc_datagram {
	const void *data;
	size_t bytes;
	struct torc_address from;
};

/*
 * Wait for a datagram, and show it with all others that are there, at most
 * `max` (> 0). They lie where they are until the next receiving call.
 *
 * Returns  how many (> 0), or as torc_udp_recv(). An error behind some of
 *          them is told by the next call.
 */
int torc_udp_recv_many(struct torc_udp *udp, struct torc_datagram *datagrams,
	unsigned max) __attribute__((warn_unused_result));

/* Start only: ready with 0 once torc_udp_recv() will not wait, or -errno. */
void torc_udp_recv_start(struct torc_udp *udp, struct torc_future *future);

/*
 * Send one datagram; `to` may be NULL when the socket is connected.
 *
 * Returns  `bytes`; -EMSGSIZE when it is too large; -EDESTADDRREQ without a
 *          receiver; -errno. Any number of tasks may send at a time.
 */
ssize_t torc_udp_send(struct torc_udp *udp, const void *data, size_t bytes,
	const struct torc_address *to) __attribute__((warn_unused_result));

/*
 * Send `bytes` as datagrams of segment_bytes each; the last may be shorter.
 * The kernel cuts up to 64 of them out of one message (UDP_SEGMENT, Linux
 * 4.18); where it, the device or the engine can't, and on a Unix socket, they
 * are sent one by one.
 *
 * Returns  `bytes`; -EMSGSIZE when a segment is larger than a datagram may be;
 *          -errno, when some may have left.
 */
ssize_t torc_udp_send_segments(struct torc_udp *udp, const void *data,
	size_t bytes, size_t segment_bytes, const struct torc_address *to)
	__attribute__((warn_unused_result));

/* So many may be on their way by torc_udp_try_send(). */
#define TORC_UDP_TRY_MAX 256

/*
 * Send one datagram without waiting: it is copied, and leaves in one system
 * call with all others of the turn. For servers that answer many.
 *
 * Returns  `bytes`; -EAGAIN when TORC_UDP_TRY_MAX are on their way: await
 *          torc_udp_send() instead, or drop it; -EMSGSIZE when it is too
 *          large for any datagram, or for a Unix one of more than 64 KiB;
 *          -ENOMEM. What the kernel refuses later, a full Unix receiver too,
 *          is lost like a datagram on the network, and nobody is told.
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
