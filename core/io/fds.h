/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_FDS_H
#define TORC_CORE_IO_FDS_H

/*
 * fds - descriptors that travel over a Unix connection with its bytes
 *
 * What arrives is a descriptor of the receiver's own for the same open file:
 * a connection, a file, a pipe. The first receiving call on a stream decides
 * how it is received from for the rest of its life: torc_recv() has no room
 * for descriptors, and the kernel closes what arrives there. torc_recv_fds()
 * switches SO_PASSCRED, SO_PASSSEC and SO_PASSPIDFD off, whose messages would
 * take the descriptors' room; who is there says credentials.h.
 *
 * Order     With the bytes. On a stream, those sent before may come in the
 *           same receive; a receive never goes past the bytes that
 *           descriptors came with. On a seqpacket each message has its own.
 * Lifetime  Sent ones stay the sender's, open until the send is done.
 *           Received ones are the caller's to close, and close-on-exec.
 * Shard     That of the stream. Calls that wait need a task.
 * Errors    As torc_send_all() and torc_recv(), and: -EOPNOTSUPP on TCP;
 *           -EINVAL for more than TORC_FDS_MAX, or one of an io_uring, which
 *           the kernel passes to nobody; -EBADF when one is not open;
 *           -ETOOMANYREFS when too many are on their way.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <torc/core/future.h>
#include <torc/core/io/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With one message; the kernel's SCM_MAX_FD. */
#define TORC_FDS_MAX 253

/* The header of one control message and TORC_FDS_MAX ints. */
#define TORC_FDS_CONTROL_BYTES 1032

/*
 * Send `bytes` (> 0) with descriptors. In the order of all sends of this
 * stream, and never cancelled half: they leave with the first byte.
 *
 * Returns  `bytes`, or -errno. After -EBADF, -EINVAL and -ETOOMANYREFS
 *          nothing has left and the stream goes on.
 * Cost     a send of its own, unlike others of the turn.
 */
ssize_t torc_send_fds(struct torc_stream *stream, const void *data,
	size_t bytes, const int *fds, unsigned fds_count)
	__attribute__((warn_unused_result));

struct torc_send_fds {
	/* Result in send.done and send.sent_bytes; see struct torc_send. */
	struct torc_send send;

	/* Runtime only. */
	struct msghdr _msg;
	struct iovec _iov;
	uint64_t _control[TORC_FDS_CONTROL_BYTES / 8];
};

/* Start only. `fds` is copied; the descriptors stay open until it is done. */
void torc_send_fds_start(struct torc_stream *stream, struct torc_send_fds *send,
	const void *data, size_t bytes, const int *fds, unsigned fds_count);

/*
 * Wait for bytes, and for the descriptors that came with them. *fds_count
 * is how many there is room for, and afterwards how many came.
 *
 * Returns  how many bytes (> 0); 0 at a clean end; -EBUSY after another
 *          receiving call; -EMSGSIZE when more descriptors came than there
 *          is room for, or a seqpacket's message has more bytes; -EMFILE
 *          when they came and the process may have no more; -EBADMSG for
 *          descriptors without a byte. With these three every one that came
 *          is closed, and the bytes are in buf as far as they fit. -errno.
 * Cost     one operation per call, and a copy by the kernel; three system
 *          calls for the first of a stream.
 */
ssize_t torc_recv_fds(struct torc_stream *stream, void *buf, size_t bytes,
	int *fds, unsigned *fds_count) __attribute__((warn_unused_result));

struct torc_recv_fds {
	/* Caller: set before start, unchanged until done. */
	void *buf;
	size_t bytes; /* > 0 */
	int *fds;
	unsigned fds_max;

	/* Result. */
	struct torc_future done; /* value: as torc_recv_fds() returns */
	unsigned fds_count;

	/* Runtime only. */
	bool _is_canceled;
	struct msghdr _msg;
	struct iovec _iov;
	uint64_t _control[TORC_FDS_CONTROL_BYTES / 8];
};

/*
 * Start only; one at a time. After a cancel look at the value: what came
 * all the same is the caller's to close.
 */
void torc_recv_fds_start(
	struct torc_stream *stream, struct torc_recv_fds *recv);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_FDS_H */
