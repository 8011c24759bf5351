/* SPDX-License-Identifier: MIT */
/* Doorbells and signals: no ring of a bell is ever lost. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include <torc/base/clock.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static void
ring_it(struct contract *c, int fd)
{
	c->engine->event_ring_remote(&c->ring, fd);
}

static void
a_rung_event_is_read(struct contract *c)
{
	int fd = open_event(c);
	uint64_t *count = memory(c, 8);

	ring_it(c, fd);
	start_read(c, 1, fd, count, 8);
	expect(c, 1, RES(8));
	require(c, *count == 1);
}

static void
a_read_waits_for_the_bell(struct contract *c)
{
	int fd = open_event(c);
	uint64_t *count = memory(c, 8);

	start_read(c, 1, fd, count, 8);
	expect_nothing(c);
	ring_it(c, fd);
	expect(c, 1, RES(8));
}

static void
rings_add_up(struct contract *c)
{
	int fd = open_event(c);
	uint64_t *count = memory(c, 8);

	for (unsigned i = 0; i < 1000; i++)
		ring_it(c, fd);
	start_read(c, 1, fd, count, 8);
	expect(c, 1, RES(8));
	require(c, *count == 1000);
	start_read(c, 2, fd, count, 8);
	expect_nothing(c);
	cancel_waiting(c, 2);
}

static void
it_rings_again_and_again(struct contract *c)
{
	int fd = open_event(c);
	uint64_t *count = memory(c, 8);

	for (uint64_t id = 1; id <= 100; id++) {
		start_read(c, id, fd, count, 8);
		if (id % 2 == 0)
			push(c);
		ring_it(c, fd);
		expect(c, id, RES(8));
	}
}

static void
a_waiting_read_is_cancelled(struct contract *c)
{
	int fd = open_event(c);
	uint64_t *count = memory(c, 8);

	start_read(c, 1, fd, count, 8);
	push(c);
	cancel_waiting(c, 1);
	ring_it(c, fd);
	settle(c);
	require(c, *count == 0);
	start_read(c, 2, fd, count, 8);
	expect(c, 2, RES(8));
}

static void
two_readers_share_one_ring(struct contract *c)
{
	int fd = open_event(c);
	uint64_t left;

	start_read(c, 1, fd, memory(c, 8), 8);
	start_read(c, 2, fd, memory(c, 8), 8);
	push(c);
	ring_it(c, fd);
	settle(c);
	require(c, c->came_count == 1);
	left = has_come(c, 1) ? 2 : 1;
	expect(c, 3 - left, RES(8));
	cancel_waiting(c, left);
}

static void
two_bells_are_told_apart(struct contract *c)
{
	int one = open_event(c), two = open_event(c);

	start_read(c, 1, one, memory(c, 8), 8);
	start_read(c, 2, two, memory(c, 8), 8);
	push(c);
	ring_it(c, two);
	expect(c, 2, RES(8));
	expect_nothing(c);
	cancel_waiting(c, 1);
}

static void
a_read_of_too_little_is_invalid(struct contract *c)
{
	int fd = open_event(c);

	ring_it(c, fd);
	start_read(c, 1, fd, memory(c, 8), 4);
	expect(c, 1, RES(-EINVAL));
}

struct ringer {
	struct contract *c;
	int fd;
	unsigned times;
};

static void *
ring_from_elsewhere(void *arg)
{
	static const struct timespec moment = { .tv_nsec = 2000000 };
	struct ringer *ringer = arg;

	nanosleep(&moment, NULL);
	for (unsigned i = 0; i < ringer->times; i++)
		ring_it(ringer->c, ringer->fd);
	return NULL;
}

static void
ring_while_waiting(struct contract *c, unsigned times)
{
	struct ringer ringer = { c, open_event(c), times };
	uint64_t *count = memory(c, 8), sum = 0;
	pthread_t thread;
	bool has_come = true;

	start_read(c, 1, ringer.fd, count, 8);
	push(c);
	require(c, pthread_create(
			   &thread, NULL, ring_from_elsewhere, &ringer) == 0);
	while (sum < times && (has_come = came_within(c, 1, 5 * TORC_S))) {
		expect(c, 1, RES(8));
		sum += *count;
		if (sum < times)
			start_read(c, 1, ringer.fd, count, 8);
	}
	pthread_join(thread, NULL);
	require(c, has_come && sum == times);
}

static void
another_thread_wakes_a_waiting_ring(struct contract *c)
{
	ring_while_waiting(c, 1);
}

static void
another_threads_rings_all_count(struct contract *c)
{
	ring_while_waiting(c, 2000);
}

static volatile sig_atomic_t alarms;

static void
on_alarm(int signo)
{
	(void)signo;
	alarms++;
}

/* Interrupts the calling thread `span_ns` from now. */
struct alarm {
	struct sigaction old;
	timer_t timer;
};

static void
set_alarm(struct contract *c, struct alarm *alarm)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerspec soon = { .it_value.tv_nsec = 5000000 };

	alarms = 0;
	sigaction(SIGALRM, &action, &alarm->old);
	require(c, timer_create(CLOCK_MONOTONIC, NULL, &alarm->timer) == 0);
	timer_settime(alarm->timer, 0, &soon, NULL);
}

static void
clear_alarm(struct alarm *alarm)
{
	timer_delete(alarm->timer);
	sigaction(SIGALRM, &alarm->old, NULL);
}

static int
enter_raw(struct contract *c)
{
	struct io_uring_sq *sq = &c->ring.uring.sq;
	uint32_t count = torc__ring_sq_count(&c->ring);

	*sq->ktail = sq->sqe_tail;
	return c->engine->enter(&c->ring, count, 1, UINT64_MAX);
}

static void
a_signal_ends_a_wait(struct contract *c)
{
	struct alarm alarm;
	int ret;

	set_alarm(c, &alarm);
	ret = enter_raw(c);
	clear_alarm(&alarm);
	require_is(c, ret, -EINTR);
	require(c, torc__ring_cq_count(&c->ring) == 0);
}

/* It says what was submitted, and nothing has completed. */
static void
a_signal_after_a_submit_says_what_was_taken(struct contract *c)
{
	struct alarm alarm;
	int ret;

	start_read(c, 1, open_event(c), memory(c, 8), 8);
	set_alarm(c, &alarm);
	ret = enter_raw(c);
	clear_alarm(&alarm);
	require_is(c, ret, 1);
	require(c, torc__ring_cq_count(&c->ring) == 0);
	cancel_waiting(c, 1);
}

static void
a_signal_is_a_record(struct contract *c)
{
	struct signalfd_siginfo *info = memory(c, sizeof(*info));
	sigset_t set, old;
	int fd, ret;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	fd = own(c, c->engine->signals_open(&c->ring, &set));
	start_read(c, 1, fd, info, sizeof(*info));
	push(c);
	raise(SIGUSR1);
	ret = came_within(c, 1, 5 * TORC_S);
	pthread_sigmask(SIG_SETMASK, &old, NULL);

	require(c, ret);
	expect(c, 1, RES(sizeof(*info)));
	require(c, info->ssi_signo == SIGUSR1);
}

static void
waiting_for_signals_is_cancelled(struct contract *c)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	fd = own(c, c->engine->signals_open(&c->ring, &set));
	start_read(c, 1, fd, memory(c, 128), 128);
	expect_nothing(c);
	cancel_waiting(c, 1);
}

static const struct contract_script scripts[] = {
	SCRIPT(a_rung_event_is_read, "READ, doorbell"),
	SCRIPT(a_read_waits_for_the_bell, "READ, doorbell"),
	SCRIPT(rings_add_up, "READ, doorbell"),
	SCRIPT(it_rings_again_and_again, "READ, doorbell"),
	SCRIPT(a_waiting_read_is_cancelled, "H3"),
	SCRIPT(two_readers_share_one_ring, "READ, doorbell"),
	SCRIPT(two_bells_are_told_apart, "READ, doorbell"),
	SCRIPT(a_read_of_too_little_is_invalid, "READ, doorbell"),
	SCRIPT(another_thread_wakes_a_waiting_ring, "doorbell",
		.only = CONTRACT_REAL),
	SCRIPT(another_threads_rings_all_count, "doorbell",
		.only = CONTRACT_REAL),
	SCRIPT(a_signal_ends_a_wait, "H21", .only = CONTRACT_REAL),
	SCRIPT(a_signal_after_a_submit_says_what_was_taken, "H21",
		.only = CONTRACT_REAL),
	SCRIPT(a_signal_is_a_record, "READ, signals", .only = CONTRACT_REAL),
	SCRIPT(waiting_for_signals_is_cancelled, "READ, signals"),
};

CONTRACT_FAMILY(event);
