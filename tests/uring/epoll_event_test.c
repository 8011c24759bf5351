/* SPDX-License-Identifier: MIT */
/*
 * Goal    On the epoll engine, what is not ready waits and loses nothing: a
 *         read gets its bytes once, a poll tells each event once.
 * Method  Real pipes, files, signals and eventfds; each op is driven by hand.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "tests/uring/epoll_fixture.h"

/* ---- read ---- */

static void *
ring_it(void *arg)
{
	ring_event(*(int *)arg);
	return NULL;
}

static void
another_thread_ends_a_wait_by_an_event(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	pthread_t thread;

	for (uint64_t id = 0; id < 50; id++) {
		read_event(f, fd, id);
		assert_int_equal(
			pthread_create(&thread, NULL, ring_it, &fd), 0);
		assert_ends(f, id, 8);
		assert_int_equal(event_count, 1);
		pthread_join(thread, NULL);
	}
	close(fd);
}

static void
two_reads_do_not_share_one_event(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	read_event(f, fd, 1);
	read_event(f, fd, 2);
	ring_event(fd);
	assert_ends(f, 1, 8);
	assert_silent(f);
	ring_event(fd);
	assert_ends(f, 2, 8);
	close(fd);
}

static void
a_pipe_gives_its_bytes_and_then_its_end(void **state)
{
	struct fixture *f = *state;
	char text[8] = "";
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (uint64_t id = 1; id <= 2; id++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_read(sqe, fds[0], text, sizeof(text), 0);
		submit(f, sqe, id);
		assert_silent(f);
		if (id == 1)
			write_all(fds[1], "abc");
		else
			close(fds[1]);
		assert_ends(f, id, id == 1 ? 3 : 0);
	}
	assert_string_equal(text, "abc");
	close(fds[0]);
}

static void
a_file_is_read_at_its_offset(void **state)
{
	struct fixture *f = *state;
	FILE *file = tmpfile();
	char text[8] = "";
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	fputs("0123456789", file);
	fflush(file);
	io_uring_prep_read(sqe, fileno(file), text, 3, 4);
	submit(f, sqe, 1);
	assert_ends(f, 1, 3);
	assert_string_equal(text, "456");
	fclose(file);
}

static void
a_descriptor_that_does_not_block_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	read_event(f, fd, 1);
	assert_ends(f, 1, -EAGAIN);
	ring_event(fd);
	read_event(f, fd, 2);
	assert_ends(f, 2, 8);
	close(fd);
}

static void
signals_are_read_one_by_one(void **state)
{
	struct fixture *f = *state;
	struct signalfd_siginfo info = { 0 };
	sigset_t set, old;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	fd = f->ring.engine->signals_open(&f->ring, &set);
	for (uint64_t id = 1; id <= 2; id++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);
		int signo = id == 1 ? SIGUSR2 : SIGUSR1;

		io_uring_prep_read(sqe, fd, &info, sizeof(info), 0);
		submit(f, sqe, id);
		assert_silent(f);
		raise(signo);
		assert_ends(f, id, sizeof(info));
		assert_int_equal(info.ssi_signo, signo);
	}
	f->ring.engine->close_fd(&f->ring, fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* ---- poll ---- */

static void
a_poll_tells_what_is_ready_and_ends(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	poll_add(f, fd, POLLIN, false, 1);
	assert_silent(f);
	poll_add(f, fd, POLLIN | POLLOUT, false, 2);
	assert_ends(f, 2, POLLOUT);
	ring_event(fd);
	assert_ends(f, 1, POLLIN);
	ring_event(fd);
	assert_silent(f);
	close(fd);
}

static void
a_multishot_poll_tells_each_event(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	poll_add(f, fd, POLLIN, true, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct torc_cqe cqe;

		assert_silent(f);
		ring_event(fd);
		cqe = await_cqe(f, 1);
		assert_int_equal(cqe.res, POLLIN);
		assert_true(cqe.flags & IORING_CQE_F_MORE);
	}
	cancel_and_drop(f, 1);
	close(fd);
}

static void
an_event_that_nobody_waits_for_is_the_last(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	poll_add(f, fd, POLLIN, true, 1);
	cancel_and_drop(f, 1);
	assert_int_not_equal(torc__epoll_of(&f->ring)->files[fd].events, 0);
	ring_event(fd);
	assert_silent(f);
	assert_int_equal(torc__epoll_of(&f->ring)->files[fd].events, 0);
	poll_add(f, fd, POLLIN, false, 2);
	assert_ends(f, 2, POLLIN);
	close(fd);
}

static void
a_multishot_poll_ends_with_the_room_in_the_cq(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	poll_add(f, fd, POLLIN, true, 1);
	fill_cq(f);
	ring_event(fd);
	turn(f);
	turn(f);
	expect_filled_cq(f);
	assert_ends(f, 1, POLLIN);
	ring_event(fd);
	assert_silent(f);
	close(fd);
}

static void
a_file_is_always_ready(void **state)
{
	struct fixture *f = *state;
	FILE *file = tmpfile();

	poll_add(f, fileno(file), POLLIN | POLLOUT, false, 1);
	assert_ends(f, 1, POLLIN | POLLOUT);
	fclose(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EPOLL(another_thread_ends_a_wait_by_an_event),
		WITH_EPOLL(two_reads_do_not_share_one_event),
		WITH_EPOLL(a_pipe_gives_its_bytes_and_then_its_end),
		WITH_EPOLL(a_file_is_read_at_its_offset),
		WITH_EPOLL(a_descriptor_that_does_not_block_is_not_waited_for),
		WITH_EPOLL(signals_are_read_one_by_one),
		WITH_EPOLL(a_poll_tells_what_is_ready_and_ends),
		WITH_EPOLL(a_multishot_poll_tells_each_event),
		WITH_EPOLL(an_event_that_nobody_waits_for_is_the_last),
		WITH_EPOLL(a_multishot_poll_ends_with_the_room_in_the_cq),
		WITH_EPOLL(a_file_is_always_ready),
	};

	return cmocka_run_group_tests_name(
		"uring/epoll_event", tests, NULL, NULL);
}
