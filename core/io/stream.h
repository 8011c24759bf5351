/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_STREAM_H
#define TORC_CORE_IO_STREAM_H

/*
 * stream - one connection: TCP, Unix stream or Unix seqpacket
 *
 * Bytes arrive in buffers of the shard that the kernel picks from, and are
 * seen where they lie: torc_recv() gives a view, not a copy. A stream that
 * is idle holds no buffer. Both directions are independent: one task may
 * receive while another sends.
 *
 * Order     What is sent leaves in the order of the calls. At most one send
 *           is in flight; what is queued meanwhile leaves as one vectored
 *           send.
 * Credit    A stream whose received bytes are not taken holds at most 6 full
 *           buffers of 64 KiB before receiving pauses and the peer's window
 *           closes. The kernel stops later, up to 112 buffers more, before
 *           Linux 6.17, with messages much smaller than a buffer, and once
 *           for a reader that kept up with a fast sender and then stopped.
 * Packets   On a seqpacket each send is one message, which is never merged
 *           with another nor split, and each torc_recv() gives one. None may
 *           be empty: an empty message looks like an end. One that is larger
 *           than TORC_STREAM_BUF_BYTES ends the receiving stream with
 *           -EMSGSIZE after those before it.
 * Reset     The first error of either direction is the stream's end: an end
 *           of file that follows is reported as that error, never as a clean
 *           end.
 * Lifetime  From torc_accept(), torc_connect(), torc_stream_pair() or
 *           torc_stream_adopt() to torc_close() or torc_abort(), which take it
 *           at once and finish on their own.
 *           The end of the runtime closes it first: a callback that hears
 *           -ECANCELED may close it all the same, and what it begins with
 *           it is over at once, -ECANCELED.
 * Shard     The one that made it; a call on another ends the process. Calls
 *           that wait need a task.
 * Errors    -ECONNRESET, -EPIPE, -ETIMEDOUT ... as the kernel gives them;
 *           -ECANCELED and -ETIMEDOUT when the task is interrupted.
 * Kernel    6.0 for multishot receives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <torc/core/future.h>
#include <torc/core/io/address.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_stream;

/* One receive takes at most so much. */
#define TORC_STREAM_BUF_BYTES (64 * 1024)

/* In buffers; a half of it is kept while more are received. */
#define TORC_STREAM_CREDIT 4

/* ---- receiving: one reader at a time ---- */

/*
 * Wait for bytes. *data points at what arrived, until the next receiving
 * call or the close of this stream.
 *
 * Returns  how many bytes (> 0); 0 at a clean end; -errno.
 * Cost     no copy, no allocation, and no system call of its own.
 */
ssize_t torc_recv(struct torc_stream *stream, const void **data)
	__attribute__((warn_unused_result));

/* Wait for bytes and copy at most `bytes` of them. Returns as torc_recv(). */
ssize_t torc_read(struct torc_stream *stream, void *buf, size_t bytes)
	__attribute__((warn_unused_result));

/*
 * Wait until `bytes` have been copied. Returns `bytes`; fewer when the
 * stream ended cleanly before; -errno.
 */
ssize_t torc_read_exact(struct torc_stream *stream, void *buf, size_t bytes)
	__attribute__((warn_unused_result));

/*
 * Wait for bytes and spread what is there over `iov`, one piece after the
 * other, of a seqpacket one message at most. Returns as torc_recv(), and 0
 * when the pieces have no room.
 */
ssize_t torc_read_vec(struct torc_stream *stream, const struct iovec *iov,
	unsigned iov_count) __attribute__((warn_unused_result));

/*
 * Start only: the future becomes ready with the number of bytes that
 * torc_recv() will return without waiting, 0 at a clean end, or -errno.
 * Cancelling it loses nothing.
 */
void torc_recv_start(struct torc_stream *stream, struct torc_future *future);

/*
 * Start only, after a clean end: ready with -errno when the peer resets the
 * connection after all, and never for another reason but a cancel. For who
 * still has something to send, but not yet.
 */
void torc_reset_start(struct torc_stream *stream, struct torc_future *future);

/* ---- sending ---- */

/* Bytes on their way out; the caller's memory until `done` is ready. */
struct torc_send {
	/* Caller: set before start, unchanged until done. */
	const void *data;
	size_t bytes; /* > 0 */

	/* Result. */
	struct torc_future done; /* value: bytes, or -errno */
	size_t sent_bytes;       /* how far it came, also on an error */

	/* Runtime only. */
	struct torc_send *_next;
	unsigned _iov_count;
	uint8_t _kind;
	bool _is_canceled;
};

/*
 * Send all of it. Returns `bytes`, or -errno: the peer may then have got a
 * part, and the only thing to do with the stream is to close it. A seqpacket
 * sends all or nothing: -EMSGSIZE when a message is too large for its send
 * buffer, -EINVAL for an empty one, and it goes on.
 */
ssize_t torc_send_all(struct torc_stream *stream, const void *data,
	size_t bytes) __attribute__((warn_unused_result));

/*
 * Start only. After a cancel, sent_bytes tells how much had left; what was
 * queued behind it is sent all the same.
 */
void torc_send_start(struct torc_stream *stream, struct torc_send *send);

/*
 * Send what lies in several places as if it lay in one, without a copy.
 * Returns the sum of the pieces; else as torc_send_all(). Pieces may be
 * empty. On a seqpacket all pieces are one message; -EMSGSIZE also when they
 * are more than IOV_MAX (1024).
 */
ssize_t torc_send_vec(struct torc_stream *stream, const struct iovec *iov,
	unsigned iov_count) __attribute__((warn_unused_result));

/*
 * Start only, of at least one byte. The pieces and `iov` itself are the
 * runtime's until send->done is ready; data and bytes are set by the call.
 */
void torc_send_vec_start(struct torc_stream *stream, struct torc_send *send,
	const struct iovec *iov, unsigned iov_count);

/*
 * Half-close: the peer sees a clean end after what was sent. Does not wait.
 * Returns 0; -EBUSY while a send is not done; -ENOTCONN after a reset.
 */
int torc_shutdown(struct torc_stream *stream);

/* ---- life ---- */

/*
 * Wait for a connection to `to`. *stream is set on success only.
 *
 * Returns  0; -ECONNREFUSED, -EHOSTUNREACH ...; -EINVAL: an address of
 *          datagrams, which have udp.h; -EMFILE when descriptors ran out;
 *          -ENOMEM. Bound it with a deadline: the kernel's own limit is
 *          minutes.
 */
int torc_connect(struct torc_stream **stream, const struct torc_address *to)
	__attribute__((warn_unused_result));

/*
 * Close. Never waits and never fails: receiving ends, sends that are not
 * done are cancelled, and the descriptor is closed once the kernel is done
 * with both. NULL is allowed.
 */
void torc_close(struct torc_stream *stream);

/*
 * Close with a reset: the peer must not take what it got for the whole. A
 * Unix peer cannot be sent one unless it sent bytes that nobody read.
 */
void torc_abort(struct torc_stream *stream);

/*
 * The two ends. 0; -ECANCELED, see Lifetime; -errno. Cost: one system call.
 */
int torc_stream_local(struct torc_stream *stream, struct torc_address *out);
int torc_stream_peer(struct torc_stream *stream, struct torc_address *out);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_STREAM_H */
