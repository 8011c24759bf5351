/* SPDX-License-Identifier: MIT */
/*
 * Goal    A path is made with all that is missing above it, and a tree goes
 *         with all that is inside and with nothing that a link in it leads to,
 *         also when somebody else is at work there; whatever ends it early,
 *         no descriptor and no byte is lost.
 * Method  Real directories, looked at by plain system calls as well. Memory
 *         runs out at the first allocation, the second and so on. What
 *         somebody else removes goes at the moment that hurts: once it is open.
 */
#include "core/io/dir_priv.h"
#include "tests/core/io/folder.h"

void *__real_torc_malloc(size_t bytes);
void *__wrap_torc_malloc(size_t bytes);
void *__real_torc_calloc(size_t count, size_t bytes);
void *__wrap_torc_calloc(size_t count, size_t bytes);

static unsigned allocations_left = UINT32_MAX;

static bool
is_refused(void)
{
	return allocations_left == 0 || allocations_left-- == 0;
}

void *
__wrap_torc_malloc(size_t bytes)
{
	return is_refused() ? NULL : __real_torc_malloc(bytes);
}

void *
__wrap_torc_calloc(size_t count, size_t bytes)
{
	return is_refused() ? NULL : __real_torc_calloc(count, bytes);
}

int __real_torc__dir_open_in(
	struct torc_dir **dir, const struct torc_dir *above, const char *name);
int __wrap_torc__dir_open_in(
	struct torc_dir **dir, const struct torc_dir *above, const char *name);

/* The directory that somebody removes once it was opened by this name. */
static struct {
	const char *name, *path;
} taken;

int
__wrap_torc__dir_open_in(
	struct torc_dir **dir, const struct torc_dir *above, const char *name)
{
	int ret = __real_torc__dir_open_in(dir, above, name);

	if (ret == 0 && taken.name != NULL && strcmp(name, taken.name) == 0)
		must_be(rmdir(taken.path), 0);
	return ret;
}

static bool
is_there(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

/* ---- making ---- */

static int
what_is_missing_above_is_made(void *unused)
{
	struct stat status;

	(void)unused;
	must_be(torc_path_mkdir_all(path_of("a/b/c/d"), 0750), 0);
	must_be(stat(path_of("a/b"), &status), 0);
	must_be(status.st_mode & 07777, 0750);
	must_be(torc_path_mkdir_all(path_of("a/b/c/d"), 0700), 0);
	must_be(torc_path_mkdir_all(path_of("a/b///e/./f//"), 0700), 0);
	must(is_there(path_of("a/b/e/f")));
	must_be(torc_path_mkdir_all(path_of("single"), 0700), 0);
	must_be(torc_path_mkdir_all("/", 0700), 0);
	must_be(torc_path_mkdir_all("", 0700), -ENOENT);
	return 0;
}

static int
a_relative_path_begins_where_the_process_is(void *unused)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)unused;
	must_be(chdir(folder), 0);
	must_be(torc_path_mkdir_all("r/s/t", 0700), 0);
	must(is_there(path_of("r/s/t")));
	must_be(torc_path_remove_all("r"), 0);
	must(!is_there(path_of("r")));
	must_be(fchdir(here), 0);
	close(here);
	return 0;
}

static int
a_file_in_the_way_is_told(void *unused)
{
	(void)unused;
	file_of("plain", 1);
	must_be(torc_path_mkdir_all(path_of("plain"), 0700), -EEXIST);
	must_be(torc_path_mkdir_all(path_of("plain/x"), 0700), -ENOTDIR);
	must_be(torc_path_mkdir_all(path_of("plain/x/y"), 0700), -ENOTDIR);
	must_be(symlink("nowhere", path_of("dangling")), 0);
	must(torc_path_mkdir_all(path_of("dangling/x"), 0700) < 0);
	return 0;
}

static int
make_same(void *unused)
{
	(void)unused;
	return torc_path_mkdir_all(path_of("same/1/2/3/4/5/6"), 0700);
}

static int
many_may_make_the_same_one(void *unused)
{
	struct torc_group group;

	(void)unused;
	torc_group_init(&group);
	for (int i = 0; i < 20; i++)
		must_be(torc_group_spawn(&group, make_same, NULL), 0);
	must_be(torc_group_join(&group), 0);
	must(is_there(path_of("same/1/2/3/4/5/6")));
	return 0;
}

/* ---- removing ---- */

/* With files, links out of it, and directories `depth` deep. */
static void
make_tree(const char *name, unsigned depth, unsigned width)
{
	char path[512];
	int at = snprintf(path, sizeof(path), "%s", name);

	for (unsigned i = 0; i < depth; i++) {
		must_be(mkdir(path_of(path), 0700), 0);
		for (unsigned k = 0; k < width; k++) {
			snprintf(path + at, sizeof(path) - (size_t)at, "/f%u",
				k);
			file_of(path, 1);
			path[at] = '\0';
		}
		snprintf(path + at, sizeof(path) - (size_t)at, "/link");
		must_be(symlink(folder, path_of(path)), 0);
		at += snprintf(path + at, sizeof(path) - (size_t)at, "/d%u", i);
	}
}

static int
a_tree_goes_and_what_links_lead_to_stays(void *unused)
{
	(void)unused;
	make_tree("tree", 20, 10);
	file_of("outside", 5);
	must_be(torc_path_remove_all(path_of("tree")), 0);
	must(!is_there(path_of("tree")));
	must_be(size_of(path_of("outside")), 5);
	must_be(torc_path_remove_all(path_of("tree")), -ENOENT);
	return 0;
}

static int
a_directory_of_many_batches_is_emptied(void *unused)
{
	(void)unused;
	make_tree("wide", 1, 3000);
	must_be(torc_path_remove_all(path_of("wide")), 0);
	must(!is_there(path_of("wide")));
	return 0;
}

static int
a_file_or_a_link_goes_alone(void *unused)
{
	(void)unused;
	make_tree("kept", 1, 3);
	must_be(symlink("kept", path_of("lead")), 0);
	must_be(torc_path_remove_all(path_of("lead")), 0);
	must(is_there(path_of("kept/f2")));
	must_be(torc_path_remove_all(path_of("kept/f2")), 0);
	must(!is_there(path_of("kept/f2")));
	/* With a slash it is the directory, and no link is followed. */
	must_be(symlink("kept", path_of("lead")), 0);
	must_be(torc_path_remove_all(path_of("lead/")), -ENOTDIR);
	must(is_there(path_of("kept/f1")));
	must_be(torc_path_remove_all(path_of("kept/")), 0);
	must(!is_there(path_of("kept")));
	return 0;
}

/* rm(1) refuses them, too. "/" is tried where the disk is simulated. */
static int
what_no_name_can_be_removed_of_is_left_alone(void *unused)
{
	const char *const names[] = { ".", "..", "./", "..//", "sub/.",
		"sub/..", "sub/./", "sub/..//", "missing/." };
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)unused;
	must_be(mkdir(path_of("dots"), 0700), 0);
	must_be(mkdir(path_of("dots/at"), 0700), 0);
	must_be(mkdir(path_of("dots/at/sub"), 0700), 0);
	file_of("dots/file", 1);
	file_of("dots/at/file", 1);
	file_of("dots/at/sub/file", 1);
	must_be(chdir(path_of("dots/at")), 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		must_be(torc_path_remove_all(names[i]), -EINVAL);
	must_be(fchdir(here), 0);
	must(is_there(path_of("dots/file")));
	must(is_there(path_of("dots/at/file")));
	must(is_there(path_of("dots/at/sub/file")));
	close(here);
	return 0;
}

/* They are names like any other. */
static int
what_only_begins_with_dots_goes(void *unused)
{
	(void)unused;
	must_be(mkdir(path_of("..."), 0700), 0);
	must_be(mkdir(path_of(".../.hidden"), 0700), 0);
	must_be(mkdir(path_of(".../..two"), 0700), 0);
	must_be(torc_path_remove_all(path_of(".../.hidden/")), 0);
	must_be(torc_path_remove_all(path_of(".../..two")), 0);
	must_be(torc_path_remove_all(path_of("...")), 0);
	must(!is_there(path_of("...")));
	return 0;
}

/* Somebody puts it there once the name was read: for a removal's own open. */
static int
a_link_in_place_of_a_directory_is_not_opened(void *unused)
{
	struct torc_dir *above, *dir;

	(void)unused;
	must_be(mkdir(path_of("swap"), 0700), 0);
	must_be(symlink(folder, path_of("swap/inner")), 0);
	must_be(torc_dir_open(&above, path_of("swap")), 0);
	must_be(torc__dir_open_in(&dir, above, "inner"), -ENOTDIR);
	must_be(torc__dir_open_in(&dir, NULL, path_of("swap/inner")), -ENOTDIR);
	torc_dir_close(above);
	must_be(torc_path_remove_all(path_of("swap")), 0);
	return 0;
}

static int
remove_shared(void *unused)
{
	int ret = torc_path_remove_all(path_of("shared"));

	(void)unused;
	/* Another has taken the last of it. */
	return ret == -ENOENT ? 0 : ret;
}

static int
two_may_remove_the_same_tree(void *unused)
{
	struct torc_group group;

	(void)unused;
	for (int round = 0; round < 5; round++) {
		make_tree("shared", 6, 40);
		torc_group_init(&group);
		for (int i = 0; i < 3; i++)
			must_be(torc_group_spawn(&group, remove_shared, NULL),
				0);
		must_be(torc_group_join(&group), 0);
		must(!is_there(path_of("shared")));
	}
	return 0;
}

static int
what_another_removes_once_it_is_open_is_no_error(void *unused)
{
	const char *inner = path_of("taken/inner");
	const char *above = path_of("taken");

	(void)unused;
	must_be(torc_path_mkdir_all(inner, 0700), 0);
	file_of("taken/file", 1);
	taken.name = "inner";
	taken.path = inner;
	must_be(torc_path_remove_all(above), 0);
	must(!is_there(above));
	/* But for what was asked for. */
	must_be(mkdir(above, 0700), 0);
	taken.name = taken.path = above;
	must_be(torc_path_remove_all(above), -ENOENT);
	taken.name = NULL;
	return 0;
}

static int
remove_late(void *unused)
{
	(void)unused;
	return torc_path_remove_all(path_of("late"));
}

static int
a_cancel_leaves_the_rest_and_no_descriptor(void *unused)
{
	unsigned fds_before = fds_count();
	struct torc_task *task;
	int result;

	(void)unused;
	make_tree("late", 8, 60);
	for (unsigned turns = 1;; turns *= 2) {
		must_be(torc_spawn(&task, remove_late, NULL), 0);
		for (unsigned i = 0; i < turns; i++)
			turn();
		torc_cancel_join(task, &result);
		if (result != -ECANCELED)
			break;
		must(is_there(path_of("late")));
		wait_until(fds_count() == fds_before);
	}
	must_be(result, 0);
	must(!is_there(path_of("late")));
	return 0;
}

static int
without_memory_nothing_is_lost(void *unused)
{
	unsigned fds_before = fds_count(), n = 0;
	int ret;

	(void)unused;
	allocations_left = 0;
	must_be(torc_path_mkdir_all(path_of("poor/x"), 0700), -ENOMEM);
	allocations_left = UINT32_MAX;
	make_tree("poor", 4, 2);
	do {
		allocations_left = n++;
		ret = torc_path_remove_all(path_of("poor"));
		allocations_left = UINT32_MAX;
		must(ret == 0 || ret == -ENOMEM);
		wait_until(fds_count() == fds_before);
	} while (ret < 0);
	must(n > 4);
	must(!is_there(path_of("poor")));
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(what_is_missing_above_is_made),
		WITH_TORC(a_relative_path_begins_where_the_process_is),
		WITH_TORC(a_file_in_the_way_is_told),
		WITH_TORC(many_may_make_the_same_one),
		WITH_TORC(a_tree_goes_and_what_links_lead_to_stays),
		WITH_TORC(a_directory_of_many_batches_is_emptied),
		WITH_TORC(a_file_or_a_link_goes_alone),
		WITH_TORC(what_no_name_can_be_removed_of_is_left_alone),
		WITH_TORC(what_only_begins_with_dots_goes),
		WITH_TORC(a_link_in_place_of_a_directory_is_not_opened),
		WITH_TORC(two_may_remove_the_same_tree),
		WITH_TORC(what_another_removes_once_it_is_open_is_no_error),
		WITH_TORC(a_cancel_leaves_the_rest_and_no_descriptor),
		WITH_TORC(without_memory_nothing_is_lost),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/tree", tests, folder_make, folder_remove);
}
