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

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct torc_ring;
struct torc_ring_options;

struct torc_engine {
	const char *name;
	/* The CQ shows nothing new outside of an enter: looking is no use. */
	bool is_blind;
	/* Time, files and other ends exist inside the engine only. */
	bool is_simulated;
	/* It asks first and calls then: a listener must say O_NONBLOCK. */
	bool is_polling;

	/* Map the queues and fill ring->uring; close gives them back. */
	int (*open)(struct torc_ring *, const struct torc_ring_options *);
	void (*close)(struct torc_ring *);
	/*
	 * Every ring of the runtime is open; returns when this shard may
	 * run. NULL: at once.
	 */
	void (*begin)(struct torc_ring *);

	/*
	 * Hand over `to_submit` SQEs, run what was deferred, and return when
	 * `min_complete` CQEs are there or `timeout_ns` is over (UINT64_MAX:
	 * no limit). Returns the number of SQEs taken, or -EINTR, -ETIME,
	 * -EBUSY, -EAGAIN, -ENOMEM: all of them normal.
	 */
	int (*enter)(struct torc_ring *, uint32_t to_submit,
		uint32_t min_complete, uint64_t timeout_ns);
	int (*reg)(struct torc_ring *, uint32_t opcode, const void *arg,
		uint32_t arg_count);

	uint64_t (*now_ns)(struct torc_ring *);

	/* The cause of an error of open or reg and its remedy, in words. */
	void (*explain)(int error, char *text, size_t bytes);

	/* The calls around a socket that are not worth an SQE. */
	int (*socket)(struct torc_ring *, int domain, int type, int protocol);
	/* Two sockets connected to each other; AF_UNIX. */
	int (*socketpair)(struct torc_ring *, int type, int fds[2]);
	/* fds[0] is read from, fds[1] written to. */
	int (*pipe)(struct torc_ring *, int fds[2]);
	/*
	 * The next names of an open directory, as getdents64(2) gives them:
	 * bytes, or 0 after the last. As slow as a disk. Any thread; the
	 * simulation's own.
	 */
	int (*read_dir)(struct torc_ring *, int fd, void *buf, size_t bytes);
	/*
	 * chmod(2), readlink(2) and realpath(3), whose `real` has PATH_MAX
	 * bytes; 0, a length without a zero byte, or a length. As above.
	 */
	int (*chmod)(struct torc_ring *, const char *path, unsigned mode);
	int (*read_link)(struct torc_ring *, const char *path, char *target,
		size_t bytes);
	int (*real_path)(struct torc_ring *, const char *path, char *real);
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
	/* Another descriptor of the same socket. */
	int (*dup)(struct torc_ring *, int fd);
	/* True for a socket's file that nobody listens to any more. */
	bool (*unix_is_stale)(
		struct torc_ring *, const struct sockaddr *, socklen_t);
	/* Remove a socket's file. */
	void (*unix_remove)(struct torc_ring *, const struct sockaddr *);

	/*
	 * A descriptor whose read, of 8 bytes, completes once it was rung;
	 * any thread may ring it. `ring` is the reader's.
	 */
	int (*event_open)(struct torc_ring *);
	void (*event_ring_remote)(struct torc_ring *ring, int fd);
	/*
	 * A shorter way to end the ring's wait, or NULL. message_open: a
	 * descriptor to be closed by close_fd, or -errno: it is missing here.
	 * message_remote, from any thread: the ring gets a CQE that is no
	 * op's (TORC__OP_TAG_WAKE); 0, or -errno: it does not.
	 */
	int (*message_open)(struct torc_ring *);
	int (*message_remote)(int fd);
	/* One whose reads give a struct signalfd_siginfo per signal. */
	int (*signals_open)(struct torc_ring *, const sigset_t *);

	/* Close a descriptor that no op names any more. */
	void (*close_fd)(struct torc_ring *, int fd);
};

/* io_uring; uring/kernel.c. */
extern const struct torc_engine torc__engine_kernel;
/* System calls that do not block; uring/epoll.c. */
extern const struct torc_engine torc__engine_epoll;
/* A network, a clock and a kernel from one seed; uring/sim.c. */
extern const struct torc_engine torc__engine_sim;

/* The engine of this name, or NULL. */
const struct torc_engine *torc__engine_find(const char *name);

/* All names, with commas between them: for whoever gave another. */
void torc__engine_names(char *text, size_t bytes);

#endif /* TORC_URING_ENGINE_PRIV_H */
