/* SPDX-License-Identifier: MIT */
/*
 * Goal    The epoll engine takes SQEs and gives CQEs as io_uring does: what
 *         is not ready waits and loses nothing, a cancel hits its target and
 *         nobody else, and a descriptor's number is not its file.
 * Method  Real pipes and eventfds; each op is driven by hand. Sockets are in
 *         epoll_socket_test.c.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/uring/epoll_fixture.h"

static uint64_t count; /* what reads of an eventfd leave */

static void
read_event(struct fixture *f, int fd, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_read(sqe, fd, &count, sizeof(count), 0);
	submit(f, sqe, id);
}

static void
ring_event(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void
poll_add(struct fixture *f, int fd, unsigned mask, bool is_multishot,
	uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	if (is_multishot)
		io_uring_prep_poll_multishot(sqe, fd, mask);
	else
		io_uring_prep_poll_add(sqe, fd, mask);
	submit(f, sqe, id);
}

/* ---- enter ---- */

static void
sqes_are_taken_and_completed_in_order(void **state)
{
	struct fixture *f = *state;

	for (uint64_t id = 1; id <= 40; id++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_nop(sqe);
		add(sqe, id);
	}
	turn(f);
	assert_int_equal(f->ring.stats.sqes, 40);
	for (uint64_t id = 1; id <= 40; id++)
		assert_ends(f, id, 0);
}

static void
a_full_cq_loses_nothing(void **state)
{
	enum { NOPS = 5 * CQ_ENTRIES };
	struct fixture *f = *state;

	for (uint64_t id = 0; id < NOPS; id++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_nop(sqe);
		submit(f, sqe, id);
	}
	for (uint64_t id = 0; id < NOPS; id++)
		assert_ends(f, id, 0);
}

static void
a_wait_with_nothing_to_come_ends_with_etime(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		f->ring.engine->enter(&f->ring, 0, 1, TORC_MS), -ETIME);
	assert_int_equal(f->ring.engine->enter(&f->ring, 0, 1, 0), -ETIME);
	assert_int_equal(f->ring.engine->enter(&f->ring, 0, 0, 0), 0);
}

static void
do_nothing(int signo)
{
	(void)signo;
}

static void
a_signal_ends_a_wait_with_eintr(void **state)
{
	struct sigaction action = { .sa_handler = do_nothing }, old;
	struct itimerspec soon = { .it_value.tv_nsec = 20000000 };
	struct fixture *f = *state;
	timer_t timer;

#ifdef TORC__TSAN
	skip(); /* it calls handlers when it suits it */
#endif
	sigaction(SIGALRM, &action, &old);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	timer_settime(timer, 0, &soon, NULL);

	assert_int_equal(
		f->ring.engine->enter(&f->ring, 0, 1, UINT64_MAX), -EINTR);

	timer_delete(timer);
	sigaction(SIGALRM, &old, NULL);
}

static int
send_odd_opcodes(void)
{
	struct torc_ring_options options = { 0 };
	struct torc_ring ring;

	if (torc__ring_open(&ring, &torc__engine_epoll, &options) < 0)
		return 1;
	for (unsigned i = 0; i < 3; i++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&ring);

		io_uring_prep_nop(sqe);
		sqe->opcode = i < 2 ? IORING_OP_EPOLL_CTL : 250;
		torc__ring_enter(&ring, 1, PATIENCE_NS);
		if (torc__ring_pop(&ring).res != -EOPNOTSUPP)
			return 2;
	}
	torc__ring_close(&ring);
	return 0;
}

static void
an_opcode_that_it_lacks_is_refused_and_named_once(void **state)
{
	char text[1024], *second;
	int status = run_in_child(send_odd_opcodes, text, sizeof(text));

	(void)state;
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_non_null(strstr(text, "opcode 29 "));
	assert_non_null(strstr(text, "opcode 250 "));
	assert_non_null(strstr(text, "TORC_ENGINE=kernel"));
	second = strchr(text, '\n') + 1;
	assert_null(strchr(strchr(second, '\n') + 1, '\n'));
}

static void
a_flag_that_it_lacks_is_einval(void **state)
{
	static const uint8_t flags[] = { IOSQE_IO_LINK, IOSQE_FIXED_FILE,
		IOSQE_IO_DRAIN, IOSQE_BUFFER_SELECT };
	struct fixture *f = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_nop(sqe);
		sqe->flags = flags[i];
		submit(f, sqe, i);
		assert_ends(f, i, -EINVAL);
	}
}

static void
a_skipped_success_is_silent_and_a_failure_is_not(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_nop(sqe);
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	submit(f, sqe, 1);
	assert_silent(f);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_close(sqe, 12345);
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	submit(f, sqe, 2);
	assert_ends(f, 2, -EBADF);
}

/* ---- time ---- */

static void
timeouts_end_in_the_order_of_their_times(void **state)
{
	static const long delays_ns[] = { 9000000, 1000000, 5000000 };
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++) {
		struct __kernel_timespec ts = { .tv_nsec = delays_ns[i] };
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_timeout(sqe, &ts, 0, 0);
		add(sqe, i);
		turn(f);
	}
	assert_ends(f, 1, -ETIME);
	assert_ends(f, 2, -ETIME);
	assert_ends(f, 0, -ETIME);
}

static void
a_timeout_can_be_cancelled(void **state)
{
	struct __kernel_timespec ts = { .tv_nsec = TORC_MS };
	struct fixture *f = *state;
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_timeout(sqe, &ts, 0, 0);
	add(sqe, 1);
	cancel_and_drop(f, 1);
	assert_int_equal(
		f->ring.engine->enter(&f->ring, 0, 1, 20 * TORC_MS), -ETIME);
}

/* ---- cancel ---- */

static void
a_cancel_ends_its_target_and_says_so(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	read_event(f, fd, 1);
	read_event(f, fd, 2);
	cancel(f, 2, 3);
	assert_ends(f, 2, -ECANCELED);
	assert_ends(f, 3, 0);

	ring_event(fd);
	assert_ends(f, 1, 8);
	close(fd);
}

static void
a_cancel_that_is_late_finds_nothing(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(1, EFD_CLOEXEC);

	cancel(f, 77, 1);
	assert_ends(f, 1, -ENOENT);
	read_event(f, fd, 2);
	assert_ends(f, 2, 8);
	cancel(f, 2, 3);
	assert_ends(f, 3, -ENOENT);
	close(fd);
}

/* In one enter: the event is there, and nobody has looked yet. */
static void
a_cancel_that_beats_the_event_leaves_the_bytes(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	read_event(f, fd, 1);
	assert_silent(f);
	ring_event(fd);
	cancel_and_drop(f, 1);
	assert_silent(f);
	read_event(f, fd, 2);
	assert_ends(f, 2, 8);
	close(fd);
}

static void
of_two_with_one_user_data_the_older_is_cancelled(void **state)
{
	struct fixture *f = *state;
	int first = eventfd(0, EFD_CLOEXEC), second = eventfd(0, EFD_CLOEXEC);

	read_event(f, first, 1);
	read_event(f, second, 1);
	cancel_and_drop(f, 1);
	ring_event(first);
	assert_silent(f);
	ring_event(second);
	assert_ends(f, 1, 8);
	close(first);
	close(second);
}

/* More than the table of waiting ops begins with. */
static void
thousands_can_wait_and_be_cancelled_in_any_order(void **state)
{
	enum { OPS = 5000, STRIDE = 1237 };
	struct fixture *f = *state;
	int fds[50];

	for (unsigned i = 0; i < 50; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	for (uint64_t i = 0; i < OPS; i++)
		poll_add(f, fds[i % 50], POLLIN, false, i << 4);
	assert_silent(f);
	for (uint64_t i = 0; i < OPS; i++)
		cancel_and_drop(f, (i * STRIDE % OPS) << 4);
	/* Their memory is given back, but for what two of many take. */
	assert_true(torc__epoll_of(&f->ring)->free_count < OPS / 4);
	for (unsigned i = 0; i < 50; i++)
		ring_event(fds[i]);
	assert_silent(f);
	for (unsigned i = 0; i < 50; i++)
		close(fds[i]);
}

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
		assert_int_equal(count, 1);
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
	for (uint64_t id = 0; id < CQ_ENTRIES; id++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_nop(sqe);
		submit(f, sqe, 100 + id);
	}
	ring_event(fd);
	turn(f);
	turn(f);
	for (uint64_t id = 0; id < CQ_ENTRIES; id++)
		assert_ends(f, 100 + id, 0);
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

/* ---- numbers and files ---- */

static void
close_by_ring(struct fixture *f, int fd, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_close(sqe, fd);
	submit(f, sqe, id);
	assert_ends(f, id, 0);
}

static void
read_byte(struct fixture *f, int fd, char *byte, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_read(sqe, fd, byte, 1, 0);
	submit(f, sqe, id);
}

/* A pipe whose reading end has this number. */
static void
open_pipe_at(int number, int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	if (fds[0] == number)
		return;
	assert_int_equal(dup3(fds[0], number, O_CLOEXEC), number);
	close(fds[0]);
	fds[0] = number;
}

static void
an_op_keeps_the_file_that_was_closed(void **state)
{
	struct fixture *f = *state;
	char old_byte = 0, new_byte = 0;
	int old[2], new[2];

	assert_int_equal(pipe2(old, O_CLOEXEC), 0);
	read_byte(f, old[0], &old_byte, 1);
	close_by_ring(f, old[0], 2);
	open_pipe_at(old[0], new);
	read_byte(f, new[0], &new_byte, 3);

	write_all(old[1], "o");
	assert_ends(f, 1, 1);
	assert_int_equal(old_byte, 'o');
	assert_silent(f);
	write_all(new[1], "n");
	assert_ends(f, 3, 1);
	assert_int_equal(new_byte, 'n');
	/* The last op of the file let it go. */
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(write(old[1], "x", 1), -1);
	close(old[1]);
	close_both(new);
}

static void
an_op_on_a_closed_file_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	char byte;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	read_byte(f, fds[0], &byte, 1);
	close_by_ring(f, fds[0], 2);
	cancel_and_drop(f, 1);
	close(fds[1]);
}

static void
without_a_number_for_the_copy_the_op_ends(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, none;
	char byte;
	int fds[2];
	struct io_uring_sqe *sqe;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	read_byte(f, fds[0], &byte, 1);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_close(sqe, fds[0]);
	submit(f, sqe, 2);
	setrlimit(RLIMIT_NOFILE, &limit);

	assert_ends(f, 1, -ECANCELED);
	assert_ends(f, 2, 0);
	close(fds[1]);
}

/* A copy elsewhere keeps the file, and with it its place in the set. */
static void
an_event_of_the_numbers_last_file_is_dropped(void **state)
{
	struct fixture *f = *state;
	char byte = 0;
	int old[2], new[2], copy;

	assert_int_equal(pipe2(old, O_CLOEXEC), 0);
	copy = dup(old[0]);
	poll_add(f, old[0], POLLIN, true, 1);
	cancel_and_drop(f, 1);
	close_by_ring(f, old[0], 2);
	open_pipe_at(old[0], new);
	poll_add(f, new[0], POLLIN, false, 3);

	write_all(old[1], "o");
	assert_silent(f);
	write_all(new[1], "n");
	assert_ends(f, 3, POLLIN);
	assert_int_equal(read(new[0], &byte, 1), 1);
	close(copy);
	close(old[1]);
	close_both(new);
}

/* By a plain close(2), of which the engine is not told. */
static void
an_op_never_reads_from_the_numbers_next_file(void **state)
{
	struct fixture *f = *state;
	char old_byte = 0, new_byte = 0;
	int old[2], new[2];

	assert_int_equal(pipe2(old, O_CLOEXEC), 0);
	read_byte(f, old[0], &old_byte, 1);
	close(old[0]);
	open_pipe_at(old[0], new);
	read_byte(f, new[0], &new_byte, 2);
	assert_ends(f, 1, -ECANCELED);

	write_all(new[1], "n");
	assert_ends(f, 2, 1);
	assert_int_equal(old_byte, 0);
	assert_int_equal(new_byte, 'n');
	close(old[1]);
	close_both(new);
}

static void
a_ring_that_closes_lets_go_of_what_it_kept(void **state)
{
	struct fixture *f = *state;
	struct torc_ring_options options = { 0 };
	struct torc_ring ring;
	struct io_uring_sqe *sqe;
	int fds[2], before = fds_open();
	char byte;

	assert_int_equal(
		torc__ring_open(&ring, &torc__engine_epoll, &options), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sqe = torc__ring_sqe(&ring);
	io_uring_prep_read(sqe, fds[0], &byte, 1, 0);
	assert_int_equal(torc__ring_enter(&ring, 0, 0), 0);
	sqe = torc__ring_sqe(&ring);
	io_uring_prep_close(sqe, fds[0]);
	assert_int_equal(torc__ring_enter(&ring, 0, 0), 0);
	torc__ring_close(&ring);

	close(fds[1]);
	assert_int_equal(fds_open(), before);
	assert_silent(f);
}

/* ---- other rings ---- */

static void
send_to_ring(struct fixture *f, int ring_fd, uint64_t data, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_msg_ring(sqe, ring_fd, 42, data, 0);
	submit(f, sqe, id);
}

struct other {
	struct torc_ring ring;
	_Atomic int ring_fd;
	uint64_t got;
};

/* A ring of its own, that waits for three completions of another's making. */
static void *
wait_for_mail(void *arg)
{
	struct torc_ring_options options = { 0 };
	struct other *other = arg;

	if (torc__ring_open(&other->ring, &torc__engine_epoll, &options) < 0)
		return NULL;
	other->ring_fd = other->ring.uring.ring_fd;
	for (unsigned n = 0; n < 3; n++) {
		if (torc__ring_cq_count(&other->ring) == 0)
			(void)torc__ring_enter(&other->ring, 1, PATIENCE_NS);
		if (torc__ring_cq_count(&other->ring) == 0)
			break;
		other->got = other->got * 10 +
			     torc__ring_pop(&other->ring).user_data;
	}
	torc__ring_close(&other->ring);
	return NULL;
}

static void
a_message_wakes_another_ring(void **state)
{
	struct other other = { .ring_fd = -1 };
	struct fixture *f = *state;
	pthread_t thread;

	assert_int_equal(
		pthread_create(&thread, NULL, wait_for_mail, &other), 0);
	while (other.ring_fd == -1)
		sched_yield();
	for (uint64_t id = 1; id <= 3; id++) {
		send_to_ring(f, other.ring_fd, id, id);
		assert_ends(f, id, 0);
	}
	pthread_join(thread, NULL);
	assert_int_equal(other.got, 123);
}

static void
a_message_to_itself_arrives(void **state)
{
	struct fixture *f = *state;

	for (uint64_t data = 7; data < 10; data++) {
		send_to_ring(f, f->ring.uring.ring_fd, data, 1);
		assert_ends(f, 1, 0);
		assert_ends(f, data, 42);
		assert_silent(f);
	}
}

static void
a_message_to_what_is_no_ring_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	send_to_ring(f, fd, 7, 1);
	assert_ends(f, 1, -EBADFD);
	close(fd);
	send_to_ring(f, fd, 7, 2);
	assert_ends(f, 2, -EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EPOLL(sqes_are_taken_and_completed_in_order),
		WITH_EPOLL(a_full_cq_loses_nothing),
		WITH_EPOLL(a_wait_with_nothing_to_come_ends_with_etime),
		WITH_EPOLL(a_signal_ends_a_wait_with_eintr),
		WITH_EPOLL(an_opcode_that_it_lacks_is_refused_and_named_once),
		WITH_EPOLL(a_flag_that_it_lacks_is_einval),
		WITH_EPOLL(a_skipped_success_is_silent_and_a_failure_is_not),
		WITH_EPOLL(timeouts_end_in_the_order_of_their_times),
		WITH_EPOLL(a_timeout_can_be_cancelled),
		WITH_EPOLL(a_cancel_ends_its_target_and_says_so),
		WITH_EPOLL(a_cancel_that_is_late_finds_nothing),
		WITH_EPOLL(a_cancel_that_beats_the_event_leaves_the_bytes),
		WITH_EPOLL(of_two_with_one_user_data_the_older_is_cancelled),
		WITH_EPOLL(thousands_can_wait_and_be_cancelled_in_any_order),
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
		WITH_EPOLL(an_op_keeps_the_file_that_was_closed),
		WITH_EPOLL(an_op_on_a_closed_file_can_be_cancelled),
		WITH_EPOLL(without_a_number_for_the_copy_the_op_ends),
		WITH_EPOLL(an_event_of_the_numbers_last_file_is_dropped),
		WITH_EPOLL(an_op_never_reads_from_the_numbers_next_file),
		WITH_EPOLL(a_ring_that_closes_lets_go_of_what_it_kept),
		WITH_EPOLL(a_message_wakes_another_ring),
		WITH_EPOLL(a_message_to_itself_arrives),
		WITH_EPOLL(a_message_to_what_is_no_ring_is_refused),
	};

	return cmocka_run_group_tests_name("uring/epoll", tests, NULL, NULL);
}
