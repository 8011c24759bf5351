/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_FILE_PRIV_H
#define TORC_CORE_IO_FILE_PRIV_H

#include <torc/core/io/file.h>

#include "core/shard_priv.h"

enum torc_file_kind {
	TORC_FILE_OPEN,
	TORC_FILE_READ,
	TORC_FILE_WRITE,
	TORC_FILE_READV,
	TORC_FILE_WRITEV,
	TORC_FILE_SYNC,
	TORC_FILE_STAT,
	TORC_FILE_TRUNCATE,
};

struct torc_file {
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_link ops;             /* on their way */
	struct torc_file_op *at_position; /* the one that will move it */
	uint64_t position; /* UINT64_MAX: the kernel has it, or there is none */
	int fd;            /* -1: not opened yet */
	uint32_t pins;     /* sends that will read from it again */
	bool is_append;
	bool is_probed; /* whether it has positions at all */
	bool is_piped;  /* SIGPIPE is blocked for it */
	bool is_closing;
	bool is_gone;
};

/*
 * Hand `op`, in which the caller has set what its _kind needs, to the kernel.
 * The file is this shard's, or a panic says what to do.
 */
void torc__file_start(struct torc_file *file, struct torc_file_op *op);

/* torc_file_open_start(), where a relative path begins at `dir_fd`. */
void torc__file_open_at_start(struct torc_file **file, int dir_fd,
	const char *path, int flags, mode_t mode, struct torc_file_op *op);

/* Its last CQE was there: off the file's list, and complete. */
void torc__file_finish(struct torc_file_op *op, int64_t value);

/*
 * IORING_OP_FTRUNCATE is of Linux 6.9. Where the answer may mean that the
 * kernel does not know it, ftruncate(2) does it on a thread of the pool.
 */
bool torc__truncate_is_unknown(const struct torc_file_op *op, int32_t res);
void torc__truncate_by_hand(struct torc_file_op *op);
void torc__truncate_cancel(struct torc_file_op *op);

/* Between the two a closed file is still there, and says that it is closed. */
void torc__file_hold(struct torc_file *file);
void torc__file_let_go(struct torc_file *file);

/* For an operation of another's, such as a splice: hold a read meanwhile. */
static inline int
torc__file_fd(const struct torc_file *file)
{
	return file->fd;
}

#endif /* TORC_CORE_IO_FILE_PRIV_H */
