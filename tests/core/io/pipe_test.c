/* SPDX-License-Identifier: MIT */
/*
 * Goal    Bytes come out of a pipe as they went in, and a reader that went
 *         away is an error and not a signal.
 * Method  The real kernel. The other end is a plain descriptor, or a pipe of
 *         torc's and a task.
 */
#include <sys/resource.h>

#include "tests/core/io/pipe_fixture.h"
#include "tests/support/fake_shard.h"

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
		WITH_TORC(what_is_nonblocking_is_waited_for_all_the_same),
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
