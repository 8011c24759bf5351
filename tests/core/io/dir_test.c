/* SPDX-License-Identifier: MIT */
/*
 * Goal    Each name of a directory comes exactly once, with its type, and a
 *         cancel, a close or the runtime's end at any point leaves nothing.
 * Method  Real directories, up to some that take many batches.
 */
#include "tests/core/io/folder.h"

static struct torc_dir *
dir_open(const char *path)
{
	struct torc_dir *dir;

	must_be(torc_dir_open(&dir, path), 0);
	return dir;
}

static void
make_files(const char *name, unsigned count)
{
	char path[64];

	must_be(mkdir(path_of(name), 0700), 0);
	for (unsigned i = 0; i < count; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/file-with-a-name-%u", name, i);
		fd = open(path_of(path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		must(fd >= 0);
		close(fd);
	}
}

static int
an_empty_directory_has_no_names(void *unused)
{
	struct torc_dir_entry entry;
	struct torc_dir *dir;

	(void)unused;
	make_files("empty", 0);
	dir = dir_open(path_of("empty"));
	must_be(torc_dir_next(dir, &entry), 0);
	must_be(torc_dir_next(dir, &entry), 0);
	torc_dir_close(dir);
	return 0;
}

static int
each_name_comes_once_with_its_type(void *unused)
{
	struct torc_dir_entry entry;
	struct torc_dir *dir;
	struct stat status;
	char path[600];
	unsigned seen = 0;

	(void)unused;
	make_files("types", 0);
	file_of("types/plain", 1);
	must_be(mkdir(path_of("types/dir"), 0700), 0);
	must_be(symlink("plain", path_of("types/link")), 0);
	must_be(mkfifo(path_of("types/fifo"), 0600), 0);
	dir = dir_open(path_of("types"));
	while (torc_dir_next(dir, &entry) > 0) {
		snprintf(path, sizeof(path), "types/%s", entry.name);
		must_be(lstat(path_of(path), &status), 0);
		must_be(entry.inode, status.st_ino);
		/* A file system may leave the type open. */
		must(entry.mode == 0 ||
			entry.mode == (status.st_mode & S_IFMT));
		seen++;
	}
	must_be(seen, 4);
	torc_dir_close(dir);
	return 0;
}

#define MANY 3000

static void
count_names(struct torc_dir *dir, uint8_t seen[MANY], unsigned max)
{
	struct torc_dir_entry entry;
	unsigned number;
	int ret = 0;

	while (max-- > 0 && (ret = torc_dir_next(dir, &entry)) > 0) {
		must_be(sscanf(entry.name, "file-with-a-name-%u", &number), 1);
		must(number < MANY);
		must_be(seen[number]++, 0);
	}
	must(ret >= 0);
}

static int
many_names_take_many_batches(void *unused)
{
	static uint8_t seen[MANY];
	struct torc_dir *dir;

	(void)unused;
	make_files("many", MANY);
	dir = dir_open(path_of("many"));
	count_names(dir, seen, UINT32_MAX);
	for (unsigned i = 0; i < MANY; i++)
		must_be(seen[i], 1);
	torc_dir_close(dir);
	return 0;
}

/* At each batch some waits are cancelled: no name is lost or doubled. */
static int
a_cancelled_wait_loses_no_name(void *unused)
{
	static uint8_t seen[MANY];
	struct torc_dir *dir = dir_open(path_of("many"));

	(void)unused;
	for (unsigned i = 0; i < MANY + 10; i++) {
		struct torc_future future;

		torc_dir_next_start(dir, &future);
		if (i % 3 == 0)
			turn();
		torc_future_cancel(&future);
		must(torc_future_is_ready(&future));
		must(future.value == 0 || future.value == -ECANCELED);
		count_names(dir, seen, 1);
	}
	for (unsigned i = 0; i < MANY; i++)
		must_be(seen[i], 1);
	torc_dir_close(dir);
	return 0;
}

/* From before the thread has the job to after it is done. */
static int
names_that_come_after_the_cancel_are_kept(void *unused)
{
	unsigned canceled = 0;

	(void)unused;
	for (unsigned i = 0; i < 200; i++) {
		struct torc_dir *dir = dir_open(path_of("types"));
		uint64_t until_ns = torc_clock_ns() + i * 500;
		struct torc_dir_entry entry;
		struct torc_future future;
		unsigned seen = 0;

		torc_dir_next_start(dir, &future);
		while (torc_clock_ns() < until_ns)
			continue;
		torc_future_cancel(&future);
		canceled += future.value == -ECANCELED;
		must_be(torc_sleep(200 * TORC_US), 0);
		while (torc_dir_next(dir, &entry) > 0)
			seen++;
		must_be(seen, 4);
		torc_dir_close(dir);
	}
	must_be(canceled, 200);
	return 0;
}

static int
what_is_no_directory_is_refused(void *unused)
{
	struct torc_dir *dir = NULL;

	(void)unused;
	file_of("plain", 1);
	must_be(torc_dir_open(&dir, path_of("plain")), -ENOTDIR);
	must_be(torc_dir_open(&dir, path_of("none")), -ENOENT);
	must(dir == NULL);
	return 0;
}

static int
try_all(void *arg)
{
	struct torc_dir_entry entry;
	struct torc_dir *dir = arg, *other;

	must_be(torc_dir_next(dir, &entry), -ECANCELED);
	must_be(torc_dir_open(&other, path_of("empty")), -ECANCELED);
	return 0;
}

static int
a_cancelled_task_reads_nothing(void *unused)
{
	struct torc_dir *dir = dir_open(path_of("types"));
	struct torc_dir_entry entry;
	struct torc_task *task;

	(void)unused;
	must_be(torc_spawn(&task, try_all, dir), 0);
	torc_cancel_join(task, NULL);
	must_be(torc_dir_next(dir, &entry), 1);
	torc_dir_close(dir);
	return 0;
}

static int
wait_for_a_name(void *arg)
{
	struct torc_dir_entry entry;

	must_be(torc_dir_next(arg, &entry), -ECANCELED);
	return 0;
}

static int
a_close_ends_who_waits(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 50; i++) {
		struct torc_dir *dir = dir_open(path_of("types"));
		struct torc_task *task;

		must_be(torc_spawn(&task, wait_for_a_name, dir), 0);
		must_be(torc_yield(), 0);
		torc_dir_close(dir);
		must_be(torc_join(task, NULL), 0);
	}
	return 0;
}

static int
a_cancelled_open_is_told_as_it_went(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		struct torc_dir *dir = NULL;
		struct torc_dir_op op;
		int64_t ret;

		torc_dir_open_start(&dir, path_of("types"), &op);
		if (i % 2 == 0)
			turn();
		torc_future_cancel(&op.done);
		ret = torc_await(&op.done);
		must(ret == (dir != NULL ? 0 : -ECANCELED));
		torc_dir_close(dir);
	}
	return 0;
}

/* The names may come before the end does. */
static int
wait_for_the_end(void *arg)
{
	struct torc_dir_entry entry;
	int ret;

	do
		ret = torc_dir_next(arg, &entry);
	while (ret == 1);
	must(ret == 0 || ret == -ECANCELED);
	return 0;
}

static int
the_end_of_the_runtime_closes_it(void *unused)
{
	static struct torc_future future;
	static struct torc_dir_op op;
	static struct torc_dir *dir;

	(void)unused;
	dir_open(path_of("types"));
	must_be(torc_spawn(NULL, wait_for_the_end, dir_open(path_of("types"))),
		0);
	torc_dir_next_start(dir_open(path_of("types")), &future);
	must_be(torc_yield(), 0);
	torc_dir_open_start(&dir, path_of("types"), &op);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(an_empty_directory_has_no_names),
		WITH_TORC(each_name_comes_once_with_its_type),
		WITH_TORC(many_names_take_many_batches),
		WITH_TORC(a_cancelled_wait_loses_no_name),
		WITH_TORC(names_that_come_after_the_cancel_are_kept),
		WITH_TORC(what_is_no_directory_is_refused),
		WITH_TORC(a_cancelled_task_reads_nothing),
		WITH_TORC(a_close_ends_who_waits),
		WITH_TORC(a_cancelled_open_is_told_as_it_went),
		LEFT_OPEN(the_end_of_the_runtime_closes_it),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/dir", tests, folder_make, folder_remove);
}
