/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_PIPE_H
#define TORC_CORE_IO_PIPE_H

/*
 * pipe - one end of a byte channel that is known by a descriptor
 *
 * An end of a pipe, a fifo, a terminal, a character device, or the file that
 * somebody put in a pipe's place: whatever read(2) and write(2) serve in
 * order. An end may be able to do both; the two directions are independent.
 *
 * Order     One task reads at a time. Any number may write: each write is
 *           whole before the next begins.
 * Lifetime  torc_pipe_open() or torc_pipe_from_fd() to torc_pipe_close(),
 *           which takes it at once.
 * Shard     The one that made it. Calls that wait need a task.
 * Errors    -EPIPE when nobody reads any more; -EIO from a terminal that hung
 *           up; what else read(2) and write(2) say; -ECANCELED, -ETIMEDOUT.
 *           A pipe that is NULL, see stdio.h, answers -ENOMEM.
 * SIGPIPE   -EPIPE comes as a value: while a shard has a pipe open, SIGPIPE
 *           is blocked on its thread, and one that arose there is dropped
 *           before the old mask returns. (Linux sends it for a write through
 *           io_uring too.) A thread that is made meanwhile inherits that; a
 *           child of process.h does not.
 * O_NONBLOCK  is neither set nor cleared, for others may share the file. The
 *           calls wait with and without it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <torc/core/future.h>
#include <torc/core/io/source.h>
#include <torc/uring/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_pipe;

/*
 * A new pipe: what is written to *writer can be read from *reader. Returns 0;
 * -EMFILE, -ENFILE, -ENOMEM.
 */
int torc_pipe_open(struct torc_pipe **reader, struct torc_pipe **writer)
	__attribute__((warn_unused_result));

/*
 * A pipe that takes the descriptor `fd` and makes it close-on-exec. Returns
 * 0; -EBADF, -ENOMEM: the descriptor is still the caller's.
 */
int torc_pipe_from_fd(struct torc_pipe **pipe, int fd)
	__attribute__((warn_unused_result));

/*
 * Wait for bytes and put at most `bytes` (> 0) of them into buf.
 *
 * Returns  how many (> 0); 0 when no writer is left, or at a file's end;
 *          -errno. Bytes that were read when a cancel came are delivered as a
 *          success; all others stay where they are: none is lost.
 * Cost     one SQE; a system call only as a share of the turn's.
 */
ssize_t torc_pipe_read(struct torc_pipe *pipe, void *buf, size_t bytes)
	__attribute__((warn_unused_result));

/*
 * Wait until all of it is written. Returns `bytes`, or -errno: a part may
 * then have been written.
 */
ssize_t torc_pipe_write_all(struct torc_pipe *pipe, const void *data,
	size_t bytes) __attribute__((warn_unused_result));

/* One read; the caller's memory until `done` is ready. */
struct torc_pipe_read {
	/* Caller: set before start, unchanged until done. */
	void *buf;
	size_t bytes; /* > 0 */

	/* Result. */
	struct torc_future done; /* value: as torc_pipe_read() returns */

	/* Runtime only. */
	struct torc_op _op;
	struct torc_pipe *_pipe;
	bool _is_canceled;
	bool _is_polling; /* for a descriptor that is O_NONBLOCK */
};

/* Start only. */
void torc_pipe_read_start(struct torc_pipe *pipe, struct torc_pipe_read *read);

/* One write; the caller's memory until `done` is ready. */
struct torc_pipe_write {
	/* Caller: set before start, unchanged until done. */
	const void *data;
	size_t bytes;

	/* Result. */
	struct torc_future done; /* value: `bytes`, or -errno */
	size_t written_bytes;    /* how far it came, also on an error */

	/* Runtime only. */
	struct torc_op _op;
	struct torc_pipe *_pipe;
	struct torc_pipe_write *_next;
	bool _is_canceled;
	bool _is_polling;
};

/*
 * Start only. A write that was cancelled before its turn has written nothing;
 * what was queued behind it is written all the same.
 */
void torc_pipe_write_start(
	struct torc_pipe *pipe, struct torc_pipe_write *write);

/* Its descriptor: to look at or set something. Do not close it. */
int torc_pipe_fd(const struct torc_pipe *pipe);

/* For what reads from, or writes to, anything; see source.h. */
struct torc_source torc_pipe_source(struct torc_pipe *pipe);
struct torc_sink torc_pipe_sink(struct torc_pipe *pipe);

/*
 * Never waits. Reads and writes of it end with -ECANCELED, unless they were
 * done; the descriptor is closed once the kernel is done with them. NULL is
 * allowed.
 */
void torc_pipe_close(struct torc_pipe *pipe);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_PIPE_H */
