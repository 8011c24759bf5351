/* SPDX-License-Identifier: MIT */
/*
 * Goal    A cancel, a deadline, a close or the runtime's end stops what can
 *         be stopped, tells what was done, and leaves nothing behind.
 * Method  The engine's own kernel: real files, and a FIFO for what waits.
 */
#include "tests/core/io/folder.h"

static const char *
fifo_of(const char *name)
{
	const char *path = path_of(name);

	must_be(mkfifo(path, 0600), 0);
	return path;
}

static struct torc_file *kept;

static int
try_all(void *unused)
{
	struct torc_file *file;
	struct torc_stat stat;
	char buf[10] = "unwritten";

	(void)unused;
	must_be(torc_file_open(&file, path_of("never"), O_RDWR | O_CREAT, 0644),
		-ECANCELED);
	must_be(torc_file_pread(kept, buf, 10, 0), -ECANCELED);
	must_be(torc_file_read(kept, buf, 10), -ECANCELED);
	must_be(torc_file_pwrite_all(kept, buf, 10, 0), -ECANCELED);
	must_be(torc_file_write_all(kept, buf, 10), -ECANCELED);
	must_be(torc_file_truncate(kept, 0), -ECANCELED);
	must_be(torc_file_sync(kept), -ECANCELED);
	must_be(torc_file_stat(kept, &stat), -ECANCELED);
	must_be(strcmp(buf, "unwritten"), 0);
	return 0;
}

static int
a_cancelled_task_touches_no_file(void *unused)
{
	struct torc_task *task;
	uint8_t buf[100];

	(void)unused;
	kept = file_open(file_of("kept", 100), O_RDWR);
	must_be(torc_spawn(&task, try_all, NULL), 0);
	torc_cancel_join(task, NULL);
	must_be(size_of(path_of("never")), -ENOENT);
	must_be(torc_file_position(kept), 0);
	must_be(torc_file_read(kept, buf, 100), 100);
	must(is_right(buf, 0, 100));
	torc_file_close(kept);
	return 0;
}

static int
a_read_that_waits_ends_by_its_deadline(void *unused)
{
	struct torc_file *file = file_open(fifo_of("deadline"), O_RDWR);
	struct torc_deadline deadline;
	char buf[10];

	(void)unused;
	torc_deadline_begin(&deadline, 5 * TORC_MS);
	must_be(torc_file_read(file, buf, sizeof(buf)), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	/* Nothing of it is left that would take the bytes. */
	must_be(torc_file_write_all(file, bytes_at(0), 10), 10);
	must_be(torc_file_read(file, buf, sizeof(buf)), 10);
	must(is_right(buf, 0, 10));
	torc_file_close(file);
	return 0;
}

static int
a_read_that_lost_a_select_is_finished(void *unused)
{
	struct torc_file *file = file_open(fifo_of("select"), O_RDWR);
	struct torc_sleep sleep;
	struct torc_file_op op;
	struct torc_future *both[] = { &op.done, &sleep.done };
	char buf[10];

	(void)unused;
	torc_file_read_start(file, buf, sizeof(buf), &op);
	torc_sleep_start(&sleep, TORC_MS);
	must_be(torc_select(both, 2), 1);
	must(torc_future_is_ready(&op.done));
	must_be(op.done.value, -ECANCELED);
	torc_file_close(file);
	return 0;
}

/* O_CREAT: the kernel hands it to a thread, where a cancel races with it. */
static int
a_cancelled_open_is_told_as_it_went(void *unused)
{
	unsigned canceled = 0, fds = fds_count();

	(void)unused;
	for (unsigned i = 0; i < 300; i++) {
		struct torc_file *file = NULL;
		struct torc_file_op op;
		int64_t ret;

		torc_file_open_start(
			&file, path_of("open"), O_RDWR | O_CREAT, 0644, &op);
		for (unsigned n = 0; n < i % 3; n++)
			turn();
		torc_future_cancel(&op.done);
		ret = torc_await(&op.done);
		must(ret == (file != NULL ? 0 : -ECANCELED));
		torc_file_close(file);
		canceled += ret < 0;
	}
	must_be(fds_count(), fds);
	printf("%u of 300 were cancelled in time\n", canceled);
	return 0;
}

#define PART ((size_t)300 << 10)

/* As far as it says, and no byte further. */
static void
check_written(int fd, uint64_t offset, const struct torc_file_op *op)
{
	static uint8_t back[PART];

	memset(back, 0, PART);
	must(pread(fd, back, PART, (off_t)offset) >= 0);
	must(is_right(back, offset, op->done_bytes));
	for (size_t i = op->done_bytes; i < PART; i++)
		must_be(back[i], 0);
}

static int
a_cancelled_write_wrote_what_it_says(void *unused)
{
	struct torc_file *file = file_open(path_of("write"), O_RDWR | O_CREAT);
	int fd = open(path_of("write"), O_RDONLY | O_CLOEXEC);
	uint8_t *data = copy_of_bytes(0, 100 * PART);
	unsigned canceled = 0;

	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		struct torc_file_op op;
		int64_t ret;

		torc_file_pwrite_all_start(
			file, data + i * PART, PART, i * PART, &op);
		if (i % 4 != 0)
			torc_sleep(random_u64() % (300 * TORC_US));
		torc_future_cancel(&op.done);
		torc_future_cancel(&op.done);
		ret = torc_await(&op.done);
		must(ret == (int64_t)PART || ret == -ECANCELED);
		must(ret < 0 || op.done_bytes == PART);
		check_written(fd, i * PART, &op);
		canceled += ret < 0;
	}
	printf("%u of 100 were cancelled in time\n", canceled);
	torc_file_close(file);
	free(data);
	close(fd);
	return 0;
}

#define READS 100

static int
a_close_ends_what_is_on_its_way(void *unused)
{
	static struct torc_file_op ops[READS];
	static char bufs[READS][4096];
	struct torc_file *file = file_open(file_of("close", 1 << 20), O_RDONLY);
	struct torc_file *fifo = file_open(fifo_of("close-fifo"), O_RDWR);
	struct torc_file_op op;
	char byte;

	(void)unused;
	torc_file_read_start(fifo, &byte, 1, &op);
	for (unsigned i = 0; i < READS; i++)
		torc_file_pread_start(
			file, bufs[i], sizeof(bufs[i]), i * 4096, ops + i);
	torc_file_close(file);
	torc_file_close(fifo);
	must_be(torc_await(&op.done), -ECANCELED);
	for (unsigned i = 0; i < READS; i++) {
		int64_t ret = torc_await(&ops[i].done);

		must(ret == -ECANCELED ||
			(ret == 4096 && is_right(bufs[i], i * 4096, 4096)));
	}
	return 0;
}

static int
read_a_fifo_for_ever(void *arg)
{
	struct torc_file *file = arg;
	char byte;

	must_be(torc_file_read(file, &byte, 1), -ECANCELED);
	return 0;
}

static struct torc_file_op left_op;
static struct torc_file *left_file;
static char left_byte;

/* A task, an operation that only a function waits for, and idle files. */
static int
the_end_of_the_runtime_closes_what_is_open(void *unused)
{
	struct torc_file *file = file_open(fifo_of("left"), O_RDWR);

	(void)unused;
	must_be(torc_spawn(NULL, read_a_fifo_for_ever, file), 0);
	must_be(torc_yield(), 0);
	file = file_open(path_of("left"), O_RDWR);
	torc_file_read_start(file, &left_byte, 1, &left_op);
	file_open(file_of("idle", 1), O_RDONLY);
	turn();
	return 0;
}

static int
the_end_of_the_runtime_stops_an_open(void *unused)
{
	(void)unused;
	left_file = NULL;
	torc_file_open_start(
		&left_file, file_of("opening", 1), O_RDONLY, 0, &left_op);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_cancelled_task_touches_no_file),
		WITH_TORC(a_read_that_waits_ends_by_its_deadline),
		WITH_TORC(a_read_that_lost_a_select_is_finished),
		WITH_TORC(a_cancelled_open_is_told_as_it_went),
		WITH_TORC(a_cancelled_write_wrote_what_it_says),
		WITH_TORC(a_close_ends_what_is_on_its_way),
		LEFT_OPEN(the_end_of_the_runtime_closes_what_is_open),
		LEFT_OPEN(the_end_of_the_runtime_stops_an_open),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/file_cancel", tests, folder_make, folder_remove);
}
