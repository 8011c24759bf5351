/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_DIR_H
#define TORC_CORE_IO_DIR_H

/*
 * dir - the names in a directory
 *
 *   ret = torc_dir_open(&dir, path);
 *   while ((ret = torc_dir_next(dir, &entry)) > 0)
 *           ... entry.name ...
 *   torc_dir_close(dir);
 *
 * They come in no order, without "." and "..". What is added or removed
 * meanwhile may be among them or not; each other name comes exactly once.
 *
 * Lifetime  torc_dir_open() to torc_dir_close(), which takes it at once.
 * Shard     The one that opened it; one task at a time.
 * Errors    -errno as opendir(3) and readdir(3) have them; those of
 *           torc_blocking(); -ECANCELED, -ETIMEDOUT: no name is lost.
 * Kernel    It has no operation for this: names are read on a thread of the
 *           blocking pool, 32 KiB of them at a time.
 */

#include <stdint.h>

#include <torc/core/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_dir;

struct torc_dir_entry {
	const char *name; /* until the next call on the directory */
	uint64_t inode;
	/*
	 * The type alone: S_ISDIR(mode), S_ISREG(mode) ... 0: the file system
	 * does not tell it here; torc_path_lstat() does.
	 */
	uint32_t mode;
};

/* 0, with *dir set; -ENOENT, -ENOTDIR, -EACCES, -EMFILE ...; -ENOMEM. */
int torc_dir_open(struct torc_dir **dir, const char *path)
	__attribute__((warn_unused_result));

/* One open on its way; the caller's memory until `done` is ready. */
struct torc_dir_op {
	/* Result. */
	struct torc_future done; /* 0, or -errno */

	/* Runtime only. */
	struct torc_dir *_dir;
	struct torc_dir **_out;
};

/* Start only. An open that beat its cancel is a success, to be closed. */
void torc_dir_open_start(
	struct torc_dir **dir, const char *path, struct torc_dir_op *op);

/*
 * The next name. Returns 1, and fills *entry; 0 after the last; -errno.
 * Cost: no wait but for one in some hundred names.
 */
int torc_dir_next(struct torc_dir *dir, struct torc_dir_entry *entry)
	__attribute__((warn_unused_result));

/* Start only: ready with 0 once torc_dir_next() will not wait, or -errno. */
void torc_dir_next_start(struct torc_dir *dir, struct torc_future *future);

/* Never waits. NULL is allowed. */
void torc_dir_close(struct torc_dir *dir);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_DIR_H */
