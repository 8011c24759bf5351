/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_ADOPT_H
#define TORC_CORE_IO_ADOPT_H

/*
 * adopt - a connection that came as a descriptor, and a stream's descriptor
 *
 * A descriptor that torc_recv_fds() received, that was inherited, or that
 * another library made becomes a stream; and what a stream has can be sent to
 * another process.
 *
 * Shard   The caller's.
 * Errors  -errno.
 */

#include <torc/core/io/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a stream of a connected socket: TCP, Unix stream or Unix seqpacket. It
 * takes `fd`, also when it fails, and makes it blocking (O_NONBLOCK off) and
 * close-on-exec: whoever else has it must not read from it or write to it.
 * A TCP socket keeps its options; see TORC_NODELAY in option.h.
 *
 * Returns  0; -EBADF; -ENOTSOCK; -ENOTCONN; -EPROTOTYPE for a socket of
 *          another kind; -ENOMEM.
 * Cost     five system calls.
 */
int torc_stream_adopt(struct torc_stream **stream, int fd)
	__attribute__((warn_unused_result));

/*
 * Its descriptor, for torc_send_fds() and for settings that torc does not
 * know. It stays the stream's: do not close it, read from it or write to it.
 * Whoever gets a copy gets what was not received here: send it on before the
 * first receiving call, or what has arrived by then is missing there. Leave
 * O_NONBLOCK off, also on a copy, which shares it: with it set the epoll engine
 * looks again and again instead of waiting, and burns a CPU.
 *
 * Returns  it; -ECANCELED once the end of the runtime has closed the stream.
 */
int torc_stream_fd(const struct torc_stream *stream);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_ADOPT_H */
