/* SPDX-License-Identifier: MIT */
/*
 * Goal    Bytes come out of a pipe as they went in, none is lost to a cancel,
 *         and a reader that went away is an error and not a signal.
 * Method  The real kernel. The other end is a plain descriptor, or a pipe of
 *         torc's and a task.
 */
#include <sys/resource.h>

#include "tests/core/io/fixture.h"
#include "tests/support/fake_shard.h"

static struct torc_pipe *
pipe_of(int fd)
{
	struct torc_pipe *pipe;

	must_be(torc_pipe_from_fd(&pipe, fd), 0);
	return pipe;
}

/* A pipe of ours to read from, and the plain descriptor to write to. */
static struct torc_pipe *
open_reader(int *fd)
{
	int fds[2];

	must_be(pipe2(fds, O_CLOEXEC), 0);
	*fd = fds[1];
	return pipe_of(fds[0]);
}

static struct torc_pipe *
open_writer(int *fd)
{
	int fds[2];

	must_be(pipe2(fds, O_CLOEXEC), 0);
	*fd = fds[0];
	return pipe_of(fds[1]);
}

static bool
is_blocked(int signo)
{
	sigset_t mask;

	must_be(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	return sigismember(&mask, signo);
}

static bool
is_pending(int signo)
{
	sigset_t set;

	must_be(sigpending(&set), 0);
	return sigismember(&set, signo);
}

/* What `fill` is to write, in pieces of any size. */
#define FLOW_BYTES ((size_t)1 << 20)

static int
fill(void *arg)
{
	struct torc_pipe *pipe = arg;
	size_t at = 0;

	while (at < FLOW_BYTES) {
		size_t bytes = random_size(POOL_PIECE);

		if (bytes > FLOW_BYTES - at)
			bytes = FLOW_BYTES - at;
		must_be(torc_pipe_write_all(pipe, bytes_at(at), bytes), bytes);
		at += bytes;
	}
	torc_pipe_close(pipe);
	return 0;
}

static int
bytes_come_out_as_they_went_in_and_then_the_end(void *unused)
{
	static uint8_t buf[POOL_PIECE];
	struct torc_pipe *reader, *writer;
	struct torc_task *task;
	size_t at = 0;
	ssize_t got;

	(void)unused;
	must_be(torc_pipe_open(&reader, &writer), 0);
	must_be(torc_spawn(&task, fill, writer), 0);

	while ((got = torc_pipe_read(reader, buf, random_size(sizeof(buf)))) >
		0) {
		must(is_right(buf, at, (size_t)got));
		at += (size_t)got;
	}

	must_be(got, 0);
	must_be(at, FLOW_BYTES);
	must_be(torc_pipe_read(reader, buf, 1), 0);
	must_be(torc_join(task, NULL), 0);
	torc_pipe_close(reader);
	return 0;
}

static int
source_and_sink_do_the_same(void *unused)
{
	struct torc_pipe *reader, *writer;
	struct torc_source source;
	struct torc_sink sink;
	char buf[8] = "";

	(void)unused;
	must_be(torc_pipe_open(&reader, &writer), 0);
	source = torc_pipe_source(reader);
	sink = torc_pipe_sink(writer);

	must_be(sink.write_all(sink.object, "torc", 4), 4);
	must_be(source.read(source.object, buf, sizeof(buf)), 4);

	must_be(memcmp(buf, "torc", 4), 0);
	torc_pipe_close(reader);
	torc_pipe_close(writer);
	return 0;
}

static int
a_write_nobody_can_read_is_an_error_and_no_signal(void *unused)
{
	struct torc_pipe *writer;
	int fd;

	(void)unused;
	writer = open_writer(&fd);
	close(fd);

	must(is_blocked(SIGPIPE));
	for (int i = 0; i < 3; i++)
		must_be(torc_pipe_write_all(writer, "x", 1), -EPIPE);

	torc_pipe_close(writer);
	must(!is_blocked(SIGPIPE));
	must(!is_pending(SIGPIPE));
	return 0;
}

static int
a_reader_that_leaves_ends_a_write_in_flight(void *unused)
{
	struct torc_pipe_write write = { .data = bytes_at(0),
		.bytes = POOL_PIECE };
	struct torc_pipe *writer;
	int fd;

	(void)unused;
	writer = open_writer(&fd);
	must_be(fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
	torc_pipe_write_start(writer, &write);
	torc_sleep(TORC_MS);
	must(!torc_future_is_ready(&write.done));

	close(fd);

	must_be(torc_await(&write.done), -EPIPE);
	must_be(write.written_bytes, 4096);
	torc_pipe_close(writer);
	return 0;
}

static int
sigpipe_is_blocked_while_a_pipe_is_open(void *unused)
{
	struct torc_pipe *reader, *writer;
	sigset_t set;

	(void)unused;
	must_be(torc_pipe_open(&reader, &writer), 0);
	torc_pipe_close(reader);
	must(is_blocked(SIGPIPE));
	torc_pipe_close(writer);
	must(!is_blocked(SIGPIPE));

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	must_be(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	must_be(torc_pipe_open(&reader, &writer), 0);
	torc_pipe_close(reader);
	torc_pipe_close(writer);
	must(is_blocked(SIGPIPE));
	must_be(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
	return 0;
}

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
what_is_nonblocking_is_waited_for_all_the_same(void *unused)
{
	uint8_t buf[POOL_PIECE];
	struct torc_pipe_read read = { .buf = buf, .bytes = sizeof(buf) };
	struct torc_pipe_write write = { .data = bytes_at(0), .bytes = 6000 };
	int fds[2];
	struct torc_pipe *reader, *writer;

	(void)unused;
	must_be(pipe2(fds, O_NONBLOCK), 0);
	must_be(fcntl(fds[0], F_SETPIPE_SZ, 4096), 4096);
	reader = pipe_of(fds[0]);
	writer = pipe_of(fds[1]);
	torc_pipe_read_start(reader, &read);
	torc_sleep(TORC_MS);
	must(!torc_future_is_ready(&read.done));

	torc_pipe_write_start(writer, &write);
	must_be(torc_await(&read.done), 4096);
	must_be(torc_pipe_read(reader, buf + 4096, 2000), 1904);
	must_be(torc_await(&write.done), 6000);

	must(is_right(buf, 0, 6000));
	must(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	torc_pipe_close(reader);
	torc_pipe_close(writer);
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

static int
a_descriptor_is_taken_or_refused(void *unused)
{
	struct torc_pipe *pipe = NULL;
	int fds[2];

	(void)unused;
	must_be(torc_pipe_from_fd(&pipe, 12345), -EBADF);
	must_be(torc_pipe_from_fd(&pipe, -1), -EBADF);
	must(pipe == NULL);

	must_be(pipe2(fds, 0), 0);
	pipe = pipe_of(fds[0]);
	must_be(torc_pipe_fd(pipe), fds[0]);
	must_be(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	torc_pipe_close(pipe);
	close(fds[1]);
	return 0;
}

static int
read_a_file_from_its_place_to_its_end(void *unused)
{
	char path[] = "/tmp/torc-pipe-XXXXXX";
	int fd = mkstemp(path);
	struct torc_pipe *pipe;
	char buf[16] = "";

	(void)unused;
	must(fd >= 0);
	must_be(unlink(path), 0);
	pipe = pipe_of(fd);
	must_be(torc_pipe_write_all(pipe, "one two", 7), 7);
	must_be(lseek(fd, 4, SEEK_SET), 4);

	must_be(torc_pipe_read(pipe, buf, 2), 2);
	must_be(torc_pipe_read(pipe, buf + 2, 10), 1);
	must_be(torc_pipe_read(pipe, buf, 10), 0);

	must_be(memcmp(buf, "two", 3), 0);
	torc_pipe_close(pipe);
	return 0;
}

static int
one_end_may_go_both_ways(void *unused)
{
	char buf[4];
	struct torc_pipe_read read = { .buf = buf, .bytes = sizeof(buf) };
	struct torc_pipe *pipe;
	int fds[2];

	(void)unused;
	must_be(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pipe = pipe_of(fds[0]);
	torc_pipe_read_start(pipe, &read);

	must_be(torc_pipe_write_all(pipe, "ping", 4), 4);
	must_be(raw_recv(fds[1], buf, 4), 4);
	must_be(write(fds[1], "pong", 4), 4);

	must_be(torc_await(&read.done), 4);
	must_be(memcmp(buf, "pong", 4), 0);
	close(fds[1]);
	must_be(torc_pipe_write_all(pipe, "ping", 4), -EPIPE);
	torc_pipe_close(pipe);
	return 0;
}

static int
without_descriptors_there_is_no_pipe(void *unused)
{
	struct torc_pipe *reader, *writer;
	struct rlimit old, none;
	int ret;

	(void)unused;
	must_be(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	must_be(setrlimit(RLIMIT_NOFILE, &none), 0);
	ret = torc_pipe_open(&reader, &writer);
	must_be(setrlimit(RLIMIT_NOFILE, &old), 0);
	must_be(ret, -EMFILE);
	return 0;
}

static int
nothing_is_the_same_as_no_memory(void *unused)
{
	char byte;

	(void)unused;
	must_be(torc_pipe_read(NULL, &byte, 1), -ENOMEM);
	must_be(torc_pipe_write_all(NULL, "x", 1), -ENOMEM);
	torc_pipe_close(NULL);
	return 0;
}

static int
ends_that_were_left_open_are_closed_at_the_end(void *unused)
{
	static char byte;
	static struct torc_pipe_read read = { .buf = &byte, .bytes = 1 };
	static struct torc_pipe_write write = { .bytes = POOL_PIECE };
	struct torc_pipe *reader, *writer, *other;

	(void)unused;
	must_be(torc_pipe_open(&reader, &writer), 0);
	torc_pipe_read_start(reader, &read);
	must_be(torc_pipe_open(&other, &writer), 0);
	must_be(fcntl(torc_pipe_fd(other), F_SETPIPE_SZ, 4096), 4096);
	write.data = bytes_at(0);
	torc_pipe_write_start(writer, &write);
	turn();
	return 0;
}

static int
read_twice(void *unused)
{
	char bytes[2];
	struct torc_pipe_read one = { .buf = bytes, .bytes = 1 };
	struct torc_pipe_read two = { .buf = bytes + 1, .bytes = 1 };
	struct torc_pipe *reader;
	int fd;

	(void)unused;
	reader = open_reader(&fd);
	torc_pipe_read_start(reader, &one);
	torc_pipe_read_start(reader, &two);
	return 0;
}

static void
two_readers_at_once_are_named_as_a_mistake(void **unused)
{
	(void)unused;
	assert_says(last_words_of_run(read_twice, NULL, 1), "read again");
}

/*
 * Apart from the fixture: the epoll engine reads files on threads, and the C
 * library keeps some memory of each for the next.
 */
static void
a_file_is_read_from_its_place(void **unused)
{
	struct torc_options options = { .shards = 1 };
	unsigned fds_before = fds_count();

	(void)unused;
	must_be(torc_run(&options, read_a_file_from_its_place_to_its_end, NULL),
		0);
	must_be(fds_count(), fds_before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(bytes_come_out_as_they_went_in_and_then_the_end),
		WITH_TORC(source_and_sink_do_the_same),
		WITH_TORC(a_write_nobody_can_read_is_an_error_and_no_signal),
		WITH_TORC(a_reader_that_leaves_ends_a_write_in_flight),
		WITH_TORC(sigpipe_is_blocked_while_a_pipe_is_open),
		WITH_TORC(a_read_that_timed_out_has_lost_nothing),
		WITH_TORC(what_was_read_when_the_cancel_came_is_delivered),
		WITH_TORC(a_task_that_is_cancelled_already_does_nothing),
		WITH_TORC(
			writes_wait_for_their_turn_and_one_may_leave_the_queue),
		WITH_TORC(a_cancelled_write_tells_how_far_it_came),
		WITH_TORC(closing_ends_what_waits),
		WITH_TORC(writes_may_cancel_each_other_as_a_close_ends_them),
		WITH_TORC(what_is_nonblocking_is_waited_for_all_the_same),
		WITH_TORC(a_nonblocking_read_is_cancelled_while_it_looks),
		WITH_TORC(a_descriptor_is_taken_or_refused),
		cmocka_unit_test(a_file_is_read_from_its_place),
		WITH_TORC(one_end_may_go_both_ways),
		WITH_TORC(without_descriptors_there_is_no_pipe),
		WITH_TORC(nothing_is_the_same_as_no_memory),
		LEFT_OPEN(ends_that_were_left_open_are_closed_at_the_end),
		cmocka_unit_test(two_readers_at_once_are_named_as_a_mistake),
	};

	return cmocka_run_group_tests_name("core/io/pipe", tests, NULL, NULL);
}
