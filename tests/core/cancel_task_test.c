/* SPDX-License-Identifier: MIT */
/*
 * Goal    A cancel or a deadline ends every wait for time, tasks and futures:
 *         before it begins, in flight, and in the turn in which it
 *         completes; and nothing is lost, kept or left behind.
 * Method  tests/core/waits.h runs each row in every way, on a real ring.
 */
#include "tests/core/waits.h"

static void
nothing(void)
{
}

/* ---- time ---- */

static int64_t
wait_sleep(void)
{
	return torc_sleep(wait_span_ns());
}

static int64_t
wait_sleep_until(void)
{
	uint64_t span_ns = wait_span_ns();

	return torc_sleep_until(torc_now_ns() + span_ns);
}

static struct torc_ticker ticker;

static void
arrange_ticker(void)
{
	torc_ticker_init(&ticker, wait_span_ns(), TORC_TICKER_SKIP);
	must_be(torc_ticker_next(&ticker), 0);
}

static int64_t
wait_ticker(void)
{
	return torc_ticker_next(&ticker);
}

/* ---- turns ---- */

static bool is_done;

static void
arrange_flag(void)
{
	is_done = false;
}

static int64_t
wait_yield(void)
{
	int ret = 0;

	while (!is_done && ret == 0)
		ret = torc_yield();
	return ret;
}

static void
complete_flag(void)
{
	is_done = true;
}

/* ---- tasks ---- */

static struct torc_task *target;
static bool is_joined;

static int
sleep_an_hour(void *arg)
{
	(void)arg;
	torc_sleep(WAIT_HOUR_NS);
	return 0;
}

static void
arrange_target(void)
{
	is_joined = false;
	must_be(torc_spawn(&target, sleep_an_hour, NULL), 0);
}

static int64_t
wait_join(void)
{
	int ret = torc_join(target, NULL);

	is_joined = ret == 0;
	return ret;
}

static void
complete_target(void)
{
	torc_cancel(target);
}

static void
clear_target(void)
{
	if (!is_joined)
		torc_cancel_join(target, NULL);
}

static struct torc_group group;

static void
arrange_group(void)
{
	torc_group_init(&group);
	for (int i = 0; i < 3; i++)
		must_be(torc_group_spawn(&group, sleep_an_hour, NULL), 0);
}

static int64_t
wait_group_join(void)
{
	return torc_group_join(&group);
}

static void
complete_group(void)
{
	torc_group_cancel(&group);
}

static void
clear_joined_group(void)
{
	must_be(torc_group_count(&group), 0);
}

static unsigned results_count;

static void
arrange_collecting_group(void)
{
	arrange_group();
	group.collect = true;
	results_count = 0;
}

static int64_t
wait_group_next(void)
{
	struct torc_group_result result;
	int ret = torc_group_next(&group, &result);

	results_count += ret == 1;
	return ret;
}

/* Each of the three is there once, taken or not. */
static void
clear_collecting_group(void)
{
	struct torc_group_result result;

	torc_group_cancel(&group);
	while (torc_group_next(&group, &result) == 1)
		results_count++;
	must_be(results_count, 3);
	torc_group_cancel_join(&group);
}

static struct torc_task *everywhere;

static int
sleep_everywhere(void *arg)
{
	everywhere = torc_self();
	return sleep_an_hour(arg);
}

static int64_t
wait_run_on_shards(void)
{
	return torc_run_on_shards(sleep_everywhere, NULL);
}

static int64_t
wait_call_remote(void)
{
	return torc_call_remote(0, sleep_everywhere, NULL, NULL);
}

static int64_t
wait_call_any(void)
{
	return torc_call_any(sleep_everywhere, NULL, NULL);
}

static void
complete_everywhere(void)
{
	wait_until(everywhere != NULL);
	torc_cancel(everywhere);
}

static void
arrange_everywhere(void)
{
	everywhere = NULL;
}

/* ---- futures ---- */

static struct torc_future gates[2];

static void
cancel_gate(struct torc_future *gate)
{
	torc_future_complete(gate, -ECANCELED);
}

static void
arrange_gates(void)
{
	torc_future_init(&gates[0], cancel_gate, NULL);
	torc_future_init(&gates[1], cancel_gate, NULL);
}

static void
complete_gates(void)
{
	for (int i = 0; i < 2; i++)
		if (!torc_future_is_ready(&gates[i]))
			torc_future_complete(&gates[i], 0);
}

static int64_t
wait_await(void)
{
	return torc_await(&gates[0]);
}

static int64_t
wait_await_timeout(void)
{
	return torc_await_timeout(&gates[0], WAIT_HOUR_NS);
}

static int64_t
wait_select(void)
{
	struct torc_sleep sleep;
	struct torc_future *both[] = { &sleep.done, &gates[0] };
	int ret;

	torc_sleep_start(&sleep, WAIT_HOUR_NS);
	ret = torc_select(both, 2);
	must(torc_future_is_ready(&sleep.done));
	must(torc_future_is_ready(&gates[0]));
	return ret;
}

static int64_t
wait_select_keep(void)
{
	struct torc_sleep sleep;
	struct torc_future *both[] = { &sleep.done, &gates[0] };
	int ret;

	torc_sleep_start(&sleep, WAIT_HOUR_NS);
	ret = torc_select_keep(both, 2);
	must(!torc_future_is_ready(&sleep.done));
	torc_future_cancel(&sleep.done);
	return ret;
}

static int64_t
wait_wait_all(void)
{
	struct torc_future *both[] = { &gates[0], &gates[1] };

	return torc_wait_all(both, 2);
}

static int64_t
wait_try_all(void)
{
	struct torc_future *both[] = { &gates[0], &gates[1] };

	return torc_try_all(both, 2);
}

static const struct wait_row task_rows[] = {
	{ "sleep", nothing, wait_sleep, NULL, nothing, WAIT_HURRIES },
	{ "sleep_until", nothing, wait_sleep_until, NULL, nothing,
		WAIT_HURRIES },
	{ "ticker", arrange_ticker, wait_ticker, NULL, nothing, WAIT_HURRIES },
	{ "yield", arrange_flag, wait_yield, complete_flag, nothing,
		WAIT_HURRIES },
	{ "join", arrange_target, wait_join, complete_target, clear_target,
		WAIT_HURRIES },
	{ "group join", arrange_group, wait_group_join, complete_group,
		clear_joined_group, WAIT_HURRIES },
	{ "group next", arrange_collecting_group, wait_group_next,
		complete_group, clear_collecting_group, WAIT_HURRIES },
	{ "run_on_shards", arrange_everywhere, wait_run_on_shards,
		complete_everywhere, nothing, WAIT_HURRIES },
	{ "call_remote", arrange_everywhere, wait_call_remote,
		complete_everywhere, nothing, WAIT_HURRIES },
	{ "call_any", arrange_everywhere, wait_call_any, complete_everywhere,
		nothing, WAIT_HURRIES },
	{ "await", arrange_gates, wait_await, complete_gates, nothing,
		WAIT_HURRIES },
	{ "await_timeout", arrange_gates, wait_await_timeout, complete_gates,
		nothing, WAIT_HURRIES },
	{ "select", arrange_gates, wait_select, complete_gates, nothing,
		WAIT_HURRIES },
	{ "select_keep", arrange_gates, wait_select_keep, complete_gates,
		nothing, WAIT_HURRIES },
	{ "wait_all", arrange_gates, wait_wait_all, complete_gates, nothing,
		WAIT_HURRIES },
	{ "try_all", arrange_gates, wait_try_all, complete_gates, nothing,
		WAIT_HURRIES },
};

WAIT_CASE(waits_for_tasks_and_time_end_when_they_are_told, task_rows)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(waits_for_tasks_and_time_end_when_they_are_told),
	};

	return cmocka_run_group_tests_name(
		"core/cancel_task", tests, NULL, NULL);
}
