/* SPDX-License-Identifier: MIT */
/*
 * Goal    No byte is lost to a cancel, a deadline or a close: what a read has
 *         not told is still there, and a write says how far it came.
 * Method  The real kernel. The other end is a plain descriptor, or a pipe of
 *         torc's and a task.
 */
#include "tests/core/io/pipe_fixture.h"

/* Read until `total` bytes came, with a deadline that strikes any time. */
static void
read_with_interrupts(struct torc_pipe *reader, size_t total)
{
	static uint8_t buf[1000];
	size_t at = 0;

	while (at < total) {
		struct torc_deadline deadline;
		ssize_t got;

		torc_deadline_begin(&deadline, random_u64() % (50 * TORC_US));
		got = torc_pipe_read(reader, buf, random_size(sizeof(buf)));
		torc_deadline_end(&deadline);
		must(got > 0 || got == -ETIMEDOUT);
		if (got < 0)
			continue;
		must(is_right(buf, at, (size_t)got));
		at += (size_t)got;
	}
}

static int
trickle(void *arg)
{
	int fd = *(int *)arg;
	size_t at = 0;

	while (at < 20000) {
		size_t bytes = random_size(50);

		must_be(write(fd, bytes_at(at), bytes), bytes);
		at += bytes;
		torc_sleep(random_u64() % (20 * TORC_US));
	}
	return 0;
}

static int
a_read_that_timed_out_has_lost_nothing(void *unused)
{
	struct torc_pipe *reader;
	struct torc_task *task;
	int fd;

	(void)unused;
	reader = open_reader(&fd);
	must_be(torc_spawn(&task, trickle, &fd), 0);

	read_with_interrupts(reader, 20000);

	must_be(torc_join(task, NULL), 0);
	close(fd);
	torc_pipe_close(reader);
	return 0;
}

static int
what_was_read_when_the_cancel_came_is_delivered(void *unused)
{
	char buf[8] = "";
	struct torc_pipe_read read = { .buf = buf, .bytes = sizeof(buf) };
	struct torc_pipe *reader;
	int fd;

	(void)unused;
	reader = open_reader(&fd);
	torc_pipe_read_start(reader, &read);
	turn();
	must_be(write(fd, "late", 4), 4);
	/* Done by the kernel, and not looked at. */
	torc_future_cancel(&read.done);

	must_be(torc_await(&read.done) == 4 || read.done.value == -ECANCELED,
		true);
	if (read.done.value < 0)
		must_be(torc_pipe_read(reader, buf, sizeof(buf)), 4);
	must_be(memcmp(buf, "late", 4), 0);
	close(fd);
	torc_pipe_close(reader);
	return 0;
}

static int
use_while_cancelled(void *arg)
{
	struct torc_pipe **ends = arg;
	char byte;

	must_be(torc_sleep(TORC_S), -ECANCELED);
	must_be(torc_pipe_read(ends[0], &byte, 1), -ECANCELED);
	must_be(torc_pipe_write_all(ends[1], "y", 1), -ECANCELED);
	return 0;
}

static int
a_task_that_is_cancelled_already_does_nothing(void *unused)
{
	struct torc_pipe *ends[2];
	struct torc_task *task;
	char byte;

	(void)unused;
	must_be(torc_pipe_open(&ends[0], &ends[1]), 0);
	must_be(torc_pipe_write_all(ends[1], "x", 1), 1);
	must_be(torc_spawn(&task, use_while_cancelled, ends), 0);
	torc_cancel_join(task, NULL);

	must_be(torc_pipe_read(ends[0], &byte, 1), 1);
	must_be(byte, 'x');
	torc_pipe_close(ends[1]);
	must_be(torc_pipe_read(ends[0], &byte, 1), 0);
	torc_pipe_close(ends[0]);
	return 0;
}

static int
writes_wait_for_their_turn_and_one_may_leave_the_queue(void *unused)
{
	struct torc_pipe_write first = { .data = bytes_at(0), .bytes = 8192 };
	struct torc_pipe_write second = { .data = "??????", .bytes = 6 };
	struct torc_pipe_write third = { .data = bytes_at(8192), .bytes = 7 };
	struct torc_pipe *writer;
	int fd;

	(void)unused;
	writer = open_writer(&fd);
	must_be(fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
	torc_pipe_write_start(writer, &first);
	torc_pipe_write_start(writer, &second);
	torc_pipe_write_start(writer, &third);
	turn();

	torc_future_cancel(&second.done);
	must_be(second.done.value, -ECANCELED);
	must_be(second.written_bytes, 0);

	for (size_t at = 0; at < 8192 + 7;) {
		uint8_t buf[1000];
		ssize_t got = read(fd, buf, sizeof(buf));

		must(got > 0 && is_right(buf, at, (size_t)got));
		at += (size_t)got;
		turn();
	}
	must_be(torc_await(&first.done), 8192);
	must_be(torc_await(&third.done), 7);
	close(fd);
	torc_pipe_close(writer);
	return 0;
}

static int
a_cancelled_write_tells_how_far_it_came(void *unused)
{
	struct torc_pipe_write write = { .data = bytes_at(0), .bytes = 10000 };
	struct torc_pipe *writer;
	uint8_t buf[10000];
	int fd;

	(void)unused;
	writer = open_writer(&fd);
	must_be(fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
	torc_pipe_write_start(writer, &write);
	torc_sleep(TORC_MS);

	torc_future_cancel(&write.done);
	must_be(torc_await(&write.done), -ECANCELED);

	must_be(write.written_bytes, 4096);
	torc_pipe_close(writer);
	wait_until(is_shard_quiet());
	must_be(read(fd, buf, sizeof(buf)), 4096);
	must(is_right(buf, 0, 4096));
	must_be(read(fd, buf, sizeof(buf)), 0);
	close(fd);
	return 0;
}

static int
closing_ends_what_waits(void *unused)
{
	char byte;
	struct torc_pipe_read read = { .buf = &byte, .bytes = 1 };
	struct torc_pipe_write writes[3];
	struct torc_pipe *reader, *writer;
	int rfd, wfd;

	(void)unused;
	reader = open_reader(&wfd);
	writer = open_writer(&rfd);
	for (int i = 0; i < 3; i++) {
		writes[i] = (struct torc_pipe_write){ .data = bytes_at(0),
			.bytes = POOL_PIECE };
		torc_pipe_write_start(writer, &writes[i]);
	}
	must_be(fcntl(rfd, F_SETPIPE_SZ, 4096), 4096);
	torc_pipe_read_start(reader, &read);
	torc_sleep(TORC_MS);

	torc_pipe_close(reader);
	torc_pipe_close(writer);

	must_be(torc_await(&read.done), -ECANCELED);
	for (int i = 0; i < 3; i++)
		must(torc_await(&writes[i].done) < 0);
	must_be(writes[1].written_bytes + writes[2].written_bytes, 0);
	close(rfd);
	close(wfd);
	return 0;
}

static void
cancel_other(struct torc_future *done)
{
	struct torc_pipe_write *other = torc_future_waiter(done);

	torc_future_cancel(&other->done);
}

static int
writes_may_cancel_each_other_as_a_close_ends_them(void *unused)
{
	struct torc_pipe_write writes[4];
	struct torc_pipe *writer;
	int fd;

	(void)unused;
	writer = open_writer(&fd);
	must_be(fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
	for (int i = 0; i < 4; i++) {
		writes[i] = (struct torc_pipe_write){ .data = bytes_at(0),
			.bytes = POOL_PIECE };
		torc_pipe_write_start(writer, &writes[i]);
	}
	for (int i = 0; i < 3; i++)
		torc_future_then(&writes[i].done, cancel_other, &writes[3 - i]);
	torc_future_then(&writes[3].done, cancel_other, &writes[1]);
	turn();

	torc_pipe_close(writer);

	for (int i = 0; i < 4; i++)
		wait_until(torc_future_is_ready(&writes[i].done));
	for (int i = 0; i < 4; i++)
		must_be(writes[i].done.value, -ECANCELED);
	close(fd);
	return 0;
}

static int
a_nonblocking_read_is_cancelled_while_it_looks(void *unused)
{
	char byte = 0;
	struct torc_pipe_read read = { .buf = &byte, .bytes = 1 };
	struct torc_pipe *reader;
	int fds[2];

	(void)unused;
	must_be(pipe2(fds, O_NONBLOCK), 0);
	reader = pipe_of(fds[0]);
	for (int i = 0; i < 50; i++) {
		torc_pipe_read_start(reader, &read);
		for (int turns = i % 4; turns > 0; turns--)
			turn();
		torc_future_cancel(&read.done);
		must_be(torc_await(&read.done), -ECANCELED);
	}
	must_be(write(fds[1], "z", 1), 1);
	must_be(torc_pipe_read(reader, &byte, 1), 1);
	must_be(byte, 'z');
	close(fds[1]);
	torc_pipe_close(reader);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_read_that_timed_out_has_lost_nothing),
		WITH_TORC(what_was_read_when_the_cancel_came_is_delivered),
		WITH_TORC(a_nonblocking_read_is_cancelled_while_it_looks),
		WITH_TORC(a_task_that_is_cancelled_already_does_nothing),
		WITH_TORC(
			writes_wait_for_their_turn_and_one_may_leave_the_queue),
		WITH_TORC(a_cancelled_write_tells_how_far_it_came),
		WITH_TORC(closing_ends_what_waits),
		WITH_TORC(writes_may_cancel_each_other_as_a_close_ends_them),
	};

	return cmocka_run_group_tests_name(
		"core/io/pipe_cancel", tests, NULL, NULL);
}
