/* SPDX-License-Identifier: MIT */
/*
 * Goal    A bell that is rung ends its ring's wait, whichever way it takes,
 *         and touches nothing else.
 * Method  Real rings, rung by a thread that has none. Which way it was shows
 *         in the CQEs: a message's is nobody's, an event's is the bell's op.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/test.h"
#include "uring/doorbell_priv.h"

static const struct torc_ring_options options = { .sq_entries = 64,
	.cq_entries = 512 };

static struct torc_ring ring;
static struct torc_doorbell bell;

/* Takes what is there; returns how many CQEs were messages. */
static unsigned
dispatch_all(struct torc_ring *from)
{
	unsigned messages = 0;

	while (torc__ring_cq_count(from) != 0) {
		struct torc_cqe cqe = torc__ring_pop(from);

		messages += cqe.user_data == TORC__OP_TAG_WAKE;
		torc__op_dispatch(from, cqe.user_data, cqe.res, cqe.flags);
	}
	return messages;
}

static int
set_up(void **state)
{
	(void)state;
	if (torc__ring_open(&ring, &torc__engine_kernel, &options) < 0)
		return -1;
	if (torc__doorbell_open(&bell, &ring) < 0)
		return -1;
	return torc__ring_enter(&ring, 0, 0);
}

static void
close_bell(void)
{
	torc__doorbell_cancel(&bell);
	while (!torc__op_is_idle(&bell.op)) {
		assert_int_equal(torc__ring_enter(&ring, 1, UINT64_MAX), 0);
		dispatch_all(&ring);
	}
}

static int
tear_down(void **state)
{
	(void)state;
	close_bell();
	torc__ring_close(&ring);
	torc__doorbell_close(&bell);
	return 0;
}

static void *
ring_once(void *arg)
{
	torc__doorbell_ring_remote(arg);
	return NULL;
}

/* The wait has no end of its own. */
static unsigned
wait_for_a_ring(void)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ring_once, &bell), 0);
	assert_int_equal(torc__ring_enter(&ring, 1, UINT64_MAX), 0);
	pthread_join(thread, NULL);
	assert_int_not_equal(torc__ring_cq_count(&ring), 0);
	return dispatch_all(&ring);
}

static void
a_message_ends_the_wait(void **state)
{
	(void)state;
	if (bell.message_fd < 0)
		skip();
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(wait_for_a_ring(), 1);
	assert_int_equal(ring.stats.cqes_stale, 0);
}

static void
an_event_ends_it_where_there_are_no_messages(void **state)
{
	(void)state;
	if (bell.message_fd >= 0)
		close(bell.message_fd);
	bell.message_fd = -1;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(wait_for_a_ring(), 0);
}

static void
an_event_ends_it_when_a_message_fails(void **state)
{
	int none = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	if (bell.message_fd < 0)
		skip();
	assert_true(none >= 0);
	assert_true(dup3(none, bell.message_fd, O_CLOEXEC) >= 0);
	close(none);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(wait_for_a_ring(), 0);
}

/* Eight times what the queue holds, and nobody takes one meanwhile. */
static void
messages_past_the_end_of_the_queue_are_not_lost(void **state)
{
	unsigned messages = 0;

	(void)state;
	if (bell.message_fd < 0)
		skip();
	for (unsigned i = 0; i < 4096; i++) {
		torc__doorbell_ring_remote(&bell);
		(void)torc__ring_enter(&ring, 0, 0);
	}
	assert_true(*ring.uring.sq.kflags & IORING_SQ_CQ_OVERFLOW);

	while (torc__ring_cq_count(&ring) != 0) {
		messages += dispatch_all(&ring);
		(void)torc__ring_enter(&ring, 0, 0);
	}
	assert_int_equal(messages, 4096);
	assert_int_equal(wait_for_a_ring(), 1);
}

/* Another ring takes the number that the closed one's descriptor had. */
static void
who_rings_late_reaches_nobody(void **state)
{
	struct torc_ring other;
	int fd = ring.uring.ring_fd;

	(void)state;
	close_bell();
	torc__ring_close(&ring);
	if (bell.message_fd < 0) {
		torc__doorbell_close(&bell);
		skip();
	}
	assert_int_equal(
		torc__ring_open(&other, &torc__engine_kernel, &options), 0);
	assert_int_equal(other.uring.ring_fd, fd);

	torc__doorbell_ring_remote(&bell);

	assert_int_equal(torc__ring_enter(&other, 0, 0), 0);
	assert_int_equal(torc__ring_cq_count(&other), 0);
	torc__doorbell_close(&bell);
	torc__ring_close(&other);
}

#define WITH_BELL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BELL(a_message_ends_the_wait),
		WITH_BELL(an_event_ends_it_where_there_are_no_messages),
		WITH_BELL(an_event_ends_it_when_a_message_fails),
		WITH_BELL(messages_past_the_end_of_the_queue_are_not_lost),
		cmocka_unit_test_setup(who_rings_late_reaches_nobody, set_up),
	};

	if (torc__ring_open(&ring, &torc__engine_kernel, &options) < 0) {
		puts("skip: io_uring is forbidden here");
		return 77;
	}
	torc__ring_close(&ring);
	return cmocka_run_group_tests_name("uring/doorbell", tests, NULL, NULL);
}
