/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_ADOPT_H
#define TORC_CORE_IO_ADOPT_H

/*
 * adopt - sockets that came as descriptors, and a stream's descriptor
 *
 * A descriptor that torc_recv_fds() received, that was inherited (systemd's
 * begin with 3, see sd_listen_fds(3)), or that another library made becomes a
 * stream, a listener or a udp socket; and what a stream has can be sent to
 * another process.
 *
 * Adopting takes the descriptor, also when it fails (but for -EBADF), and makes
 * it close-on-exec and blocking (O_NONBLOCK off; on, where the epoll engine
 * accepts on it): whoever else has the socket must leave it so, and must not
 * receive, accept or send there meanwhile. Its options stay as they are; see
 * option.h. A listener or udp socket is closed in the end and no more: no Unix
 * path is removed, and no other copy is shut.
 *
 * Moving    A stream stays on its shard. To hand a connection to another one,
 *           or out of torc, before anything was received from it: dup(2) what
 *           torc_stream_fd() says, torc_close() the stream, and adopt the copy
 *           there (torc_spawn_remote() takes it along). With fcntl(2)'s
 *           F_DUPFD_CLOEXEC a child that is started meanwhile has no copy.
 * Shard     The caller's.
 * Errors    -errno. -EBADF; -ENOTSOCK; -EPROTOTYPE for a socket of another
 *           kind or protocol (SCTP, UDP-Lite, a ping socket); -ENOMEM.
 */

#include <torc/core/io/listener.h>
#include <torc/core/io/stream.h>
#include <torc/core/io/udp.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a stream of a connected socket: TCP, Unix stream or Unix seqpacket.
 *
 * Returns  0; -ENOTCONN; -errno.
 * Cost     six system calls.
 */
int torc_stream_adopt(struct torc_stream **stream, int fd)
	__attribute__((warn_unused_result));

/*
 * Make a listener of a socket that listens: TCP, Unix stream or Unix
 * seqpacket. Where others have it too (a parent, systemd), clients wait in
 * its backlog after torc_listener_stop(), for who listens next. To accept on
 * several shards, adopt a copy, by dup(2), on each: they share one backlog.
 *
 * Returns  0; -EINVAL: it does not listen; -EOPNOTSUPP in the simulation,
 *          which takes nothing; -errno.
 * Cost     seven system calls and one allocation.
 */
int torc_listener_adopt(struct torc_listener **listener, int fd)
	__attribute__((warn_unused_result));

/*
 * Make a udp socket of a bound one: UDP or Unix datagrams. It may be
 * connected. Unix sockets need no name. What was received ahead and not taken
 * is lost with it, and to the other holders of the socket.
 *
 * Returns  0; -EINVAL: it is not bound; -EOPNOTSUPP in the simulation, which
 *          takes nothing; -errno, also of the shard's first udp socket.
 * Cost     six system calls and one allocation.
 */
int torc_udp_adopt(struct torc_udp **udp, int fd)
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
