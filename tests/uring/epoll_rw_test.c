/* SPDX-License-Identifier: MIT */
/*
 * Goal    Reads and writes on the epoll engine hold up no ring and change no
 *         descriptor, whatever it is of: a pipe, a terminal, a file.
 * Method  One ring by hand. What the contract's scripts ask of every engine
 *         is not asked again.
 */
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/uring/epoll_fixture.h"

#define AT_POSITION UINT64_MAX
/* Linux 6.18; older headers lack it. */
#define NO_SIGNAL 0x00000100

static void
start_read(struct fixture *f, int fd, void *data, unsigned bytes,
	uint64_t offset, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_read(sqe, fd, data, bytes, offset);
	submit(f, sqe, id);
}

static void
start_write(struct fixture *f, int fd, const void *data, unsigned bytes,
	uint64_t offset, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_write(sqe, fd, data, bytes, offset);
	submit(f, sqe, id);
}

static void
open_pipe(int fds[2], int flags)
{
	assert_int_equal(pipe2(fds, flags | O_CLOEXEC), 0);
}

static int
open_file(void)
{
	char path[] = "/tmp/torc-rw-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* Without echo, and as it comes: fds[0] is the screen and the keyboard. */
static void
open_terminal(int fds[2])
{
	struct termios raw;

	assert_int_equal(openpty(&fds[0], &fds[1], NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(fds[1], &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(fds[1], TCSANOW, &raw), 0);
}

/* ---- terminals ---- */

static void
a_terminal_is_read_when_somebody_types(void **state)
{
	struct fixture *f = *state;
	char got[16] = "";
	int fds[2];

	open_terminal(fds);
	start_read(f, fds[1], got, sizeof(got), AT_POSITION, 1);
	assert_silent(f);
	write_all(fds[0], "typed");
	assert_ends(f, 1, 5);
	assert_string_equal(got, "typed");
	close_both(fds);
}

static void
a_read_of_a_terminal_is_cancelled(void **state)
{
	struct fixture *f = *state;
	char got[16];
	int fds[2];

	open_terminal(fds);
	start_read(f, fds[1], got, sizeof(got), AT_POSITION, 1);
	assert_silent(f);
	cancel_and_drop(f, 1);
	close_both(fds);
}

static void
a_terminal_is_written_to(void **state)
{
	struct fixture *f = *state;
	char got[16] = "";
	int fds[2];

	open_terminal(fds);
	start_write(f, fds[1], "shown", 5, AT_POSITION, 1);
	assert_ends(f, 1, 5);
	assert_int_equal(read(fds[0], got, sizeof(got)), 5);
	assert_string_equal(got, "shown");
	close_both(fds);
}

/* One that nobody reads: no write may wait inside of an enter. */
static void
a_full_terminal_holds_up_nothing(void **state)
{
	static char data[65536], got[65536];
	struct fixture *f = *state;
	uint64_t written = 0, seen = 0;
	uint64_t id = 1;
	int fds[2];

	open_terminal(fds);
	for (;; id++) {
		struct torc_cqe cqe;

		start_write(f, fds[1], data, sizeof(data), AT_POSITION, id);
		if (torc__ring_cq_count(&f->ring) == 0)
			torc__ring_enter(&f->ring, 1, 100 * TORC_MS);
		if (torc__ring_cq_count(&f->ring) == 0)
			break;
		cqe = await_cqe(f, id);
		assert_in_range(cqe.res, 1, PIPE_BUF);
		written += (uint64_t)cqe.res;
	}
	/* Whether a worker has it or not: it ends when there is room. */
	while (torc__ring_cq_count(&f->ring) == 0) {
		seen += (uint64_t)read(fds[0], got, sizeof(got));
		torc__ring_enter(&f->ring, 1, TORC_MS);
	}
	written += (uint64_t)await_cqe(f, id).res;
	while (seen < written)
		seen += (uint64_t)read(fds[0], got, sizeof(got));
	assert_int_equal(seen, written);
	close_both(fds);
}

/* ---- what is shared with other processes ---- */

static void
no_descriptor_is_changed(void **state)
{
	struct fixture *f = *state;
	int pipe_fds[2], terminal_fds[2];
	char got[8];

	open_pipe(pipe_fds, 0);
	open_terminal(terminal_fds);
	start_read(f, pipe_fds[0], got, sizeof(got), AT_POSITION, 1);
	start_write(f, pipe_fds[1], "x", 1, AT_POSITION, 2);
	for (int i = 0; i < 2; i++)
		(void)await_cqe(f, torc__ring_cq_count(&f->ring) ? 2 : 1);
	start_write(f, terminal_fds[1], "x", 1, AT_POSITION, 3);
	assert_ends(f, 3, 1);
	for (int i = 0; i < 2; i++) {
		assert_false(fcntl(pipe_fds[i], F_GETFL) & O_NONBLOCK);
		assert_false(fcntl(terminal_fds[i], F_GETFL) & O_NONBLOCK);
	}
	close_both(pipe_fds);
	close_both(terminal_fds);
}

static void
a_nonblocking_pipe_is_not_waited_for(void **state)
{
	static char data[65536];
	struct fixture *f = *state;
	int fds[2];

	open_pipe(fds, O_NONBLOCK);
	start_read(f, fds[0], data, 8, AT_POSITION, 1);
	assert_ends(f, 1, -EAGAIN);
	while (write(fds[1], data, sizeof(data)) > 0)
		;
	start_write(f, fds[1], "x", 1, AT_POSITION, 2);
	assert_ends(f, 2, -EAGAIN);
	close_both(fds);
}

static volatile sig_atomic_t pipes_broken;

static void
on_broken_pipe(int signo)
{
	(void)signo;
	pipes_broken++;
}

static void
a_broken_pipe_may_be_silent(void **state)
{
	struct sigaction action = { .sa_handler = on_broken_pipe }, old;
	struct fixture *f = *state;
	struct io_uring_sqe *sqe;
	struct torc_cqe cqe;
	int fds[2];

	sigaction(SIGPIPE, &action, &old);
	pipes_broken = 0;
	open_pipe(fds, 0);
	close(fds[0]);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_write(sqe, fds[1], "x", 1, AT_POSITION);
	sqe->rw_flags = NO_SIGNAL;
	submit(f, sqe, 1);
	cqe = await_cqe(f, 1);
	sigaction(SIGPIPE, &old, NULL);
	close(fds[1]);
	assert_int_equal(cqe.res, -EPIPE);
	assert_int_equal(pipes_broken, 0);
}

/* ---- files ---- */

static void
a_read_from_the_page_cache_completes_at_once(void **state)
{
	struct fixture *f = *state;
	int fd = open_file();
	char got[16] = "";

	write_all(fd, "hello");
	start_read(f, fd, got, 5, 0, 1);
	assert_int_equal(torc__ring_cq_count(&f->ring), 1);
	assert_ends(f, 1, 5);
	/* The end of the file as well. */
	start_read(f, fd, got, sizeof(got), 2, 2);
	assert_int_equal(torc__ring_cq_count(&f->ring), 1);
	assert_ends(f, 2, 3);
	close(fd);
}

static void
what_is_not_cached_is_read_all_the_same(void **state)
{
	static char data[1 << 20], got[1 << 20];
	struct fixture *f = *state;
	int fd = open_file();

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 31 + (i >> 12));
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	/* A part in the cache must not be taken for the whole. */
	assert_int_equal(pread(fd, got, 4096, 0), 4096);
	start_read(f, fd, got, sizeof(got), 0, 1);
	assert_ends(f, 1, sizeof(got));
	assert_memory_equal(data, got, sizeof(got));
	close(fd);
}

static void
a_file_is_never_taken_for_nonblocking(void **state)
{
	struct fixture *f = *state;
	int fd = open_file();
	char got[16] = "";

	fcntl(fd, F_SETFL, O_NONBLOCK);
	start_write(f, fd, "hello", 5, 0, 1);
	assert_ends(f, 1, 5);
	start_read(f, fd, got, sizeof(got), AT_POSITION, 2);
	assert_ends(f, 2, 5);
	assert_string_equal(got, "hello");
	close(fd);
}

static void
an_event_is_rung_by_a_write(void **state)
{
	struct fixture *f = *state;
	uint64_t one = 1, got = 0;
	int fd = eventfd(0, EFD_CLOEXEC);

	start_read(f, fd, &got, sizeof(got), 0, 1);
	start_write(f, fd, &one, sizeof(one), 0, 2);
	for (int i = 0; i < 2; i++) {
		if (torc__ring_cq_count(&f->ring) == 0)
			torc__ring_enter(&f->ring, 1, PATIENCE_NS);
		assert_int_equal(torc__ring_pop(&f->ring).res, 8);
	}
	assert_int_equal(got, 1);
	close(fd);
}

static void
too_many_pieces_are_refused(void **state)
{
	static struct iovec pieces[IOV_MAX + 1];
	struct fixture *f = *state;
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);
	int fd = open_file();

	io_uring_prep_readv(sqe, fd, pieces, IOV_MAX + 1, 0);
	submit(f, sqe, 1);
	assert_ends(f, 1, -EINVAL);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_readv(sqe, fd, pieces, IOV_MAX, 0);
	submit(f, sqe, 2);
	assert_ends(f, 2, 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EPOLL(a_terminal_is_read_when_somebody_types),
		WITH_EPOLL(a_read_of_a_terminal_is_cancelled),
		WITH_EPOLL(a_terminal_is_written_to),
		WITH_EPOLL(a_full_terminal_holds_up_nothing),
		WITH_EPOLL(no_descriptor_is_changed),
		WITH_EPOLL(a_nonblocking_pipe_is_not_waited_for),
		WITH_EPOLL(a_broken_pipe_may_be_silent),
		WITH_EPOLL(a_read_from_the_page_cache_completes_at_once),
		WITH_EPOLL(what_is_not_cached_is_read_all_the_same),
		WITH_EPOLL(a_file_is_never_taken_for_nonblocking),
		WITH_EPOLL(an_event_is_rung_by_a_write),
		WITH_EPOLL(too_many_pieces_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
