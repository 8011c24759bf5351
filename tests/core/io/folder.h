/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_FOLDER_H
#define TORC_TESTS_CORE_IO_FOLDER_H

/*
 * folder - a folder of a test's own, below TMPDIR, removed at the end
 *
 * Beside it the bytes of the fixture, in files.
 */

#include <ftw.h>
#include <sys/stat.h>

#include "tests/core/io/fixture.h"

static char folder[256];

/* Four of them are kept: a call has two at most. */
static inline const char *
path_of(const char *name)
{
	static char paths[4][1024];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static inline int
remove_one(const char *path, const struct stat *status, int type, struct FTW *f)
{
	(void)status;
	(void)type;
	(void)f;
	return remove(path);
}

static inline int
folder_make(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof(folder), "%s/torc-file-XXXXXX",
		base != NULL ? base : "/tmp");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static inline int
folder_remove(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file of `bytes` of the fixture's pattern, made by plain system calls. */
static inline const char *
file_of(const char *name, size_t bytes)
{
	const char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint8_t *copy = copy_of_bytes(0, bytes + 1);

	must(fd >= 0);
	must_be(write(fd, copy, bytes), bytes);
	free(copy);
	close(fd);
	return path;
}

static inline struct torc_file *
file_open(const char *path, int flags)
{
	struct torc_file *file;

	must_be(torc_file_open(&file, path, flags, 0644), 0);
	return file;
}

static inline int64_t
size_of(const char *path)
{
	struct stat status;

	return stat(path, &status) < 0 ? -errno : status.st_size;
}

#endif /* TORC_TESTS_CORE_IO_FOLDER_H */
