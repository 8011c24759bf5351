/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_PATH_H
#define TORC_CORE_IO_PATH_H

/*
 * path - what is done to files by their names
 *
 * Each call is what the system call of that name does, carried out by the
 * kernel while the shard goes on. Relative paths begin at the process's
 * working directory.
 *
 * Cancel    One that the kernel has begun finishes, and is told as a success.
 * Lifetime  Paths and a struct torc_stat are the caller's until the call's
 *           future is ready.
 * Shard     The caller's, from a task, or to start one anywhere on the shard.
 * Errors    0, or -errno: -ENOENT, -EACCES, -ENOTDIR, -ENAMETOOLONG, -ELOOP
 *           ...; -ECANCELED, -ETIMEDOUT. EINTR is never seen.
 * Kernel    5.15. It uses a thread of its own for each, but for a stat of
 *           what it has in memory. It has no operation for read_link, real
 *           and chmod: a thread of the blocking pool makes these calls, and
 *           those of torc_blocking() are their errors, too.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <torc/core/blocking.h>
#include <torc/core/future.h>
#include <torc/core/io/stat.h>
#include <torc/uring/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_shard;

/* One call on its way; the caller's memory until `done` is ready. */
struct torc_path_op {
	/* Result. */
	struct torc_future done; /* what the awaiting form returns */

	/* Runtime only. */
	union {
		struct torc_op _op;
		struct torc_blocking _job;
	};
	struct torc_shard *_shard;
	const char *_path;
	const char *_to;
	struct torc_stat *_stat;
	char *_text;
	size_t _text_bytes;
	uint32_t _mode;
	int32_t _flags;
	int32_t _dir_fd;
	uint8_t _kind;
	bool _is_canceled;
};

/* What is known of it; lstat: of a symbolic link itself. */
int torc_path_stat(const char *path, struct torc_stat *stat)
	__attribute__((warn_unused_result));
void torc_path_stat_start(
	const char *path, struct torc_stat *stat, struct torc_path_op *op);
int torc_path_lstat(const char *path, struct torc_stat *stat)
	__attribute__((warn_unused_result));
void torc_path_lstat_start(
	const char *path, struct torc_stat *stat, struct torc_path_op *op);

/* Another name on the same file system; what had that name is gone. */
int torc_path_rename(const char *from, const char *to)
	__attribute__((warn_unused_result));
void torc_path_rename_start(
	const char *from, const char *to, struct torc_path_op *op);

/* Remove a name. The file goes with the last name and the last descriptor. */
int torc_path_unlink(const char *path) __attribute__((warn_unused_result));
void torc_path_unlink_start(const char *path, struct torc_path_op *op);

/*
 * One more name for the same file, on the same file system: it is gone with
 * the last of them. -EEXIST: there is something called `to`.
 */
int torc_path_link(const char *from, const char *to)
	__attribute__((warn_unused_result));
void torc_path_link_start(
	const char *from, const char *to, struct torc_path_op *op);

/*
 * A symbolic link at `path`, whatever `target` says: nobody looks whether it
 * is there. A relative one begins where the link is.
 */
int torc_path_symlink(const char *target, const char *path)
	__attribute__((warn_unused_result));
void torc_path_symlink_start(
	const char *target, const char *path, struct torc_path_op *op);

/*
 * What a symbolic link says, into `target`, which has `bytes`, with a zero byte
 * at its end. Returns how long it is without that; -EINVAL: it is no link;
 * -ENAMETOOLONG: it does not fit.
 */
int torc_path_read_link(const char *path, char *target, size_t bytes)
	__attribute__((warn_unused_result));
void torc_path_read_link_start(
	const char *path, char *target, size_t bytes, struct torc_path_op *op);

/*
 * The one path of what is there: from "/" on, without links, "." and "..". As
 * torc_path_read_link(); PATH_MAX bytes are always enough.
 */
int torc_path_real(const char *path, char *real, size_t bytes)
	__attribute__((warn_unused_result));
void torc_path_real_start(
	const char *path, char *real, size_t bytes, struct torc_path_op *op);

/* Set the permissions, of a link's target; the umask plays no part. */
int torc_path_chmod(const char *path, mode_t mode)
	__attribute__((warn_unused_result));
void torc_path_chmod_start(
	const char *path, mode_t mode, struct torc_path_op *op);

/* Make a directory; the process's umask applies. */
int torc_path_mkdir(const char *path, mode_t mode)
	__attribute__((warn_unused_result));
void torc_path_mkdir_start(
	const char *path, mode_t mode, struct torc_path_op *op);

/* Remove a directory; -ENOTEMPTY when something is in it. */
int torc_path_rmdir(const char *path) __attribute__((warn_unused_result));
void torc_path_rmdir_start(const char *path, struct torc_path_op *op);

/*
 * Make a directory and those above it that are missing, each with `mode`. 0
 * also where it was there before. Made of several calls: to start it, spawn a
 * task. A cancel, or an error, leaves what was made.
 */
int torc_path_mkdir_all(const char *path, mode_t mode)
	__attribute__((warn_unused_result));

/*
 * Remove what is there and, of a directory, all that is inside. A symbolic
 * link goes, and never what it leads to, also when somebody puts it there
 * meanwhile. What is gone before it is reached is no error. Made of several
 * calls: to start it, spawn a task. A cancel, or an error, leaves the rest.
 *
 * Returns  0; -ENOENT: there is nothing of that name; -EINVAL: it ends in "."
 *          or "..", or is "/", and nothing was removed; -ENOTEMPTY: somebody
 *          put more into it meanwhile, which is not tried again; -errno.
 * Cost     a descriptor and 40 KiB for each level, `path` itself included.
 */
int torc_path_remove_all(const char *path) __attribute__((warn_unused_result));

/*
 * The whole file at once, for small ones: *data is to be given to
 * torc_free(), and has a zero byte behind it that is not counted. Made of an
 * open, reads and a close: to start it, spawn a task.
 *
 * Returns  how many bytes; -EFBIG when there are more than `bytes_max`;
 *          -ENOMEM; -errno. *data is set on success only.
 */
ssize_t torc_path_read_all(const char *path, size_t bytes_max, void **data)
	__attribute__((warn_unused_result));

/*
 * Make or replace the whole file. Others may see it empty or in part
 * meanwhile: where that matters, write it by another name, torc_file_sync(),
 * and torc_path_rename(). Returns `bytes`; -errno, and it is incomplete.
 */
ssize_t torc_path_write_all(const char *path, const void *data, size_t bytes,
	mode_t mode) __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_PATH_H */
