/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_DIR_PRIV_H
#define TORC_CORE_IO_DIR_PRIV_H

#include <torc/core/io/dir.h>

/*
 * torc_dir_open() of what is in `above`, or with NULL of a path; and never of
 * what a symbolic link leads to: -ELOOP, -ENOTDIR.
 */
int torc__dir_open_in(
	struct torc_dir **dir, const struct torc_dir *above, const char *name);

/* For a call on what is in it, while it is open; NULL: a path begins here. */
int torc__dir_fd(const struct torc_dir *dir);

#endif /* TORC_CORE_IO_DIR_PRIV_H */
