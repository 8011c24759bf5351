/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whoever pushes into the inbox of a shard that is falling asleep
 *         wakes it: no order of their steps leaves a message and a sleeper.
 * Method  A model of one receiver and two senders, of which every reachable
 *         state is visited. Three protocols that look alike and are wrong
 *         prove that it can tell. Then real threads, and an eventfd.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/inbox_priv.h"
#include "tests/test.h"

/* ---- the model ---- */

#define SENDERS 2

enum variant {
	RIGHT,
	RECEIVER_LOOKS_FIRST, /* then says that it sleeps */
	SENDER_LOOKS_FIRST,   /* then pushes */
	SAYING_IS_DELAYED,    /* in a store buffer: not sequential */
	VARIANTS
};

enum receiver { SAYS, LOOKS, SLEEPS, TAKES };
enum sender { PUSHES, ASKS, RINGS, IS_DONE };

/* Everything that a next step may depend on. */
struct model {
	uint8_t messages;
	uint8_t is_asleep;
	uint8_t is_rung;
	uint8_t is_delayed; /* the receiver's word is not out yet */
	uint8_t receiver;   /* enum receiver */
	uint8_t sender[SENDERS];
	uint8_t saw_sleep[SENDERS];
};

#define STATES_MAX 8192

struct space {
	struct model states[STATES_MAX];
	unsigned count;
	unsigned lost; /* states in which a message waits for ever */
};

static void
reach(struct space *space, const struct model *m)
{
	for (unsigned i = 0; i < space->count; i++) {
		if (memcmp(&space->states[i], m, sizeof(*m)) == 0)
			return;
	}
	assert_true(space->count < STATES_MAX);
	space->states[space->count++] = *m;
}

static void
say(struct model *m, enum variant variant)
{
	if (variant == SAYING_IS_DELAYED)
		m->is_delayed = 1;
	else
		m->is_asleep = 1;
}

/* False when the receiver cannot go on. */
static bool
step_receiver(struct model *m, enum variant variant)
{
	bool looks_first = variant == RECEIVER_LOOKS_FIRST;

	switch ((enum receiver)m->receiver) {
	case SAYS:
		if (looks_first && m->messages > 0) {
			m->receiver = TAKES;
			return true;
		}
		if (!looks_first)
			say(m, variant);
		m->receiver = LOOKS;
		return true;
	case LOOKS:
		if (looks_first) {
			say(m, variant);
			m->receiver = SLEEPS;
			return true;
		}
		if (m->messages > 0)
			m->is_asleep = m->is_delayed = 0;
		m->receiver = m->messages > 0 ? TAKES : SLEEPS;
		return true;
	case SLEEPS:
		if (!m->is_rung)
			return false;
		m->is_rung = m->is_asleep = 0;
		m->receiver = TAKES;
		return true;
	case TAKES:
		m->messages = 0;
		m->receiver = SAYS;
		return true;
	}
	return false;
}

static bool
step_sender(struct model *m, unsigned i, enum variant variant)
{
	bool looks_first = variant == SENDER_LOOKS_FIRST;

	switch ((enum sender)m->sender[i]) {
	case PUSHES:
		if (looks_first)
			m->saw_sleep[i] = m->is_asleep;
		else
			m->messages++;
		m->sender[i] = ASKS;
		return true;
	case ASKS:
		if (looks_first)
			m->messages++;
		else
			m->saw_sleep[i] = m->is_asleep;
		m->sender[i] = m->saw_sleep[i] ? RINGS : IS_DONE;
		return true;
	case RINGS:
		/* An exchange: of several senders one rings. */
		m->is_rung |= m->is_asleep;
		m->is_asleep = 0;
		m->sender[i] = IS_DONE;
		return true;
	case IS_DONE:
		return false;
	}
	return false;
}

static bool
is_lost(const struct model *m)
{
	return m->receiver == SLEEPS && !m->is_rung && m->messages > 0 &&
	       m->sender[0] == IS_DONE && m->sender[1] == IS_DONE;
}

/* Every state that any order of steps leads to. */
static unsigned
count_lost(enum variant variant)
{
	struct space *space = calloc(1, sizeof(*space));
	struct model start = { .receiver = SAYS };
	unsigned lost = 0;

	reach(space, &start);
	for (unsigned i = 0; i < space->count; i++) {
		struct model m = space->states[i];

		lost += is_lost(&m);
		if (step_receiver(&m, variant))
			reach(space, &m);
		for (unsigned k = 0; k < SENDERS; k++) {
			m = space->states[i];
			if (step_sender(&m, k, variant))
				reach(space, &m);
		}
		m = space->states[i];
		if (m.is_delayed) {
			m.is_delayed = 0;
			m.is_asleep = 1;
			reach(space, &m);
		}
	}
	assert_true(space->count > 100);
	free(space);
	return lost;
}

static void
no_order_of_steps_loses_a_wake(void **state)
{
	(void)state;
	assert_int_equal(count_lost(RIGHT), 0);
}

static void
the_model_tells_a_wrong_protocol(void **state)
{
	(void)state;
	for (enum variant v = RIGHT + 1; v < VARIANTS; v++)
		assert_true(count_lost(v) > 0);
}

/* ---- by hand ---- */

static void
messages_are_taken_oldest_first(void **state)
{
	struct torc_inbox inbox;
	struct torc_msg msgs[5], *taken;

	(void)state;
	torc__inbox_init(&inbox);
	assert_true(torc__inbox_is_empty(&inbox));
	for (unsigned i = 0; i < 5; i++)
		assert_false(torc__inbox_push_remote(&inbox, &msgs[i]));
	assert_false(torc__inbox_is_empty(&inbox));
	taken = torc__inbox_take(&inbox);
	for (unsigned i = 0; i < 5; i++, taken = taken->_next)
		assert_ptr_equal(taken, &msgs[i]);

	assert_null(taken);
	assert_true(torc__inbox_is_empty(&inbox));
	assert_null(torc__inbox_take(&inbox));
}

static void
only_the_first_push_to_a_sleeper_rings(void **state)
{
	struct torc_inbox inbox;
	struct torc_msg msgs[3];

	(void)state;
	torc__inbox_init(&inbox);
	assert_true(torc__inbox_sleep(&inbox));
	assert_true(torc__inbox_push_remote(&inbox, &msgs[0]));
	assert_false(torc__inbox_push_remote(&inbox, &msgs[1]));
	torc__inbox_wake(&inbox);

	/* There is something to do, so it does not sleep, nor rings. */
	assert_false(torc__inbox_sleep(&inbox));
	assert_false(torc__inbox_push_remote(&inbox, &msgs[2]));
}

/* ---- by threads ---- */

#define HAMMERERS 3
#define HAMMER_EACH 50000
#define WAKE_TIMEOUT_MS 20000

struct blow {
	struct torc_msg msg;
	unsigned from, number;
};

static struct {
	struct torc_inbox inbox;
	int bell;
	struct blow *blows;
	_Atomic unsigned arrived[HAMMERERS];
} hammer;

static void *
strike(void *arg)
{
	unsigned from = (unsigned)(uintptr_t)arg;
	unsigned random = from + 1;

	for (unsigned i = 0; i < HAMMER_EACH; i++) {
		struct blow *blow = &hammer.blows[from * HAMMER_EACH + i];
		uint64_t one = 1;

		*blow = (struct blow){ .from = from, .number = i };
		if (torc__inbox_push_remote(&hammer.inbox, &blow->msg) &&
			write(hammer.bell, &one, sizeof(one)) != sizeof(one))
			abort();
		/* Another push would heal a lost wake: often there is none. */
		random = random * 1664525 + 1013904223;
		while (random >> 30 == 0 && hammer.arrived[from] <= i)
			sched_yield();
		for (volatile unsigned n = random >> 25; n > 0; n--)
			;
	}
	return NULL;
}

/* Returns how many slept through a message: 0 or 1. */
static unsigned
sleep_until_rung(unsigned *sleeps)
{
	struct pollfd wait = { .fd = hammer.bell, .events = POLLIN };
	uint64_t count;

	if (!torc__inbox_sleep(&hammer.inbox))
		return 0;
	++*sleeps;
	if (poll(&wait, 1, WAKE_TIMEOUT_MS) != 1)
		return 1;
	if (read(hammer.bell, &count, sizeof(count)) != sizeof(count))
		return 1;
	torc__inbox_wake(&hammer.inbox);
	return 0;
}

static void
threads_that_hammer_an_inbox_lose_nothing(void **state)
{
	unsigned next[HAMMERERS] = { 0 }, total = 0, sleeps = 0;
	pthread_t threads[HAMMERERS];

	(void)state;
	torc__inbox_init(&hammer.inbox);
	hammer.bell = eventfd(0, EFD_CLOEXEC);
	hammer.blows = calloc(HAMMERERS * HAMMER_EACH, sizeof(struct blow));
	for (uintptr_t i = 0; i < HAMMERERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, strike, (void *)i),
			0);
	while (total < HAMMERERS * HAMMER_EACH) {
		struct torc_msg *msg = torc__inbox_take(&hammer.inbox);

		for (; msg != NULL; msg = msg->_next, total++) {
			struct blow *blow = (struct blow *)(void *)msg;

			assert_int_equal(blow->number, next[blow->from]++);
			hammer.arrived[blow->from]++;
		}
		if (total < HAMMERERS * HAMMER_EACH)
			assert_int_equal(sleep_until_rung(&sleeps), 0);
	}
	for (unsigned i = 0; i < HAMMERERS; i++)
		pthread_join(threads[i], NULL);

	assert_true(sleeps > 10);
	close(hammer.bell);
	free(hammer.blows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_order_of_steps_loses_a_wake),
		cmocka_unit_test(the_model_tells_a_wrong_protocol),
		cmocka_unit_test(messages_are_taken_oldest_first),
		cmocka_unit_test(only_the_first_push_to_a_sleeper_rings),
		cmocka_unit_test(threads_that_hammer_an_inbox_lose_nothing),
	};

	return cmocka_run_group_tests_name("core/inbox", tests, NULL, NULL);
}
