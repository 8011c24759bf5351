/* SPDX-License-Identifier: MIT */
/* Names: folders, and what is renamed, removed and asked about. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static bool
is_there(struct contract *c, const char *name)
{
	uint64_t id = UINT64_C(0x57a7) + c->serial++;

	start_stat(c, id, AT_FDCWD, path_of(c, name),
		memory(c, sizeof(struct statx)));
	return expect(c, id, RES(0), RES(-ENOENT)).res == 0;
}

static void
rename_to(struct contract *c, const char *from, const char *to, int32_t res)
{
	uint64_t id = UINT64_C(0x4e4e) + c->serial++;

	start_rename(c, id, path_of(c, from), path_of(c, to));
	expect(c, id, RES(res));
}

/* ---- folders ---- */

static void
a_folder_is_made_once(struct contract *c)
{
	start_mkdir(c, 1, path_of(c, "folder"));
	expect(c, 1, RES(0));
	start_mkdir(c, 2, path_of(c, "folder"));
	expect(c, 2, RES(-EEXIST));
	open_new(c, "folder/file");
	start_mkdir(c, 3, path_of(c, "folder/file"));
	expect(c, 3, RES(-EEXIST));
}

static void
a_folder_needs_the_one_above_it(struct contract *c)
{
	start_mkdir(c, 1, path_of(c, "none/folder"));
	expect(c, 1, RES(-ENOENT));
	open_new(c, "file");
	start_mkdir(c, 2, path_of(c, "file/folder"));
	expect(c, 2, RES(-ENOTDIR));
}

static void
a_folder_with_something_in_it_stays(struct contract *c)
{
	make_dir(c, "folder");
	open_new(c, "folder/file");
	start_unlink(c, 1, path_of(c, "folder"), AT_REMOVEDIR);
	expect(c, 1, RES(-ENOTEMPTY));
	start_unlink(c, 2, path_of(c, "folder/file"), 0);
	expect(c, 2, RES(0));
	start_unlink(c, 3, path_of(c, "folder"), AT_REMOVEDIR);
	expect(c, 3, RES(0));
	require(c, !is_there(c, "folder"));
}

static void
a_path_may_go_up_and_stay(struct contract *c)
{
	make_dir(c, "one");
	make_dir(c, "one/two");
	open_text(c, "file", "abc");
	require_file(
		c, open_path(c, "one/two/../.././/file", O_RDONLY), 0, "abc");
	start_unlink(c, 1, path_of(c, "one/two/."), AT_REMOVEDIR);
	expect(c, 1, RES(-EINVAL));
	start_unlink(c, 2, path_of(c, "one/two/.."), AT_REMOVEDIR);
	expect(c, 2, RES(-ENOTEMPTY));
}

/* How often this name is among what is left of the folder. */
static unsigned
count_names(struct contract *c, int fd, const char *name, size_t bytes)
{
	uint8_t *buf = memory(c, bytes);
	unsigned count = 0;
	int got;

	while ((got = c->engine->read_dir(&c->ring, fd, buf, bytes)) > 0) {
		for (int at = 0; at < got;) {
			struct dirent64 *entry = (void *)(buf + at);

			count += strcmp(entry->d_name, name) == 0 &&
				 entry->d_type == DT_REG;
			at += entry->d_reclen;
		}
	}
	require(c, got == 0);
	return count;
}

static void
names_are_listed_once(struct contract *c)
{
	char name[16];

	make_dir(c, "folder");
	for (unsigned i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "folder/%u", i);
		drop(c, open_new(c, name));
	}
	for (unsigned i = 0; i < 30; i++) {
		int fd = open_path(c, "folder", O_RDONLY | O_DIRECTORY);

		snprintf(name, sizeof(name), "%u", i);
		require(c, count_names(c, fd, name, 100) == 1);
		require(c, count_names(c, fd, name, 100) == 0);
		drop(c, fd);
	}
}

static void
only_folders_are_listed(struct contract *c)
{
	uint8_t *buf = memory(c, 256);
	int fd = open_text(c, "file", "abc");

	require_is(c, c->engine->read_dir(&c->ring, fd, buf, 256), -ENOTDIR);
	fd = open_path(c, ".", O_RDONLY | O_DIRECTORY);
	require_is(c, c->engine->read_dir(&c->ring, fd, buf, 1), -EINVAL);
	require_is(
		c, c->engine->read_dir(&c->ring, bad_fd(c), buf, 256), -EBADF);
}

/* ---- removing ---- */

static void
what_is_removed_is_gone(struct contract *c)
{
	open_new(c, "file");
	start_unlink(c, 1, path_of(c, "file"), 0);
	expect(c, 1, RES(0));
	start_unlink(c, 2, path_of(c, "file"), 0);
	expect(c, 2, RES(-ENOENT));
	start_open(c, 3, path_of(c, "file"), O_RDONLY);
	expect(c, 3, RES(-ENOENT));
}

static void
what_is_removed_lives_while_it_is_open(struct contract *c)
{
	int fd = open_text(c, "file", "abc");

	start_unlink(c, 1, path_of(c, "file"), 0);
	expect(c, 1, RES(0));
	require_file(c, fd, 0, "abc");
	require_file(c, open_new(c, "file"), 0, "");
	start_write_at(c, 2, fd, "d", 1, 3);
	expect(c, 2, RES(1));
	require_file(c, fd, 0, "abcd");
}

static void
files_and_folders_are_removed_differently(struct contract *c)
{
	open_new(c, "file");
	make_dir(c, "folder");
	start_unlink(c, 1, path_of(c, "folder"), 0);
	expect(c, 1, RES(-EISDIR));
	start_unlink(c, 2, path_of(c, "file"), AT_REMOVEDIR);
	expect(c, 2, RES(-ENOTDIR));
	start_unlink(c, 3, path_of(c, "file"), 0x40000000);
	expect(c, 3, RES(-EINVAL));
	require(c, is_there(c, "file") && is_there(c, "folder"));
}

/* ---- renaming ---- */

static void
a_file_takes_another_name(struct contract *c)
{
	open_text(c, "old", "abc");
	make_dir(c, "folder");
	rename_to(c, "old", "folder/new", 0);
	require(c, !is_there(c, "old"));
	require_file(c, open_path(c, "folder/new", O_RDONLY), 0, "abc");
	rename_to(c, "old", "other", -ENOENT);
	rename_to(c, "folder/new", "none/new", -ENOENT);
}

/* Whoever has the old one open keeps it. */
static void
a_file_takes_the_place_of_another(struct contract *c)
{
	int old = open_text(c, "name", "old");

	open_text(c, "next", "new");
	rename_to(c, "next", "name", 0);
	require(c, !is_there(c, "next"));
	require_file(c, open_path(c, "name", O_RDONLY), 0, "new");
	require_file(c, old, 0, "old");
	rename_to(c, "name", "name", 0);
	require(c, is_there(c, "name"));
}

static void
a_folder_takes_no_other_place(struct contract *c)
{
	make_dir(c, "one");
	make_dir(c, "two");
	open_new(c, "file");
	open_new(c, "two/file");
	rename_to(c, "one", "file", -ENOTDIR);
	rename_to(c, "file", "one", -EISDIR);
	rename_to(c, "one", "two", -ENOTEMPTY);
	rename_to(c, "two", "two/three", -EINVAL);
	/* An empty one gives way. */
	rename_to(c, "two", "one", 0);
	require(c, is_there(c, "one/file") && !is_there(c, "two"));
}

/* ---- asking ---- */

static void
a_stat_tells_kind_and_size(struct contract *c)
{
	struct statx *stat = memory(c, sizeof(*stat));
	int fd = open_text(c, "file", "abcdef");

	start_stat(c, 1, AT_FDCWD, path_of(c, "file"), stat);
	expect(c, 1, RES(0));
	require(c, S_ISREG(stat->stx_mode) && stat->stx_size == 6);
	require(c, stat->stx_nlink == 1);
	*stat = (struct statx){ 0 };
	start_stat(c, 2, fd, "", stat);
	expect(c, 2, RES(0));
	require(c, S_ISREG(stat->stx_mode) && stat->stx_size == 6);
	start_stat(c, 3, AT_FDCWD, path_of(c, "."), stat);
	expect(c, 3, RES(0));
	require(c, S_ISDIR(stat->stx_mode));
}

static void
a_stat_of_nothing_says_so(struct contract *c)
{
	struct statx *stat = memory(c, sizeof(*stat));

	start_stat(c, 1, AT_FDCWD, path_of(c, "none"), stat);
	expect(c, 1, RES(-ENOENT));
	start_stat(c, 2, bad_fd(c), "", stat);
	expect(c, 2, RES(-EBADF));
}

static void
a_stat_knows_a_pipe(struct contract *c)
{
	struct statx *stat = memory(c, sizeof(*stat));

	start_stat(c, 1, open_ends(c).reader, "", stat);
	expect(c, 1, RES(0));
	require(c, S_ISFIFO(stat->stx_mode));
}

/* The path is the caller's again with the completion, not before. */
static void
paths_at_work_at_the_same_time_do_not_mix(struct contract *c)
{
	enum { MANY = 40 };

	for (unsigned i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "file-%u", i);
		start_open(c, 1 + i, path_of(c, name), O_RDWR | O_CREAT);
	}
	for (unsigned i = 0; i < MANY; i++)
		own(c, expect(c, 1 + i, BETWEEN(0, INT32_MAX)).res);
	for (unsigned i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "file-%u", i);
		require(c, is_there(c, name));
	}
}

/* A descriptor that nobody hears of would be lost. */
static void
a_cancelled_open_tells_what_it_opened(struct contract *c)
{
	for (unsigned i = 0; i < 20; i++) {
		struct torc_cqe cqe;

		start_open(c, 1, path_of(c, "file"), O_RDWR | O_CREAT);
		if (i % 2 == 0)
			push(c);
		start_cancel(c, 2, 1);
		expect(c, 2, RES(0), RES(-EALREADY), RES(-ENOENT));
		cqe = expect(c, 1, RES(-ECANCELED), RES(-EINTR),
			BETWEEN(0, INT32_MAX));
		if (cqe.res >= 0)
			drop(c, own(c, cqe.res));
	}
}

static const struct contract_script scripts[] = {
	SCRIPT(a_folder_is_made_once, "MKDIRAT"),
	SCRIPT(a_folder_needs_the_one_above_it, "MKDIRAT"),
	SCRIPT(a_folder_with_something_in_it_stays, "UNLINKAT"),
	SCRIPT(a_path_may_go_up_and_stay, "UNLINKAT"),
	SCRIPT(names_are_listed_once, "getdents64"),
	SCRIPT(only_folders_are_listed, "getdents64"),
	SCRIPT(what_is_removed_is_gone, "UNLINKAT"),
	SCRIPT(what_is_removed_lives_while_it_is_open, "UNLINKAT"),
	SCRIPT(files_and_folders_are_removed_differently, "UNLINKAT"),
	SCRIPT(a_file_takes_another_name, "RENAMEAT"),
	SCRIPT(a_file_takes_the_place_of_another, "RENAMEAT"),
	SCRIPT(a_folder_takes_no_other_place, "RENAMEAT"),
	SCRIPT(a_stat_tells_kind_and_size, "STATX"),
	SCRIPT(a_stat_of_nothing_says_so, "STATX"),
	SCRIPT(a_stat_knows_a_pipe, "STATX"),
	SCRIPT(paths_at_work_at_the_same_time_do_not_mix, "OPENAT"),
	SCRIPT(a_cancelled_open_tells_what_it_opened, "H3"),
};

CONTRACT_FAMILY(path);
