/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_CREDENTIALS_H
#define TORC_CORE_IO_CREDENTIALS_H

/*
 * credentials - who is at the other end of a Unix connection
 *
 * The kernel noted it when the connection was made: by whoever connected, or
 * for the connecting side by whoever listens. A peer cannot lie about it, but
 * may have handed its end to somebody else since.
 *
 * Shard   That of the stream.
 * Errors  -EOPNOTSUPP on TCP; -ENOPROTOOPT where the kernel does not know it,
 *         and in the simulation; -ECANCELED once the end of the runtime has
 *         closed the stream.
 * Cost    one system call.
 */

#include <sys/types.h>

#include <torc/core/io/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_credentials {
	pid_t pid; /* 0: in a process namespace that is not seen from here */
	uid_t uid;
	gid_t gid;
};

/* 0 or -errno; *out is set on success only. */
int torc_stream_peer_credentials(struct torc_stream *stream,
	struct torc_credentials *out) __attribute__((warn_unused_result));

/*
 * A pidfd of the peer's process, which unlike its number never becomes
 * another's. The caller closes it. Returns a descriptor; -ESRCH when the
 * process is gone (-EINVAL before Linux 6.16); -errno.
 * Kernel  6.5.
 */
int torc_stream_peer_pidfd(struct torc_stream *stream)
	__attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_CREDENTIALS_H */
