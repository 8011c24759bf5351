/* SPDX-License-Identifier: MIT */
/*
 * Goal    Nobody comes in when the gate is shut, and it is not shut over
 *         somebody who is inside.
 * Method  A thread goes in and takes its time; who shuts the gate finds it
 *         gone. There is no runtime: the gate needs none.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/gate_priv.h"
#include "tests/test.h"

static _Atomic bool is_inside, is_gone;

static int
tear_down(void **state)
{
	(void)state;
	torc__gate_close();
	return 0;
}

static void
only_an_open_gate_lets_in(void **state)
{
	(void)state;
	assert_false(torc__gate_enter(TORC__GATE_WORK));
	assert_false(torc__gate_enter(TORC__GATE_WAKE));
	torc__gate_open();
	assert_true(torc__gate_enter(TORC__GATE_WORK));
	torc__gate_leave(TORC__GATE_WORK);
	assert_true(torc__gate_enter(TORC__GATE_WAKE));
	torc__gate_leave(TORC__GATE_WAKE);
}

static void
an_ending_runtime_takes_wakes_but_no_work(void **state)
{
	(void)state;
	torc__gate_open();
	torc__gate_end();
	assert_false(torc__gate_enter(TORC__GATE_WORK));
	assert_true(torc__gate_enter(TORC__GATE_WAKE));
	torc__gate_leave(TORC__GATE_WAKE);
	torc__gate_close();
	assert_false(torc__gate_enter(TORC__GATE_WAKE));
}

static void *
stay_a_while(void *arg)
{
	enum torc_gate gate = *(enum torc_gate *)arg;

	if (!torc__gate_enter(gate))
		return NULL;
	is_inside = true;
	for (int i = 0; i < 20000; i++)
		sched_yield();
	is_gone = true;
	torc__gate_leave(gate);
	return arg;
}

static void
shut_over(enum torc_gate gate, void (*shut)(void))
{
	pthread_t thread;
	void *result;

	is_inside = is_gone = false;
	torc__gate_open();
	assert_int_equal(pthread_create(&thread, NULL, stay_a_while, &gate), 0);
	while (!is_inside)
		sched_yield();
	shut();
	assert_true(is_gone);
	pthread_join(thread, &result);
	assert_non_null(result);
}

static void
who_is_inside_is_waited_for(void **state)
{
	(void)state;
	shut_over(TORC__GATE_WORK, torc__gate_end);
	shut_over(TORC__GATE_WORK, torc__gate_close);
	shut_over(TORC__GATE_WAKE, torc__gate_close);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(only_an_open_gate_lets_in, tear_down),
		cmocka_unit_test_teardown(
			an_ending_runtime_takes_wakes_but_no_work, tear_down),
		cmocka_unit_test_teardown(
			who_is_inside_is_waited_for, tear_down),
	};

	return cmocka_run_group_tests_name("core/gate", tests, NULL, NULL);
}
