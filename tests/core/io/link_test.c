/* SPDX-License-Identifier: MIT */
/*
 * Goal    Links are made, read and told apart from what they lead to, files
 *         have one real path and the permissions that they were given, as the
 *         system calls of these names do it.
 * Method  Real files, looked at by plain system calls as well.
 */
#include <limits.h>

#include "tests/core/io/folder.h"
#include "tests/support/child.h"

static int
a_symbolic_link_says_what_it_was_told(void *unused)
{
	char target[64], plain[64];

	(void)unused;
	file_of("file", 10);
	must_be(torc_path_symlink("file", path_of("link")), 0);
	must_be(size_of(path_of("link")), 10);
	must_be(torc_path_read_link(path_of("link"), target, sizeof(target)),
		4);
	must_be(strcmp(target, "file"), 0);
	must_be(readlink(path_of("link"), plain, sizeof(plain)), 4);
	must_be(memcmp(target, plain, 4), 0);

	must_be(torc_path_symlink("nowhere/at all", path_of("dangling")), 0);
	must_be(torc_path_read_link(
			path_of("dangling"), target, sizeof(target)),
		14);
	must_be(strcmp(target, "nowhere/at all"), 0);
	must_be(torc_path_symlink("x", path_of("link")), -EEXIST);
	must_be(torc_path_symlink("", path_of("empty")), -ENOENT);
	must_be(torc_path_read_link(path_of("file"), target, 64), -EINVAL);
	must_be(torc_path_read_link(path_of("none"), target, 64), -ENOENT);
	return 0;
}

static int
what_does_not_fit_is_told_and_not_cut(void *unused)
{
	char text[8], real[PATH_MAX];
	int bytes;

	(void)unused;
	must_be(torc_path_symlink("1234567", path_of("seven")), 0);
	must_be(torc_path_symlink("12345678", path_of("eight")), 0);
	must_be(torc_path_read_link(path_of("seven"), text, 8), 7);
	must_be(strcmp(text, "1234567"), 0);
	must_be(torc_path_read_link(path_of("eight"), text, 8), -ENAMETOOLONG);
	bytes = torc_path_real(folder, real, sizeof(real));
	must_be(bytes, strlen(real));
	must_be(torc_path_real(folder, real, (size_t)bytes), -ENAMETOOLONG);
	must_be(torc_path_real(folder, real, (size_t)bytes + 1), bytes);
	return 0;
}

static int
a_file_has_as_many_names_as_links(void *unused)
{
	struct stat one, two;

	(void)unused;
	file_of("one", 10);
	must_be(torc_path_link(path_of("one"), path_of("two")), 0);
	must_be(stat(path_of("one"), &one), 0);
	must_be(stat(path_of("two"), &two), 0);
	must(one.st_ino == two.st_ino && two.st_nlink == 2);
	must_be(torc_path_link(path_of("one"), path_of("two")), -EEXIST);
	must_be(torc_path_link(path_of("none"), path_of("three")), -ENOENT);
	must_be(torc_path_link(folder, path_of("three")), -EPERM);
	must_be(torc_path_unlink(path_of("one")), 0);
	must_be(size_of(path_of("two")), 10);
	return 0;
}

static int
a_real_path_has_no_links_and_no_dots(void *unused)
{
	char real[PATH_MAX], expected[PATH_MAX];

	(void)unused;
	must_be(mkdir(path_of("deep"), 0700), 0);
	file_of("deep/file", 1);
	must_be(symlink("./deep/../deep", path_of("way")), 0);
	must(realpath(path_of("deep/file"), expected) != NULL);
	must_be(torc_path_real(
			path_of("way/.././way//file"), real, sizeof(real)),
		strlen(expected));
	must_be(strcmp(real, expected), 0);
	must_be(torc_path_real("/", real, 2), 1);
	must_be(strcmp(real, "/"), 0);
	must_be(torc_path_real(path_of("none"), real, sizeof(real)), -ENOENT);
	must_be(torc_path_real("", real, sizeof(real)), -ENOENT);
	return 0;
}

static int
permissions_are_what_was_asked_for(void *unused)
{
	mode_t before = umask(077);
	struct torc_stat stat;

	(void)unused;
	file_of("mode", 1);
	must_be(symlink("mode", path_of("mode-link")), 0);
	must_be(torc_path_chmod(path_of("mode"), 0765), 0);
	must_be(torc_path_stat(path_of("mode"), &stat), 0);
	must_be(stat.mode & 07777, 0765);
	must_be(torc_path_chmod(path_of("mode-link"), 0400), 0);
	must_be(torc_path_stat(path_of("mode"), &stat), 0);
	must_be(stat.mode & 07777, 0400);
	must_be(torc_path_chmod(path_of("none"), 0400), -ENOENT);
	umask(before);
	return 0;
}

/* ---- started only, and cancelled ---- */

static int
all_at_a_time_end_with_what_they_say(void *unused)
{
	struct torc_path_op ops[4];
	char text[PATH_MAX], real[PATH_MAX];

	(void)unused;
	file_of("many", 1);
	torc_path_symlink_start("many", path_of("many-link"), &ops[0]);
	torc_path_link_start(path_of("many"), path_of("many-two"), &ops[1]);
	must_be(torc_await(&ops[0].done), 0);
	must_be(torc_await(&ops[1].done), 0);
	torc_path_read_link_start(
		path_of("many-link"), text, sizeof(text), &ops[0]);
	torc_path_real_start(path_of("many-link"), real, sizeof(real), &ops[1]);
	torc_path_chmod_start(path_of("many-two"), 0640, &ops[2]);
	must_be(torc_await(&ops[0].done), 4);
	must_be(torc_await(&ops[1].done), strlen(real));
	must_be(torc_await(&ops[2].done), 0);
	must_be(strcmp(text, "many"), 0);
	must_be(strcmp(strrchr(real, '/'), "/many"), 0);
	return 0;
}

static int
try_all(void *unused)
{
	char text[64];

	(void)unused;
	must_be(torc_path_symlink("x", path_of("never")), -ECANCELED);
	must_be(torc_path_link(path_of("kept"), path_of("never")), -ECANCELED);
	must_be(torc_path_read_link(path_of("kept"), text, 64), -ECANCELED);
	must_be(torc_path_real(path_of("kept"), text, 64), -ECANCELED);
	must_be(torc_path_chmod(path_of("kept"), 0), -ECANCELED);
	must_be(torc_path_mkdir_all(path_of("never/x"), 0700), -ECANCELED);
	must_be(torc_path_remove_all(path_of("kept")), -ECANCELED);
	return 0;
}

static int
a_cancelled_task_changes_nothing(void *unused)
{
	struct torc_blocking_counts counts;
	struct torc_task *task;

	(void)unused;
	file_of("kept", 10);
	must_be(torc_spawn(&task, try_all, NULL), 0);
	torc_cancel_join(task, NULL);
	torc_blocking_counts(&counts);
	must_be(counts.jobs, 0);
	must_be(size_of(path_of("kept")), 10);
	must_be(size_of(path_of("never")), -ENOENT);
	return 0;
}

/* Its thread has it, or not yet: what is told is what happened. */
static int
a_cancel_tells_whether_it_happened(void *unused)
{
	const char *path = file_of("perhaps", 1);
	unsigned canceled = 0;

	(void)unused;
	for (unsigned i = 0; i < 200; i++) {
		struct torc_path_op op;
		struct stat status;
		int64_t ret;

		must_be(chmod(path, 0600), 0);
		torc_path_chmod_start(path, 0640, &op);
		if (i % 3 != 0)
			turn();
		torc_future_cancel(&op.done);
		ret = torc_await(&op.done);
		must(ret == 0 || ret == -ECANCELED);
		must_be(stat(path, &status), 0);
		must_be(status.st_mode & 0777, ret == 0 ? 0640 : 0600);
		canceled += ret < 0;
	}
	printf("%u of 200 were cancelled in time\n", canceled);
	return 0;
}

static int
call_outside(void)
{
	struct torc_path_op op;

	torc_path_chmod_start("x", 0, &op);
	return 0;
}

static void
a_call_outside_a_task_is_named(void **state)
{
	char text[2048];

	(void)state;
	run_in_child(call_outside, text, sizeof(text));
	assert_non_null(strstr(text, "a torc_path call outside a task"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_symbolic_link_says_what_it_was_told),
		WITH_TORC(what_does_not_fit_is_told_and_not_cut),
		WITH_TORC(a_file_has_as_many_names_as_links),
		WITH_TORC(a_real_path_has_no_links_and_no_dots),
		WITH_TORC(permissions_are_what_was_asked_for),
		WITH_TORC(all_at_a_time_end_with_what_they_say),
		WITH_TORC(a_cancelled_task_changes_nothing),
		WITH_TORC(a_cancel_tells_whether_it_happened),
		cmocka_unit_test(a_call_outside_a_task_is_named),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/link", tests, folder_make, folder_remove);
}
