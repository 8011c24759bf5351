/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_ENGINE_PRIV_H
#define TORC_URING_ENGINE_PRIV_H

/*
 * engine - what stands behind a ring and turns SQEs into CQEs
 *
 * This table is the only way from torc to whatever carries out its I/O. Code
 * above it prepares SQEs and reads CQEs, and cannot tell which engine it has.
 *
 * Lifetime  A table is const and static; a ring points to one from open to
 *           close.
 * Shard     Every call comes from the thread that opened the ring.
 * Errors    0 or a count, or -errno; errno is not touched.
 */

#include <stdint.h>
#include <sys/socket.h>

struct torc_ring;
struct torc_ring_options;

struct torc_engine {
	const char *name;

	/* Map the queues and fill ring->uring; close gives them back. */
	int (*open)(struct torc_ring *, const struct torc_ring_options *);
	void (*close)(struct torc_ring *);

	/*
	 * Hand over `to_submit` SQEs, run what the kernel deferred, and
	 * return when `min_complete` CQEs are there or `timeout_ns` is over
	 * (UINT64_MAX: no limit). Returns the number of SQEs taken, or
	 * -EINTR, -ETIME, -EBUSY, -EAGAIN, -ENOMEM: all of them normal.
	 */
	int (*enter)(struct torc_ring *, uint32_t to_submit,
		uint32_t min_complete, uint64_t timeout_ns);
	int (*reg)(struct torc_ring *, uint32_t opcode, const void *arg,
		uint32_t arg_count);

	uint64_t (*now_ns)(struct torc_ring *);

	/* The calls around a socket that are not worth an SQE. */
	int (*socket)(struct torc_ring *, int domain, int type, int protocol);
	int (*bind)(
		struct torc_ring *, int fd, const struct sockaddr *, socklen_t);
	int (*listen)(struct torc_ring *, int fd, int backlog);
	int (*shutdown)(struct torc_ring *, int fd, int how);
	int (*setsockopt)(struct torc_ring *, int fd, int level, int name,
		const void *value, socklen_t);
	int (*getsockopt)(struct torc_ring *, int fd, int level, int name,
		void *value, socklen_t *);
	int (*getsockname)(
		struct torc_ring *, int fd, struct sockaddr *, socklen_t *);
	int (*getpeername)(
		struct torc_ring *, int fd, struct sockaddr *, socklen_t *);
	/* Close a descriptor that no op names any more. */
	void (*close_fd)(struct torc_ring *, int fd);
};

/* io_uring; uring/kernel.c. */
extern const struct torc_engine torc__engine_kernel;

#endif /* TORC_URING_ENGINE_PRIV_H */
