/* SPDX-License-Identifier: MIT */
/*
 * Goal    On a kernel that does not know an operation, or that is interrupted
 *         again and again, files work all the same.
 * Method  A real ring whose answers to some operations are the test's.
 */
#include "tests/core/io/folder.h"
#include "tests/support/faulty_engine.h"

static unsigned denied;

static int32_t
know_no_truncate(const struct io_uring_sqe *sqe)
{
	if (sqe->opcode != IORING_OP_FTRUNCATE)
		return 0;
	denied++;
	return -EINVAL;
}

static int
a_file_is_cut_by_a_thread(void *unused)
{
	const char *path = file_of("cut", 10000);
	struct torc_file *file = file_open(path, O_RDWR);

	(void)unused;
	faulty_refuse = know_no_truncate;
	must_be(torc_file_truncate(file, 99), 0);
	must_be(size_of(path), 99);
	must_be(torc_file_truncate(file, 1 << 20), 0);
	must_be(size_of(path), 1 << 20);
	must_be(denied, 2);
	torc_file_close(file);
	faulty_refuse = NULL;
	return 0;
}

static int
what_cannot_be_cut_says_so_by_a_thread_as_well(void *unused)
{
	struct torc_file *file = file_open(file_of("plain", 10), O_RDONLY);

	(void)unused;
	faulty_refuse = know_no_truncate;
	must_be(torc_file_truncate(file, 5), -EINVAL);
	torc_file_close(file);
	faulty_refuse = NULL;
	must_be(size_of(path_of("plain")), 10);
	return 0;
}

static int
a_cut_by_a_thread_is_cancelled_or_done(void *unused)
{
	const char *path = file_of("cancel", 1000);
	struct torc_file *file = file_open(path, O_RDWR);

	(void)unused;
	faulty_refuse = know_no_truncate;
	for (unsigned i = 1; i <= 100; i++) {
		int64_t before = size_of(path), ret;
		struct torc_file_op op;

		torc_file_truncate_start(file, 1000 + i, &op);
		for (unsigned n = 0; n < i % 5; n++)
			turn();
		torc_future_cancel(&op.done);
		ret = torc_await(&op.done);
		must(ret == 0 || ret == -ECANCELED);
		must_be(size_of(path), ret == 0 ? 1000 + i : before);
	}
	torc_file_close(file);
	faulty_refuse = NULL;
	return 0;
}

/* The descriptor must last until the thread is done with it. */
static int
a_close_waits_for_the_thread(void *unused)
{
	const char *path = file_of("close", 1000);

	(void)unused;
	faulty_refuse = know_no_truncate;
	for (unsigned i = 0; i < 50; i++) {
		struct torc_file *file = file_open(path, O_RDWR);
		struct torc_file_op op;
		int64_t ret;

		torc_file_truncate_start(file, 5000, &op);
		for (unsigned n = 0; n < i % 5; n++)
			turn();
		torc_file_close(file);
		ret = torc_await(&op.done);
		must(ret == 0 || ret == -ECANCELED);
		must(ret != 0 || size_of(path) == 5000);
	}
	faulty_refuse = NULL;
	return 0;
}

static _Atomic bool is_held;

static int
hold_the_thread(void *unused)
{
	(void)unused;
	while (is_held)
		usleep(100);
	return 0;
}

static void
cancel_other(struct torc_future *done)
{
	struct torc_file_op *other = torc_future_waiter(done);

	must_be(done->value, -ECANCELED);
	torc_future_cancel(&other->done);
}

/* Also when who hears of the first one's end cancels the next. */
static int
a_close_stops_what_no_thread_has_begun(void *unused)
{
	const char *path = file_of("queued", 1000);
	struct torc_file *file = file_open(path, O_RDWR);
	struct torc_blocking before;
	struct torc_file_op ops[3];

	(void)unused;
	faulty_refuse = know_no_truncate;
	is_held = true;
	torc_blocking_start(&before, hold_the_thread, NULL);
	for (unsigned i = 0; i < 3; i++)
		torc_file_truncate_start(file, 5000, ops + i);
	torc_future_then(&ops[0].done, cancel_other, ops + 1);
	wait_until(torc__shard->port.jobs_count == 4);
	torc_file_close(file);
	for (unsigned i = 0; i < 3; i++)
		must(torc_future_is_ready(&ops[i].done));
	is_held = false;
	must_be(torc_await(&before.done), 0);
	must_be(ops[2].done.value, -ECANCELED);
	must_be(size_of(path), 1000);
	faulty_refuse = NULL;
	return 0;
}

static unsigned signals_left;

static int32_t
interrupt_some(const struct io_uring_sqe *sqe)
{
	if (sqe->opcode == IORING_OP_ASYNC_CANCEL || signals_left == 0)
		return 0;
	signals_left--;
	return -EINTR;
}

static int
interruptions_are_not_seen(void *unused)
{
	struct torc_file *file;
	struct torc_stat stat;
	uint8_t buf[100];

	(void)unused;
	faulty_refuse = interrupt_some;
	signals_left = 3;
	must_be(torc_file_open(&file, path_of("eintr"), O_RDWR | O_CREAT, 0644),
		0);
	signals_left = 3;
	must_be(torc_file_write_all(file, bytes_at(0), 100), 100);
	signals_left = 3;
	must_be(torc_file_pread_exact(file, buf, 100, 0), 100);
	must(is_right(buf, 0, 100));
	signals_left = 3;
	must_be(torc_file_sync(file), 0);
	signals_left = 3;
	must_be(torc_path_stat(path_of("eintr"), &stat), 0);
	must_be(stat.bytes, 100);
	signals_left = 3;
	must_be(torc_path_unlink(path_of("eintr")), 0);
	must_be(signals_left, 0);
	torc_file_close(file);
	faulty_refuse = NULL;
	return 0;
}

#define DENIED(fn_) TORC_CASE(fn_, .options.engine = "faulty")

/* What is altered are the answers of a real ring. */
static void
skip_without_io_uring(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(8, &ring, 0);

	if (ret == -EPERM || ret == -ENOSYS) {
		printf("skip: no io_uring here: %s\n", strerror(-ret));
		exit(77);
	}
	if (ret == 0)
		io_uring_queue_exit(&ring);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DENIED(a_file_is_cut_by_a_thread),
		DENIED(what_cannot_be_cut_says_so_by_a_thread_as_well),
		DENIED(a_cut_by_a_thread_is_cancelled_or_done),
		DENIED(a_close_waits_for_the_thread),
		TORC_CASE(a_close_stops_what_no_thread_has_begun,
			.options.engine = "faulty",
			.options.blocking_threads_max = 1),
		DENIED(interruptions_are_not_seen),
	};

	(void)argc;
	skip_without_io_uring();
	setenv("TORC_FAULTS", "0", 1);
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/file_denied", tests, folder_make, folder_remove);
}
