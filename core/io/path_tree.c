/* SPDX-License-Identifier: MIT */
/*
 * Whole trees. A removal goes from directory to directory by descriptors and
 * follows no link: nobody who can write there leads it astray.
 */
#include <torc/core/io/path.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <torc/alloc/arena.h>
#include <torc/core/io/dir.h>

#include "core/io/dir_priv.h"
#include "core/io/path_priv.h"

/* ---- making ---- */

/* Where the part before `end` ends; 0: there is none. */
static size_t
part_before(const char *path, size_t end)
{
	while (end > 0 && path[end - 1] == '/')
		end--;
	while (end > 0 && path[end - 1] != '/')
		end--;
	while (end > 0 && path[end - 1] == '/')
		end--;
	return end;
}

static size_t
part_after(const char *path, size_t end)
{
	end += strspn(path + end, "/");
	return end + strcspn(path + end, "/");
}

/* Its first `end` bytes. */
static int
make_part(char *path, size_t end, mode_t mode)
{
	char cut = path[end];
	int ret;

	path[end] = '\0';
	ret = torc_path_mkdir(path, mode);
	path[end] = cut;
	return ret;
}

/* Up, until one is there; then down again. */
static int
make_parts(char *path, mode_t mode)
{
	size_t bytes = strlen(path), end = bytes;
	int ret;

	while ((ret = make_part(path, end, mode)) == -ENOENT) {
		end = part_before(path, end);
		if (end == 0)
			return -ENOENT;
	}
	/* Another may make them, too. */
	while ((ret == 0 || ret == -EEXIST) && end < bytes) {
		end = part_after(path, end);
		ret = make_part(path, end, mode);
	}
	return ret;
}

int
torc_path_mkdir_all(const char *path, mode_t mode)
{
	size_t bytes = strlen(path) + 1;
	struct torc_stat stat;
	char *copy;
	int ret;

	copy = torc_malloc(bytes);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, path, bytes);
	ret = make_parts(copy, mode);
	torc_free(copy);
	if (ret != -EEXIST)
		return ret;
	ret = torc_path_stat(path, &stat);
	return ret == 0 && !S_ISDIR(stat.mode) ? -EEXIST : ret;
}

/* ---- removing ---- */

/* A directory whose names are being removed. */
struct level {
	struct level *above;
	struct torc_dir *dir;
	char name[]; /* in the one above */
};

static struct torc_dir *
dir_of(const struct level *level)
{
	return level == NULL ? NULL : level->dir;
}

static int
go_down(struct level **top, const char *name)
{
	size_t bytes = strlen(name) + 1;
	struct level *level = torc_malloc(sizeof(*level) + bytes);
	int ret;

	if (level == NULL)
		return -ENOMEM;
	level->above = *top;
	memcpy(level->name, name, bytes);
	ret = torc__dir_open_in(&level->dir, dir_of(*top), level->name);
	if (ret < 0) {
		torc_free(level);
		return ret;
	}
	*top = level;
	return 0;
}

/* It is empty. Gone already is as good, but for what was asked for. */
static int
go_up(struct level **top)
{
	struct level *level = *top;
	int ret;

	torc_dir_close(level->dir);
	*top = level->above;
	ret = torc__path_unlink_in(
		dir_of(level->above), level->name, AT_REMOVEDIR);
	torc_free(level);
	return ret == -ENOENT && *top != NULL ? 0 : ret;
}

static int
remove_entry(struct level **top, const struct torc_dir_entry *entry)
{
	struct torc_dir *dir = dir_of(*top);
	int ret = -EISDIR;

	if (!S_ISDIR(entry->mode))
		ret = torc__path_unlink_in(dir, entry->name, 0);
	if (ret == -EISDIR)
		ret = go_down(top, entry->name);
	/* It was a directory when its name was read. */
	if (ret == -ENOTDIR || ret == -ELOOP)
		ret = torc__path_unlink_in(dir, entry->name, 0);
	return ret == -ENOENT ? 0 : ret;
}

/* As torc_dir_next(); of one that was removed while it is open: its end. */
static int
next_entry(const struct level *level, struct torc_dir_entry *entry)
{
	int ret = torc_dir_next(level->dir, entry);

	return ret == -ENOENT ? 0 : ret;
}

/*
 * "." and "..", and "/", whatever they lead to: no such name can be removed,
 * and what is inside must not go before that is found out.
 */
static bool
ends_in_no_name(const char *path)
{
	size_t end = strlen(path), begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	begin = end;
	while (begin > 0 && path[begin - 1] != '/')
		begin--;
	if (begin == end)
		return path[0] == '/';
	return path[begin] == '.' &&
	       (end - begin == 1 ||
		       (end - begin == 2 && path[begin + 1] == '.'));
}

int
torc_path_remove_all(const char *path)
{
	struct torc_dir_entry entry;
	struct level *top = NULL;
	int ret;

	if (ends_in_no_name(path))
		return -EINVAL;
	ret = torc_path_unlink(path);
	if (ret != -EISDIR)
		return ret;
	ret = go_down(&top, path);
	while (ret == 0 && top != NULL) {
		ret = next_entry(top, &entry);
		if (ret > 0)
			ret = remove_entry(&top, &entry);
		else if (ret == 0)
			ret = go_up(&top);
	}
	while (top != NULL) {
		struct level *level = top;

		top = level->above;
		torc_dir_close(level->dir);
		torc_free(level);
	}
	return ret;
}
