/* SPDX-License-Identifier: MIT */
/*
 * Goal    The epoll engine takes SQEs and gives CQEs as io_uring does, keeps
 *         time, wakes other rings, and a cancel hits its target and nobody
 *         else.
 * Method  Each op is driven by hand. What waits for a descriptor is in
 *         epoll_event_test.c and epoll_socket_test.c.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "tests/uring/epoll_fixture.h"

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
	const char *text = child_text(send_odd_opcodes, 0), *second;

	(void)state;
	assert_says(text, "opcode 29 ");
	assert_says(text, "opcode 250 ");
	assert_says(text, "TORC_ENGINE=kernel");
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
		WITH_EPOLL(a_message_wakes_another_ring),
		WITH_EPOLL(a_message_to_itself_arrives),
		WITH_EPOLL(a_message_to_what_is_no_ring_is_refused),
	};

	return cmocka_run_group_tests_name("uring/epoll", tests, NULL, NULL);
}
