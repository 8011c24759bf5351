/* SPDX-License-Identifier: MIT */
/*
 * Goal    To the epoll engine a descriptor's number is not its file: an op
 *         stays with the file that it began on, whatever the number is given
 *         to, and lets it go when it ends.
 * Method  Real pipes, closed and opened again under the same number.
 */
#include <signal.h>
#include <sys/resource.h>

#include "tests/uring/epoll_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EPOLL(an_op_keeps_the_file_that_was_closed),
		WITH_EPOLL(an_op_on_a_closed_file_can_be_cancelled),
		WITH_EPOLL(without_a_number_for_the_copy_the_op_ends),
		WITH_EPOLL(an_event_of_the_numbers_last_file_is_dropped),
		WITH_EPOLL(an_op_never_reads_from_the_numbers_next_file),
		WITH_EPOLL(a_ring_that_closes_lets_go_of_what_it_kept),
	};

	return cmocka_run_group_tests_name(
		"uring/epoll_number", tests, NULL, NULL);
}
