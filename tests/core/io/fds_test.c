/* SPDX-License-Identifier: MIT */
/*
 * Goal    Descriptors arrive with the bytes that they were sent with, are the
 *         receiver's own, and none is left behind by a cancel, a close, too
 *         little room or a process that may have no more.
 * Method  The real kernel, one shard. Descriptors are told apart by what
 *         their pipes give; the fixture counts what is left of them.
 */
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/core/io/fixture.h"

struct ends {
	struct torc_stream *a, *b;
};

/* So many pipes; pipe i gives the byte i. */
struct pipes {
	int readers[TORC_FDS_MAX];
	unsigned count;
};

static void
pipes_open(struct pipes *pipes, unsigned count)
{
	pipes->count = count;
	for (unsigned i = 0; i < count; i++) {
		char byte = (char)i;
		int fds[2];

		must_be(pipe2(fds, O_CLOEXEC), 0);
		must_be(write(fds[1], &byte, 1), 1);
		close(fds[1]);
		pipes->readers[i] = fds[0];
	}
}

static void
pipes_close(struct pipes *pipes)
{
	for (unsigned i = 0; i < pipes->count; i++)
		close(pipes->readers[i]);
}

/* It is the pipe's reader i, another descriptor of it, and close-on-exec. */
static void
expect_pipe(int fd, unsigned i)
{
	char byte;

	must_be(fcntl(fd, F_GETFD), FD_CLOEXEC);
	must_be(read(fd, &byte, 1), 1);
	must_be((unsigned char)byte, i);
	close(fd);
}

static void
pass(struct ends *ends, unsigned count)
{
	int got[TORC_FDS_MAX];
	unsigned room = TORC_FDS_MAX;
	struct pipes pipes;
	char buf[16];

	pipes_open(&pipes, count);
	must_be(torc_send_fds(ends->a, "hello", 5, pipes.readers, count), 5);
	pipes_close(&pipes);
	must_be(torc_recv_fds(ends->b, buf, sizeof(buf), got, &room), 5);
	must_be(room, count);
	for (unsigned i = 0; i < count; i++)
		expect_pipe(got[i], i);
}

static int
any_number_of_descriptors_passes(void *unused)
{
	struct ends ends;

	(void)unused;
	for (int kind = 0; kind < 2; kind++) {
		must_be(kind == 0 ? torc_stream_pair(&ends.a, &ends.b)
				  : torc_packet_pair(&ends.a, &ends.b),
			0);
		pass(&ends, 1);
		pass(&ends, 0);
		pass(&ends, 2);
		pass(&ends, TORC_FDS_MAX);
		must_be(torc_send_fds(ends.a, "x", 1, (int[300]){ 0 }, 254),
			-EINVAL);
		torc_close(ends.a);
		torc_close(ends.b);
	}
	return 0;
}

/* One write of bytes and descriptors that no socket buffer holds. */
static int
descriptors_go_with_the_first_part_of_a_large_send(void *unused)
{
	enum { LARGE = 4 << 20 };
	uint8_t *large = copy_of_bytes(0, LARGE), *buf = malloc(LARGE);
	struct torc_send_fds send;
	struct pipes pipes;
	struct ends ends;
	size_t got = 0;
	int fd = -1;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	pipes_open(&pipes, 1);
	torc_send_fds_start(ends.a, &send, large, LARGE, pipes.readers, 1);
	while (got < LARGE) {
		unsigned room = fd < 0;
		ssize_t ret = torc_recv_fds(
			ends.b, buf + got, LARGE - got, &fd, &room);

		must(ret > 0);
		must_be(room, got == 0);
		got += (size_t)ret;
	}
	must(is_right(buf, 0, LARGE));
	must_be(torc_await(&send.send.done), LARGE);
	expect_pipe(fd, 0);
	pipes_close(&pipes);
	torc_close(ends.a);
	torc_close(ends.b);
	free(large);
	free(buf);
	return 0;
}

/* 40 sends of one turn, every fourth with a descriptor. */
static int
descriptors_keep_their_place_among_other_sends(void *unused)
{
	static struct torc_send_fds sends[40];
	struct pipes pipes;
	struct ends ends;
	uint8_t buf[400];
	size_t got = 0;
	unsigned passed = 0;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	pipes_open(&pipes, 10);
	for (unsigned i = 0; i < 40; i++) {
		if (i % 4 == 3) {
			torc_send_fds_start(ends.a, &sends[i], bytes_at(i * 10),
				10, &pipes.readers[i / 4], 1);
			continue;
		}
		sends[i].send = (struct torc_send){ .data = bytes_at(i * 10),
			.bytes = 10 };
		torc_send_start(ends.a, &sends[i].send);
	}
	while (got < 400) {
		unsigned room = 1;
		int fd;
		ssize_t ret =
			torc_recv_fds(ends.b, buf + got, 400 - got, &fd, &room);

		must(ret > 0);
		got += (size_t)ret;
		if (room == 1) {
			/* Never past the bytes that it came with. */
			must_be_at_most(got, (passed + 1) * 40);
			expect_pipe(fd, passed++);
		}
	}
	must_be(passed, 10);
	must(is_right(buf, 0, 400));
	for (unsigned i = 0; i < 40; i++)
		must_be(torc_await(&sends[i].send.done), 10);
	pipes_close(&pipes);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
a_connection_passes_and_works_at_its_new_place(void *unused)
{
	struct ends ends, inner;
	unsigned room = 1;
	char buf[8];
	int fd;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	must_be(torc_stream_pair(&inner.a, &inner.b), 0);
	must_be(torc_send_fds(ends.a, "x", 1, &inner.b->fd, 1), 1);
	torc_close(inner.b);
	must_be(torc_recv_fds(ends.b, buf, sizeof(buf), &fd, &room), 1);

	must_be(torc_send_all(inner.a, "moved", 5), 5);

	must_be(raw_recv(fd, buf, sizeof(buf)), 5);
	close(fd);
	torc_close(inner.a);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

/* A socket that came with them on: nothing may take the room of the rest. */
static int
credentials_and_labels_are_not_passed_besides(void *unused)
{
	enum { PASSPIDFD = 76 }; /* Linux 6.5 */
	const int names[] = { SO_PASSCRED, SO_PASSSEC, PASSPIDFD };
	struct ends ends;
	int fds[2], on = 1;

	(void)unused;
	for (int kind = 0; kind < 2; kind++) {
		int type = kind == 0 ? SOCK_STREAM : SOCK_SEQPACKET;

		must_be(socketpair(AF_UNIX, type, 0, fds), 0);
		for (unsigned i = 0; i < 3; i++)
			(void)setsockopt(
				fds[1], SOL_SOCKET, names[i], &on, sizeof(on));
		must_be(torc_stream_adopt(&ends.a, fds[0]), 0);
		must_be(torc_stream_adopt(&ends.b, fds[1]), 0);
		for (int i = 0; i < 3; i++) {
			pass(&ends, 0);
			pass(&ends, TORC_FDS_MAX);
		}
		torc_close(ends.a);
		torc_close(ends.b);
	}
	return 0;
}

/* ---- what must not be left behind ---- */

static int
more_than_there_is_room_for_is_an_error_and_leaks_none(void *unused)
{
	unsigned before, room = 2;
	struct pipes pipes;
	struct ends ends;
	char buf[8];
	int fds[2];

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	pipes_open(&pipes, 3);
	before = fds_count();
	must_be(torc_send_fds(ends.a, "x", 1, pipes.readers, 3), 1);
	must_be(torc_send_fds(ends.a, "y", 1, pipes.readers, 2), 1);

	must_be(torc_recv_fds(ends.b, buf, sizeof(buf), fds, &room), -EMSGSIZE);

	must_be(room, 0);
	must_be(fds_count(), before);
	room = 2;
	must_be(torc_recv_fds(ends.b, buf, sizeof(buf), fds, &room), 1);
	must_be(room, 2);
	close(fds[0]);
	close(fds[1]);
	pipes_close(&pipes);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
a_message_cut_short_is_an_error_and_leaks_none(void *unused)
{
	unsigned before, room = 1;
	struct pipes pipes;
	struct ends ends;
	char buf[4];
	int fd;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	pipes_open(&pipes, 1);
	before = fds_count();
	must_be(torc_send_fds(ends.a, "12345", 5, pipes.readers, 1), 5);

	must_be(torc_recv_fds(ends.b, buf, sizeof(buf), &fd, &room), -EMSGSIZE);

	must_be(fds_count(), before);
	pipes_close(&pipes);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
a_process_that_may_have_no_more_is_told_so(void *unused)
{
	struct rlimit limit, few;
	struct pipes pipes;
	struct ends ends;
	unsigned before, room = 8;
	char buf[8];
	int fds[8], top;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	pipes_open(&pipes, 8);
	must_be(torc_send_fds(ends.a, "x", 1, pipes.readers, 8), 1);
	before = fds_count();
	top = dup(0);
	close(top);
	must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){ (rlim_t)top + 3, limit.rlim_max };
	must_be(setrlimit(RLIMIT_NOFILE, &few), 0);

	must_be(torc_recv_fds(ends.b, buf, sizeof(buf), fds, &room), -EMFILE);

	must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
	must_be(room, 0);
	must_be(fds_count(), before);
	pipes_close(&pipes);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
a_receive_that_timed_out_loses_nothing(void *unused)
{
	struct torc_deadline deadline;
	struct ends ends;
	unsigned room = 1;
	char buf[8];
	int fd;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	torc_deadline_begin(&deadline, TORC_MS);
	must_be(torc_recv_fds(ends.b, buf, sizeof(buf), &fd, &room),
		-ETIMEDOUT);
	torc_deadline_end(&deadline);
	must_be(room, 0);

	pass(&ends, 1);

	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

/* The cancel comes as the descriptor does: it is there, or still to come. */
static int
a_cancel_that_comes_too_late_delivers(void *unused)
{
	struct torc_recv_fds recv;
	struct pipes pipes;
	struct ends ends;
	char buf[8];
	int fd = -1;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	pipes_open(&pipes, 1);
	for (int i = 0; i < 100; i++) {
		recv = (struct torc_recv_fds){ .buf = buf,
			.bytes = sizeof(buf),
			.fds = &fd,
			.fds_max = 1 };
		torc_recv_fds_start(ends.b, &recv);
		if (i % 3 == 0)
			turn();
		must_be(torc_send_fds(ends.a, "x", 1, pipes.readers, 1), 1);
		torc_future_cancel(&recv.done);
		if (torc_await(&recv.done) == -ECANCELED) {
			unsigned room = 1;

			must_be(recv.fds_count, 0);
			must_be(torc_recv_fds(ends.b, buf, 8, &fd, &room), 1);
			must_be(room, 1);
		} else {
			must_be(recv.done.value, 1);
			must_be(recv.fds_count, 1);
		}
		close(fd);
	}
	pipes_close(&pipes);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
receive_until_closed(void *arg)
{
	unsigned room = 1;
	char buf[8];
	int fd;
	ssize_t ret = torc_recv_fds(arg, buf, sizeof(buf), &fd, &room);

	must_be(room, 0);
	return (int)ret;
}

/* While it waits; with a descriptor in the socket; in the turn it comes. */
static int
a_close_ends_a_receive_and_leaks_none(void *unused)
{
	struct torc_task *task;
	struct pipes pipes;
	struct ends ends;
	int result;

	(void)unused;
	pipes_open(&pipes, 1);
	for (int i = 0; i < 3; i++) {
		struct torc_send_fds send;

		must_be(torc_packet_pair(&ends.a, &ends.b), 0);
		must_be(torc_spawn(&task, receive_until_closed, ends.b), 0);
		turn();
		if (i > 0)
			torc_send_fds_start(
				ends.a, &send, "x", 1, pipes.readers, 1);
		if (i == 1)
			must_be(sendmsg(ends.a->fd, &send._msg, 0), 1);

		torc_close(ends.b);

		must_be(torc_join(task, &result), 0);
		must_be(result, -ECANCELED);
		torc_close(ends.a);
		/* Before the other side was closed, or after. */
		if (i > 0)
			(void)torc_await(&send.send.done);
	}
	pipes_close(&pipes);
	return 0;
}

static int
what_nobody_received_is_closed_with_the_stream(void *unused)
{
	struct pipes pipes;
	struct ends ends;
	char byte;
	int fds[2];

	(void)unused;
	must_be(pipe2(fds, O_CLOEXEC), 0);
	pipes_open(&pipes, 0);
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	must_be(torc_send_fds(ends.a, "x", 1, &fds[1], 1), 1);
	close(fds[1]);

	torc_close(ends.a);
	torc_close(ends.b);

	wait_until(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 &&
		   read(fds[0], &byte, 1) == 0);
	close(fds[0]);
	return 0;
}

/* ---- misuse ---- */

static int
a_bad_descriptor_fails_alone(void *unused)
{
	struct torc_send behind = { .data = "behind", .bytes = 6 };
	struct torc_send_fds wrong, ring;
	struct io_uring_params params = { 0 };
	struct ends ends;
	const void *data;
	int bad = 1000000;
	int ring_fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	torc_send_fds_start(ends.a, &wrong, "wrong", 5, &bad, 1);
	torc_send_fds_start(ends.a, &ring, "wrong", 5, &ring_fd, 1);
	torc_send_start(ends.a, &behind);

	must_be(torc_await(&wrong.send.done), -EBADF);
	/* Where io_uring is forbidden it is no descriptor at all. */
	must_be(torc_await(&ring.send.done), ring_fd < 0 ? -EBADF : -EINVAL);
	if (ring_fd >= 0)
		close(ring_fd);
	must_be(torc_await(&behind.done), 6);

	must_be(torc_recv(ends.b, &data), 6);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
the_first_receive_decides_how_a_stream_is_read(void *unused)
{
	struct torc_future readable;
	struct pair tcp;
	struct ends ends;
	unsigned room = 0;
	char buf[8];

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	torc_recv_start(ends.b, &readable);
	torc_future_cancel(&readable);
	must_be(torc_recv_fds(ends.b, buf, 8, NULL, &room), -EBUSY);
	torc_close(ends.a);
	torc_close(ends.b);

	pair_open(&tcp, TCP);
	must_be(torc_recv_fds(tcp.stream, buf, 8, NULL, &room), -EOPNOTSUPP);
	must_be(torc_send_fds(tcp.stream, buf, 8, NULL, 0), -EOPNOTSUPP);
	pair_close(&tcp);
	return 0;
}

static int
an_end_and_a_reset_are_told(void *unused)
{
	struct ends ends;
	unsigned room = 0;
	char buf[8];

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	torc_close(ends.a);
	must_be(torc_recv_fds(ends.b, buf, 8, NULL, &room), 0);
	must_be(torc_recv_fds(ends.b, buf, 8, NULL, &room), 0);
	must_be(torc_send_fds(ends.b, buf, 8, NULL, 0), -ECONNRESET);
	torc_close(ends.b);

	/* Closed with bytes unread: a Unix socket's way to reset. */
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	must_be(torc_send_all(ends.b, "x", 1), 1);
	torc_close(ends.a);
	must_be(torc_recv_fds(ends.b, buf, 8, NULL, &room), -ECONNRESET);
	torc_close(ends.b);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(any_number_of_descriptors_passes),
		WITH_TORC(descriptors_go_with_the_first_part_of_a_large_send),
		WITH_TORC(descriptors_keep_their_place_among_other_sends),
		WITH_TORC(a_connection_passes_and_works_at_its_new_place),
		WITH_TORC(credentials_and_labels_are_not_passed_besides),
		WITH_TORC(
			more_than_there_is_room_for_is_an_error_and_leaks_none),
		WITH_TORC(a_message_cut_short_is_an_error_and_leaks_none),
		WITH_TORC(a_process_that_may_have_no_more_is_told_so),
		WITH_TORC(a_receive_that_timed_out_loses_nothing),
		WITH_TORC(a_cancel_that_comes_too_late_delivers),
		WITH_TORC(a_close_ends_a_receive_and_leaks_none),
		WITH_TORC(what_nobody_received_is_closed_with_the_stream),
		WITH_TORC(a_bad_descriptor_fails_alone),
		WITH_TORC(the_first_receive_decides_how_a_stream_is_read),
		WITH_TORC(an_end_and_a_reset_are_told),
	};

	return cmocka_run_group_tests_name("core/io/fds", tests, NULL, NULL);
}
