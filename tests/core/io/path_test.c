/* SPDX-License-Identifier: MIT */
/*
 * Goal    Files are renamed, removed, made and looked at by their names as the
 *         system calls of these names do it.
 * Method  Real files, looked at by plain system calls as well.
 */
#include "tests/core/io/folder.h"

static int
a_rename_takes_the_place_of_what_was_there(void *unused)
{
	struct torc_stat before, after;

	(void)unused;
	file_of("old", 10);
	file_of("new", 99);
	must_be(torc_path_stat(path_of("old"), &before), 0);
	must_be(torc_path_rename(path_of("old"), path_of("new")), 0);
	must_be(torc_path_stat(path_of("new"), &after), 0);
	must_be(after.inode, before.inode);
	must_be(after.bytes, 10);
	must_be(size_of(path_of("old")), -ENOENT);
	must_be(torc_path_rename(path_of("old"), path_of("x")), -ENOENT);
	return 0;
}

static int
directories_come_and_go(void *unused)
{
	struct torc_stat stat;

	(void)unused;
	must_be(torc_path_mkdir(path_of("dir"), 0700), 0);
	must_be(torc_path_mkdir(path_of("dir"), 0700), -EEXIST);
	must_be(torc_path_stat(path_of("dir"), &stat), 0);
	must(S_ISDIR(stat.mode) && (stat.mode & 0777) == 0700);
	file_of("dir/file", 1);
	must_be(torc_path_rmdir(path_of("dir")), -ENOTEMPTY);
	must(torc_path_unlink(path_of("dir")) < 0);
	must_be(torc_path_rmdir(path_of("dir/file")), -ENOTDIR);
	must_be(torc_path_unlink(path_of("dir/file")), 0);
	must_be(torc_path_unlink(path_of("dir/file")), -ENOENT);
	must_be(torc_path_rmdir(path_of("dir")), 0);
	must_be(torc_path_rmdir(path_of("dir")), -ENOENT);
	return 0;
}

static int
a_link_is_looked_through_or_at(void *unused)
{
	struct torc_stat stat;

	(void)unused;
	file_of("target", 12345);
	must_be(symlink("target", path_of("link")), 0);
	must_be(torc_path_stat(path_of("link"), &stat), 0);
	must(S_ISREG(stat.mode));
	must_be(stat.bytes, 12345);
	must_be(torc_path_lstat(path_of("link"), &stat), 0);
	must(S_ISLNK(stat.mode));
	must_be(stat.bytes, strlen("target"));
	return 0;
}

static int
a_stat_tells_what_stat_tells(void *unused)
{
	const char *path = file_of("stat", 70000);
	struct stat plain;
	struct torc_stat ours;

	(void)unused;
	must_be(stat(path, &plain), 0);
	must_be(torc_path_stat(path, &ours), 0);
	must_be(ours.bytes, plain.st_size);
	must_be(ours.allocated_bytes, plain.st_blocks * 512);
	must_be(ours.inode, plain.st_ino);
	must_be(ours.device, plain.st_dev);
	must_be(ours.mode, plain.st_mode);
	must_be(ours.links_count, plain.st_nlink);
	must_be(ours.user, plain.st_uid);
	must_be(ours.group, plain.st_gid);
	must_be(ours.block_bytes, plain.st_blksize);
	must_be(ours.modified_ns,
		plain.st_mtim.tv_sec * 1000000000 + plain.st_mtim.tv_nsec);
	must_be(ours.accessed_ns,
		plain.st_atim.tv_sec * 1000000000 + plain.st_atim.tv_nsec);
	must_be(ours.changed_ns,
		plain.st_ctim.tv_sec * 1000000000 + plain.st_ctim.tv_nsec);
	return 0;
}

static int
what_no_path_can_be_is_told(void *unused)
{
	char name[300];
	struct torc_stat stat;

	(void)unused;
	memset(name, 'x', sizeof(name));
	name[299] = '\0';
	must_be(symlink("loop", path_of("loop")), 0);
	file_of("plain", 1);
	must_be(torc_path_stat(path_of("loop"), &stat), -ELOOP);
	must_be(torc_path_lstat(path_of("loop"), &stat), 0);
	must_be(torc_path_stat(path_of(name), &stat), -ENAMETOOLONG);
	must_be(torc_path_mkdir(path_of(name), 0700), -ENAMETOOLONG);
	must_be(torc_path_unlink(path_of("plain/x")), -ENOTDIR);
	must_be(torc_path_stat("", &stat), -ENOENT);
	return 0;
}

static void
check_whole(size_t bytes)
{
	uint8_t *copy = copy_of_bytes(0, bytes + 1);
	void *data = NULL;

	must_be(torc_path_write_all(path_of("whole"), copy, bytes, 0640),
		bytes);
	must_be(size_of(path_of("whole")), bytes);
	must_be(torc_path_read_all(path_of("whole"), bytes, &data), bytes);
	must(is_right(data, 0, bytes));
	must_be(((char *)data)[bytes], 0);
	torc_free(data);
	data = NULL;
	if (bytes > 0)
		must_be(torc_path_read_all(path_of("whole"), bytes - 1, &data),
			-EFBIG);
	must(data == NULL);
	free(copy);
}

static int
whole_files_are_read_and_replaced(void *unused)
{
	void *data = NULL;

	(void)unused;
	check_whole(100000);
	check_whole(4096);
	check_whole(1);
	check_whole(0);
	must_be(torc_path_read_all(path_of("none"), 1, &data), -ENOENT);
	must_be(torc_path_read_all(folder, 4096, &data), -EISDIR);
	must_be(torc_path_write_all(folder, "x", 1, 0600), -EISDIR);
	/* It says that it is empty, and is not. */
	must(torc_path_read_all("/proc/self/status", 1 << 20, &data) > 10);
	must(strstr(data, "Name:") != NULL);
	torc_free(data);
	return 0;
}

struct feeder {
	int fd;
	size_t bytes;
};

/* In two parts, so that one read is not the whole. */
static int
feed(void *arg)
{
	struct feeder *feeder = arg;
	size_t half = feeder->bytes / 2;
	int queued;

	for (size_t at = 0, part; at < feeder->bytes; at += part) {
		part = at == 0 && half > 0 ? half : feeder->bytes - at;
		must_be(write(feeder->fd, bytes_at(at), part), part);
		wait_until(ioctl(feeder->fd, FIONREAD, &queued) == 0 &&
			   queued == 0);
	}
	return close(feeder->fd);
}

static ssize_t
read_fifo(const char *path, size_t bytes, size_t bytes_max, void **data)
{
	struct feeder feeder = { open(path, O_RDWR | O_CLOEXEC), bytes };
	struct torc_task *task;
	ssize_t ret;

	must_be(torc_spawn(&task, feed, &feeder), 0);
	ret = torc_path_read_all(path, bytes_max, data);
	must_be(torc_join(task, NULL), 0);
	return ret;
}

/* What has been read of it is gone, and it does not say how much there is. */
static int
a_fifo_is_read_from_its_first_byte_to_its_last(void *unused)
{
	static const size_t sizes[] = { 1, 4095, 4096, 4097, 8193, 60000 };
	const char *path = path_of("fifo");
	void *data;

	(void)unused;
	must_be(mkfifo(path, 0600), 0);
	for (unsigned i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i / 2];
		size_t bytes_max = i % 2 == 0 ? bytes : 1 << 20;

		must_be(read_fifo(path, bytes, bytes_max, &data), bytes);
		must(is_right(data, 0, bytes));
		must_be(((char *)data)[bytes], 0);
		torc_free(data);
	}
	data = NULL;
	must_be(read_fifo(path, 8193, 8192, &data), -EFBIG);
	must(data == NULL);
	return 0;
}

#define MADE 500

static int
many_at_a_time_end_in_any_order(void *unused)
{
	static char names[MADE][512];
	static struct torc_path_op ops[MADE];

	(void)unused;
	for (unsigned i = 0; i < MADE; i++) {
		snprintf(names[i], sizeof(names[i]), "%s/many-%u", folder, i);
		torc_path_mkdir_start(names[i], 0700, ops + i);
	}
	for (unsigned i = 0; i < MADE; i++)
		must_be(torc_await(&ops[i].done), 0);
	for (unsigned i = 0; i < MADE; i++)
		torc_path_rmdir_start(names[i], ops + i);
	for (unsigned i = 0; i < MADE; i++)
		must_be(torc_await(&ops[i].done), 0);
	must_be(size_of(names[0]), -ENOENT);
	return 0;
}

static int
try_all(void *unused)
{
	struct torc_stat stat;

	(void)unused;
	must_be(torc_path_mkdir(path_of("never"), 0700), -ECANCELED);
	must_be(torc_path_unlink(path_of("kept")), -ECANCELED);
	must_be(torc_path_rename(path_of("kept"), path_of("never")),
		-ECANCELED);
	must_be(torc_path_stat(path_of("kept"), &stat), -ECANCELED);
	must_be(torc_path_rmdir(folder), -ECANCELED);
	return 0;
}

static int
a_cancelled_task_changes_nothing(void *unused)
{
	struct torc_task *task;

	(void)unused;
	file_of("kept", 10);
	must_be(torc_spawn(&task, try_all, NULL), 0);
	torc_cancel_join(task, NULL);
	must_be(size_of(path_of("kept")), 10);
	must_be(size_of(path_of("never")), -ENOENT);
	return 0;
}

static int
a_start_does_what_its_call_does(void *unused)
{
	struct torc_stat stat = { 0 };
	struct torc_path_op op;

	(void)unused;
	file_of("started", 7);
	must_be(symlink("started", path_of("to-started")), 0);
	torc_path_stat_start(path_of("to-started"), &stat, &op);
	must_be(torc_await(&op.done), 0);
	must(S_ISREG(stat.mode));
	must_be(stat.bytes, 7);
	torc_path_lstat_start(path_of("to-started"), &stat, &op);
	must_be(torc_await(&op.done), 0);
	must(S_ISLNK(stat.mode));
	torc_path_rename_start(path_of("started"), path_of("to-started"), &op);
	must_be(torc_await(&op.done), 0);
	must_be(size_of(path_of("to-started")), 7);
	must_be(size_of(path_of("started")), -ENOENT);
	torc_path_unlink_start(path_of("to-started"), &op);
	must_be(torc_await(&op.done), 0);
	must_be(size_of(path_of("to-started")), -ENOENT);
	return 0;
}

static int64_t
end_early(struct torc_path_op *op, unsigned turns)
{
	while (turns-- > 0)
		turn();
	torc_future_cancel(&op->done);
	return torc_await(&op->done);
}

static int
a_start_that_was_cancelled_says_whether_it_happened(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 60; i++) {
		const char *from = file_of("from", 7), *to = path_of("to");
		struct torc_stat stat = { 0 };
		struct torc_path_op op;
		int64_t ret;

		torc_path_stat_start(from, &stat, &op);
		must(end_early(&op, i % 3) != 0 || stat.bytes == 7);
		torc_path_lstat_start(from, &stat, &op);
		must(end_early(&op, i % 3) != 0 || stat.bytes == 7);
		torc_path_rename_start(from, to, &op);
		ret = end_early(&op, i % 3);
		must(ret == 0 || ret == -ECANCELED);
		must_be(size_of(to), ret == 0 ? 7 : -ENOENT);
		must_be(size_of(from), ret == 0 ? -ENOENT : 7);
		torc_path_unlink_start(ret == 0 ? to : from, &op);
		ret = end_early(&op, i % 3);
		must(ret == 0 || ret == -ECANCELED);
		must_be(unlink(from) == 0 || unlink(to) == 0, ret < 0);
	}
	return 0;
}

/* In flight or done: what is told is what happened. */
static int
a_cancel_tells_whether_it_happened(void *unused)
{
	unsigned canceled = 0;

	(void)unused;
	for (unsigned i = 0; i < 200; i++) {
		const char *path = path_of("perhaps");
		struct torc_path_op op;
		int64_t ret;

		torc_path_mkdir_start(path, 0700, &op);
		if (i % 3 != 0)
			turn();
		torc_future_cancel(&op.done);
		ret = torc_await(&op.done);
		must(ret == 0 || ret == -ECANCELED);
		must_be(rmdir(path), ret == 0 ? 0 : -1);
		canceled += ret < 0;
	}
	printf("%u of 200 were cancelled in time\n", canceled);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_rename_takes_the_place_of_what_was_there),
		WITH_TORC(directories_come_and_go),
		WITH_TORC(a_link_is_looked_through_or_at),
		WITH_TORC(a_stat_tells_what_stat_tells),
		WITH_TORC(what_no_path_can_be_is_told),
		WITH_TORC(whole_files_are_read_and_replaced),
		WITH_TORC(a_fifo_is_read_from_its_first_byte_to_its_last),
		WITH_TORC(many_at_a_time_end_in_any_order),
		WITH_TORC(a_cancelled_task_changes_nothing),
		WITH_TORC(a_start_does_what_its_call_does),
		WITH_TORC(a_start_that_was_cancelled_says_whether_it_happened),
		WITH_TORC(a_cancel_tells_whether_it_happened),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/path", tests, folder_make, folder_remove);
}
