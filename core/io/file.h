/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_FILE_H
#define TORC_CORE_IO_FILE_H

/*
 * file - read and write files without holding the thread
 *
 *   --open--> OPEN --torc_file_close--> closing --last CQE--> gone
 *
 * Each call is one operation of the kernel (more for the exact forms): the
 * shard goes on, whether the bytes are in memory or on a disk.
 *
 * Order     Any number of calls may be on their way at a time, by any task of
 *           the shard, and they finish in any order: await a write before
 *           starting what must come after it.
 * Position  pread, pwrite and their kin say where. read, write and write_all
 *           go on where the last of them ended, one call at a time. What has
 *           no positions (a FIFO, a terminal) is for the latter only. With
 *           O_APPEND writes go to the end, wherever they were meant to go,
 *           and leave the position alone.
 * Direct    O_DIRECT wants memory, offset and bytes in multiples of a block
 *           (torc_file_stat() tells which; 4096 always is one): otherwise
 *           -EINVAL. So does an open where the file system has no O_DIRECT.
 *           torc_io_alloc() gives memory that fits.
 * Fixed     Memory of torc_io_alloc() is registered with the ring, and reads
 *           and writes of it by pread, pwrite, read and write find that out
 *           by themselves: the kernel need not look up and pin its pages.
 * Cancel    -ECANCELED: the kernel read or wrote nothing more than
 *           `done_bytes` says, which of a call by one operation is nothing.
 *           One that has reached the disk, or the page cache, is not
 *           stopped: it finishes, and is told as a success.
 * Lifetime  torc_file_open() to torc_file_close(), which takes it at once.
 *           Paths, memory and vectors are the caller's until the call's
 *           future is ready.
 * SIGPIPE   A write to a FIFO that nobody reads any more is -EPIPE, a value:
 *           while a shard has one open for writing, SIGPIPE is blocked on its
 *           thread, and one that arose there is dropped before the old mask
 *           returns; see pipe.h.
 * Shard     The one that opened it: asserted.
 * Errors    -errno as open(2), pread(2) ... give it; -ECANCELED, -ETIMEDOUT.
 *           EINTR is never seen.
 * Kernel    6.1; truncation without a helper thread 6.9. The kernel does on
 *           a thread of its own what it cannot do at once: opens, syncs, and
 *           on most file systems writes that find no room in the page cache.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <torc/base/list.h>
#include <torc/core/future.h>
#include <torc/core/io/source.h>
#include <torc/core/io/stat.h>
#include <torc/uring/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_file;

/* One call on its way; the caller's memory until `done` is ready. */
struct torc_file_op {
	/* Result. */
	struct torc_future done; /* what the awaiting form returns */
	size_t done_bytes;       /* how far it came, also on an error */

	/* Runtime only. */
	struct torc_op _op;
	struct torc_link _link;
	struct torc_file *_file;
	void *_target; /* memory, vector, struct torc_stat, torc_file ** */
	const char *_path;
	uint64_t _bytes;
	uint64_t _offset;
	uint32_t _mode;
	int32_t _flags;
	int32_t _dir_fd;
	uint8_t _kind;
	bool _is_exact;
	bool _is_at_position;
	bool _is_hasty;
	bool _is_canceled;
};

/* ---- life ---- */

/*
 * Open as open(2) does, close-on-exec always. *file is set on success only.
 *
 * No open waits for a FIFO's other end, or a terminal's carrier: it is made
 * with O_NONBLOCK, which what comes after it is without, unless asked for.
 *
 * Returns  0; -ENOENT, -EACCES, -EISDIR, -ELOOP, -EMFILE ...; -ENOMEM;
 *          -ENXIO for a FIFO to write to that nobody reads. An open that beat
 *          its cancel is a success, to be closed.
 * Cost     one allocation, and system calls besides the operation: fcntl(2),
 *          unless O_NONBLOCK was asked for, and lseek(2), to write.
 */
int torc_file_open(struct torc_file **file, const char *path, int flags,
	mode_t mode) __attribute__((warn_unused_result));
void torc_file_open_start(struct torc_file **file, const char *path, int flags,
	mode_t mode, struct torc_file_op *op);

/*
 * Never waits. Calls that are on their way are cancelled and end as they
 * would otherwise; the descriptor is closed after the last of them. Nothing
 * is flushed: see torc_file_sync(). NULL is allowed.
 */
void torc_file_close(struct torc_file *file);

/* ---- at an offset ---- */

/*
 * Read at most `bytes`, as the kernel gives them at once.
 *
 * Returns  how many bytes; 0 at the end of the file; -errno.
 * Cost     no allocation, no system call of its own.
 */
ssize_t torc_file_pread(struct torc_file *file, void *buf, size_t bytes,
	uint64_t offset) __attribute__((warn_unused_result));
void torc_file_pread_start(struct torc_file *file, void *buf, size_t bytes,
	uint64_t offset, struct torc_file_op *op);

/* Read on until there are `bytes`. Returns fewer at the end of the file only.
 */
ssize_t torc_file_pread_exact(struct torc_file *file, void *buf, size_t bytes,
	uint64_t offset) __attribute__((warn_unused_result));
void torc_file_pread_exact_start(struct torc_file *file, void *buf,
	size_t bytes, uint64_t offset, struct torc_file_op *op);

/* Write at most `bytes`. Returns how many (a full disk takes a part), -errno.
 */
ssize_t torc_file_pwrite(struct torc_file *file, const void *data, size_t bytes,
	uint64_t offset) __attribute__((warn_unused_result));
void torc_file_pwrite_start(struct torc_file *file, const void *data,
	size_t bytes, uint64_t offset, struct torc_file_op *op);

/* Write all of it. Returns `bytes`, or -errno: op->done_bytes were written. */
ssize_t torc_file_pwrite_all(struct torc_file *file, const void *data,
	size_t bytes, uint64_t offset) __attribute__((warn_unused_result));
void torc_file_pwrite_all_start(struct torc_file *file, const void *data,
	size_t bytes, uint64_t offset, struct torc_file_op *op);

/* The same from and to `count` pieces of memory, at most 1024; may be short. */
ssize_t torc_file_preadv(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset) __attribute__((warn_unused_result));
void torc_file_preadv_start(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset, struct torc_file_op *op);
ssize_t torc_file_pwritev(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset) __attribute__((warn_unused_result));
void torc_file_pwritev_start(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset, struct torc_file_op *op);

/* ---- at the file's position: one call at a time ---- */

/* As torc_file_pread() and torc_file_pwrite(); what was done moves it. */
ssize_t torc_file_read(struct torc_file *file, void *buf, size_t bytes)
	__attribute__((warn_unused_result));
void torc_file_read_start(struct torc_file *file, void *buf, size_t bytes,
	struct torc_file_op *op);
ssize_t torc_file_write(struct torc_file *file, const void *data, size_t bytes)
	__attribute__((warn_unused_result));
void torc_file_write_start(struct torc_file *file, const void *data,
	size_t bytes, struct torc_file_op *op);

/* Write all of it. Returns `bytes`, or -errno: op->done_bytes were written. */
ssize_t torc_file_write_all(struct torc_file *file, const void *data,
	size_t bytes) __attribute__((warn_unused_result));
void torc_file_write_all_start(struct torc_file *file, const void *data,
	size_t bytes, struct torc_file_op *op);

/*
 * Where the next such call begins; 0 after an open. It may lie past the end:
 * a write there leaves a hole. A file without positions has none to set:
 * torc_file_position() is then UINT64_MAX. Cost: lseek(2) by the first of
 * these calls, and those above, on a file opened to read; else nothing.
 */
void torc_file_seek(struct torc_file *file, uint64_t position);
uint64_t torc_file_position(struct torc_file *file);

/* For whatever copies, buffers or parses bytes. */
struct torc_source torc_file_source(struct torc_file *file);
struct torc_sink torc_file_sink(struct torc_file *file);

/* ---- the file itself ---- */

/*
 * Wait until what was written before is on the disk; datasync leaves out
 * times and the like. 0, or -errno: -EIO or -ENOSPC may tell of an earlier
 * write, and are told once.
 */
int torc_file_sync(struct torc_file *file) __attribute__((warn_unused_result));
void torc_file_sync_start(struct torc_file *file, struct torc_file_op *op);
int torc_file_datasync(struct torc_file *file)
	__attribute__((warn_unused_result));
void torc_file_datasync_start(struct torc_file *file, struct torc_file_op *op);

/* Size, times, owner ... 0 or -errno. */
int torc_file_stat(struct torc_file *file, struct torc_stat *stat)
	__attribute__((warn_unused_result));
void torc_file_stat_start(struct torc_file *file, struct torc_stat *stat,
	struct torc_file_op *op);

/* Make it so many bytes long: cut off, or filled up with zeros. 0 or -errno. */
int torc_file_truncate(struct torc_file *file, uint64_t bytes)
	__attribute__((warn_unused_result));
void torc_file_truncate_start(
	struct torc_file *file, uint64_t bytes, struct torc_file_op *op);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_FILE_H */
