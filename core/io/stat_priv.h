/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_STAT_PRIV_H
#define TORC_CORE_IO_STAT_PRIV_H

#include <torc/core/io/stat.h>

struct io_uring_sqe;

/* Ask for all of it; `path` below `dir_fd`, `flags` as for statx(2). */
void torc__stat_prepare(struct io_uring_sqe *sqe, int dir_fd, const char *path,
	int flags, struct torc_stat *stat);

/* The kernel has answered: fill the fields that callers read. */
void torc__stat_take(struct torc_stat *stat);

#endif /* TORC_CORE_IO_STAT_PRIV_H */
