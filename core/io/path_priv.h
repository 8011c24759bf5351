/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_PATH_PRIV_H
#define TORC_CORE_IO_PATH_PRIV_H

#include <torc/core/io/path.h>

struct torc_dir;

/* unlinkat(2) of what is in `above`; NULL: of a path. */
int torc__path_unlink_in(
	const struct torc_dir *above, const char *name, int flags);

#endif /* TORC_CORE_IO_PATH_PRIV_H */
