/* SPDX-License-Identifier: MIT */
/* Pipes, pairs of sockets, and the end of a child. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

/* More than fits into a pipe, whatever its size. */
#define LARGE ((size_t)2 << 20)
/* So much goes whole or not at all. */
#define WHOLE 4096

static void
start_take(struct contract *c, uint64_t id, int fd, void *data, size_t bytes)
{
	start_read_at(c, id, fd, data, bytes, AT_POSITION);
}

static void
start_put(
	struct contract *c, uint64_t id, int fd, const void *data, size_t bytes)
{
	start_write_at(c, id, fd, data, bytes, AT_POSITION);
}

/* Write until a write of `id` waits; returns the bytes before it. */
static size_t
stuff(struct contract *c, int fd, uint64_t id)
{
	uint8_t *data = stream(c, LARGE);
	size_t bytes = 0;

	for (;;) {
		start_put(c, id, fd, data + bytes, WHOLE);
		settle(c);
		if (!has_come(c, id))
			return bytes;
		expect(c, id, RES(WHOLE));
		bytes += WHOLE;
		require(c, bytes < LARGE);
	}
}

/* ---- reading ---- */

static void
what_is_put_in_comes_out(struct contract *c)
{
	struct ends ends = open_ends(c);
	char *got = memory(c, 16);

	start_put(c, 1, ends.writer, "hello", 5);
	expect(c, 1, RES(5));
	start_take(c, 2, ends.reader, got, 3);
	expect(c, 2, RES(3));
	start_take(c, 3, ends.reader, got + 3, 13);
	expect(c, 3, RES(2));
	require(c, memcmp(got, "hello", 6) == 0);
}

static void
a_read_waits_for_bytes(struct contract *c)
{
	struct ends ends = open_ends(c);
	char *got = memory(c, 16);

	start_take(c, 1, ends.reader, got, 16);
	expect_nothing(c);
	start_put(c, 2, ends.writer, "hello", 5);
	expect(c, 2, RES(5));
	expect(c, 1, RES(5));
	require(c, memcmp(got, "hello", 6) == 0);
}

static void
an_offset_means_nothing_to_a_pipe(struct contract *c)
{
	struct ends ends = open_ends(c);
	char *got = memory(c, 16);

	start_write_at(c, 1, ends.writer, "hello", 5, 0);
	expect(c, 1, RES(5));
	start_read_at(c, 2, ends.reader, got, 16, 4711);
	expect(c, 2, RES(5));
}

static void
the_end_comes_after_the_bytes(struct contract *c)
{
	struct ends ends = open_ends(c);

	start_put(c, 1, ends.writer, "hello", 5);
	expect(c, 1, RES(5));
	drop(c, ends.writer);
	start_take(c, 2, ends.reader, memory(c, 16), 16);
	expect(c, 2, RES(5));
	start_take(c, 3, ends.reader, memory(c, 16), 16);
	expect(c, 3, RES(0));
}

static void
a_read_that_waits_hears_of_the_end(struct contract *c)
{
	struct ends ends = open_ends(c);

	start_take(c, 1, ends.reader, memory(c, 16), 16);
	push(c);
	drop(c, ends.writer);
	expect(c, 1, RES(0));
}

static void
two_reads_share_what_comes(struct contract *c)
{
	struct ends ends = open_ends(c);
	uint64_t left;

	start_take(c, 1, ends.reader, memory(c, 16), 16);
	start_take(c, 2, ends.reader, memory(c, 16), 16);
	push(c);
	start_put(c, 3, ends.writer, "x", 1);
	expect(c, 3, RES(1));
	settle(c);
	require(c, c->came_count == 1);
	left = has_come(c, 1) ? 2 : 1;
	expect(c, 3 - left, RES(1));
	start_put(c, 4, ends.writer, "yz", 2);
	expect(c, 4, RES(2));
	expect(c, left, RES(2));
}

static void
a_cancelled_read_loses_nothing(struct contract *c)
{
	struct ends ends = open_ends(c);
	char *got = memory(c, 16);

	start_take(c, 1, ends.reader, memory(c, 16), 16);
	push(c);
	cancel_waiting(c, 1);
	start_put(c, 2, ends.writer, "hello", 5);
	expect(c, 2, RES(5));
	start_take(c, 3, ends.reader, got, 16);
	expect(c, 3, RES(5));
	require(c, memcmp(got, "hello", 6) == 0);
}

/* In the same enter: whichever was first, all bytes are somewhere. */
static void
a_read_and_its_cancel_may_cross(struct contract *c)
{
	struct ends ends = open_ends(c);
	struct torc_cqe cqe;

	start_put(c, 1, ends.writer, "hello", 5);
	start_take(c, 2, ends.reader, memory(c, 16), 16);
	start_cancel(c, 3, 2);
	expect(c, 1, RES(5));
	expect(c, 3, RES(0), RES(-ENOENT), RES(-EALREADY));
	cqe = expect(c, 2, RES(5), RES(-ECANCELED));
	if (cqe.res == 5)
		return;
	start_take(c, 4, ends.reader, memory(c, 16), 16);
	expect(c, 4, RES(5));
}

static void
bytes_come_in_pieces(struct contract *c)
{
	struct ends ends = open_ends(c);
	struct iovec *pieces = memory(c, 2 * sizeof(*pieces));
	char *got = memory(c, 16);

	pieces[0] = (struct iovec){ put_text(c, "he"), 2 };
	pieces[1] = (struct iovec){ put_text(c, "llo"), 3 };
	start_writev(c, 1, ends.writer, pieces, 2, AT_POSITION);
	expect(c, 1, RES(5));
	pieces[0] = (struct iovec){ got, 3 };
	pieces[1] = (struct iovec){ got + 8, 8 };
	start_readv(c, 2, ends.reader, pieces, 2, AT_POSITION);
	expect(c, 2, RES(5));
	require(c, memcmp(got, "hel", 4) == 0);
	require(c, memcmp(got + 8, "lo", 3) == 0);
}

/* ---- writing ---- */

static void
a_write_waits_until_there_is_room(struct contract *c)
{
	struct ends ends = open_ends(c);
	size_t before = stuff(c, ends.writer, 1);
	uint8_t *data = stream(c, LARGE), *got = memory(c, LARGE);
	size_t done = 0;

	while (done < before + WHOLE) {
		start_take(c, 2, ends.reader, got + done, LARGE - done);
		done += (size_t)expect(c, 2, BETWEEN(1, LARGE)).res;
	}
	expect(c, 1, RES(WHOLE));
	require(c, done == before + WHOLE && memcmp(data, got, done) == 0);
}

static void
a_write_of_more_than_fits_gives_a_part(struct contract *c)
{
	struct ends ends = open_ends(c);
	uint8_t *data = stream(c, LARGE), *got = memory(c, LARGE);
	size_t taken = 0;
	struct torc_cqe cqe;

	start_put(c, 1, ends.writer, data, LARGE);
	for (;;) {
		if (came_within(c, 1, 0))
			break;
		start_take(c, 2, ends.reader, got + taken, LARGE - taken);
		taken += (size_t)expect(c, 2, BETWEEN(1, LARGE)).res;
	}
	cqe = expect(c, 1, BETWEEN(WHOLE, LARGE));
	while (taken < (size_t)cqe.res) {
		start_take(c, 2, ends.reader, got + taken, LARGE - taken);
		taken += (size_t)expect(c, 2, BETWEEN(1, LARGE)).res;
	}
	require(c, taken == (size_t)cqe.res && memcmp(data, got, taken) == 0);
}

static void
a_waiting_write_is_cancelled(struct contract *c)
{
	struct ends ends = open_ends(c);

	(void)stuff(c, ends.writer, 1);
	cancel_waiting(c, 1);
}

/* Some engines raise SIGPIPE too: torc's threads block it. */
static void
write_to_nobody(struct contract *c, bool is_waiting)
{
	static const struct timespec none;
	struct ends ends = open_ends(c);
	sigset_t pipe, old;
	bool has_come;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	if (is_waiting)
		(void)stuff(c, ends.writer, 1);
	drop(c, ends.reader);
	if (!is_waiting)
		start_put(c, 1, ends.writer, "x", 1);
	has_come = came_within(c, 1, UINT64_C(5000000000));
	if (!sigismember(&old, SIGPIPE))
		(void)sigtimedwait(&pipe, NULL, &none);
	pthread_sigmask(SIG_SETMASK, &old, NULL);

	require(c, has_come);
	expect(c, 1, RES(-EPIPE));
}

static void
a_write_that_nobody_reads_fails(struct contract *c)
{
	write_to_nobody(c, false);
}

static void
a_write_that_waits_hears_that_nobody_reads(struct contract *c)
{
	write_to_nobody(c, true);
}

static void
each_end_has_one_direction(struct contract *c)
{
	struct ends ends = open_ends(c);

	start_put(c, 1, ends.reader, "x", 1);
	expect(c, 1, RES(-EBADF));
	start_take(c, 2, ends.writer, memory(c, 8), 8);
	expect(c, 2, RES(-EBADF));
	start_recv(c, 3, ends.reader, memory(c, 8), 8);
	expect(c, 3, RES(-ENOTSOCK));
}

/* ---- readiness ---- */

static void
a_pipe_tells_when_it_is_ready(struct contract *c)
{
	struct ends ends = open_ends(c);

	start_poll(c, 1, ends.writer, POLLOUT);
	require(c, expect(c, 1, BETWEEN(1, 0xffff)).res & POLLOUT);
	start_poll(c, 2, ends.reader, POLLIN);
	expect_nothing(c);
	start_put(c, 3, ends.writer, "x", 1);
	expect(c, 3, RES(1));
	require(c, expect(c, 2, BETWEEN(1, 0xffff)).res & POLLIN);
}

static void
a_pipe_tells_of_its_other_end(struct contract *c)
{
	struct ends ends = open_ends(c), other = open_ends(c);

	start_poll(c, 1, ends.reader, POLLIN);
	start_poll(c, 2, other.writer, 0);
	push(c);
	drop(c, ends.writer);
	require(c, expect(c, 1, BETWEEN(1, 0xffff)).res & POLLHUP);
	drop(c, other.reader);
	require(c, expect(c, 2, BETWEEN(1, 0xffff)).res & POLLERR);
}

static void
the_end_of_a_child_is_readiness(struct contract *c)
{
	siginfo_t info = { 0 };
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		static const struct timespec moment = { .tv_nsec = 20000000 };

		nanosleep(&moment, NULL);
		_exit(7);
	}
	fd = own(c, (int)syscall(SYS_pidfd_open, pid, 0));
	start_poll(c, 1, fd, POLLIN);
	push(c);
	require(c, expect(c, 1, BETWEEN(1, 0xffff)).res & POLLIN);
	/* P_PIDFD */
	require_is(
		c, waitid((idtype_t)3, (id_t)fd, &info, WEXITED | WNOHANG), 0);
	require(c, info.si_pid == pid && info.si_status == 7);
}

/* ---- pairs of sockets ---- */

static void
two_sockets_are_connected_from_the_start(struct contract *c)
{
	struct pair pair = open_sockets(c, SOCK_STREAM);

	give(c, pair.near, "there", 5);
	take_text(c, pair.far, "there");
	give(c, pair.far, "back", 4);
	take_text(c, pair.near, "back");
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	drop(c, pair.far);
	expect(c, 1, RES(0));
}

static const struct contract_script scripts[] = {
	SCRIPT(what_is_put_in_comes_out, "READ, WRITE"),
	SCRIPT(a_read_waits_for_bytes, "READ"),
	SCRIPT(an_offset_means_nothing_to_a_pipe, "READ, WRITE"),
	SCRIPT(the_end_comes_after_the_bytes, "READ"),
	SCRIPT(a_read_that_waits_hears_of_the_end, "READ"),
	SCRIPT(two_reads_share_what_comes, "READ"),
	SCRIPT(a_cancelled_read_loses_nothing, "H3"),
	SCRIPT(a_read_and_its_cancel_may_cross, "H3"),
	SCRIPT(bytes_come_in_pieces, "READV, WRITEV"),
	SCRIPT(a_write_waits_until_there_is_room, "WRITE"),
	SCRIPT(a_write_of_more_than_fits_gives_a_part, "WRITE"),
	SCRIPT(a_waiting_write_is_cancelled, "H3"),
	SCRIPT(a_write_that_nobody_reads_fails, "WRITE"),
	SCRIPT(a_write_that_waits_hears_that_nobody_reads, "WRITE"),
	SCRIPT(each_end_has_one_direction, "READ, WRITE"),
	SCRIPT(a_pipe_tells_when_it_is_ready, "POLL_ADD"),
	SCRIPT(a_pipe_tells_of_its_other_end, "POLL_ADD"),
	SCRIPT(the_end_of_a_child_is_readiness, "POLL_ADD, processes",
		.only = CONTRACT_REAL),
	SCRIPT(two_sockets_are_connected_from_the_start, "socketpair"),
};

CONTRACT_FAMILY(pipe);
