/* SPDX-License-Identifier: MIT */
/*
 * Goal    Losers of a select that are kept stay alive and nobody's; the
 *         first failure of several ends the others; what cannot work is
 *         named.
 * Method  Real tasks on a fake engine, whose clock moves only when all wait.
 *         torc_select() and torc_wait_all() have their cases in await_test.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>
#include <torc/test/sim.h>

#define HOUR (3600 * TORC_S)
#define MANY 1000

/* ---- select_keep ---- */

static int
keep_a_sleep(void *arg)
{
	struct torc_sleep slow, fast;
	struct torc_future *both[] = { &slow.done, &fast.done };

	(void)arg;
	torc_sleep_start(&slow, 5 * TORC_MS);
	torc_sleep_start(&fast, TORC_MS);
	trace("%d", torc_select_keep(both, 2));
	assert_false(torc_future_is_ready(&slow.done));
	trace_outcome(torc_await(&slow.done));
	return 0;
}

static void
a_loser_that_was_kept_can_be_awaited(void **state)
{
	assert_trace(*state, keep_a_sleep, NULL, "1 ok@5");
}

/* The common loop: one thing goes on while another comes again and again. */
static int
keep_across_rounds(void *arg)
{
	struct torc_sleep whole, beat;
	struct torc_future *both[] = { &whole.done, &beat.done };
	int winner;

	(void)arg;
	torc_sleep_start(&whole, 35 * TORC_MS);
	do {
		torc_sleep_start(&beat, 10 * TORC_MS);
		winner = torc_select_keep(both, 2);
		trace("%d", winner);
	} while (winner == 1);
	torc_future_cancel(&beat.done);
	trace_outcome(beat.done.value);
	return 0;
}

static void
a_loser_can_be_selected_on_again(void **state)
{
	assert_trace(*state, keep_across_rounds, NULL, "1 1 1 0 canceled@35");
}

static int
take_all_in_turn(void *arg)
{
	struct torc_sleep sleeps[3];
	struct torc_future *futures[3];
	unsigned left = 3;

	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		torc_sleep_start(&sleeps[i], (3 - i) * TORC_MS);
		futures[i] = &sleeps[i].done;
	}
	while (left > 0) {
		int i = torc_select_keep(futures, left);

		trace_outcome(futures[i]->value);
		futures[i] = futures[--left];
	}
	return 0;
}

static void
all_can_be_taken_in_the_order_in_which_they_come(void **state)
{
	assert_trace(*state, take_all_in_turn, NULL, "ok@1 ok@2 ok@3");
}

static int
keep_within_a_deadline(void *arg)
{
	struct torc_sleep a, b;
	struct torc_future *both[] = { &a.done, &b.done };
	struct torc_deadline scope;

	(void)arg;
	torc_sleep_start(&a, 20 * TORC_MS);
	torc_sleep_start(&b, 30 * TORC_MS);
	torc_deadline_begin(&scope, 10 * TORC_MS);
	trace_outcome(torc_select_keep(both, 2));
	torc_deadline_end(&scope);
	assert_false(torc_future_is_ready(&a.done));
	trace_outcome(torc_await(&a.done));
	trace_outcome(torc_await(&b.done));
	return 0;
}

static void
an_interrupted_select_keep_cancels_nothing(void **state)
{
	assert_trace(
		*state, keep_within_a_deadline, NULL, "timeout@10 ok@20 ok@30");
}

static int
keep_a_gate(void *gate)
{
	struct torc_sleep sleep;
	struct torc_future *both[] = { &sleep.done, gate };

	torc_sleep_start(&sleep, HOUR);
	trace_outcome(torc_select_keep(both, 2));
	torc_future_cancel(&sleep.done);
	return 0;
}

static int
complete_after_the_cancel(void *arg)
{
	struct torc_future gate;
	struct torc_task *task;

	(void)arg;
	torc_future_init(&gate, NULL, NULL);
	task = fake_shard_spawn(keep_a_gate, &gate);
	assert_int_equal(torc_yield(), 0);
	torc_cancel(task);
	torc_future_complete(&gate, 7);
	assert_int_equal(torc_join(task, NULL), 0);
	trace("%d", (int)torc_await(&gate));
	return 0;
}

static void
a_value_that_comes_after_the_cancel_is_kept(void **state)
{
	assert_trace(*state, complete_after_the_cancel, NULL, "canceled@0 7");
}

static int
keep_what_is_ready(void *arg)
{
	struct torc_future ready, never;
	struct torc_future *both[] = { &never, &ready };

	(void)arg;
	torc_future_init(&never, NULL, NULL);
	torc_future_init(&ready, NULL, NULL);
	torc_future_complete(&ready, 3);
	for (unsigned i = 0; i < 3; i++)
		trace("%d", torc_select_keep(both, 2));
	torc_future_complete(&never, 4);
	trace("%d", torc_select_keep(both, 2));
	return 0;
}

static void
what_is_ready_wins_however_often_it_is_asked(void **state)
{
	assert_trace(*state, keep_what_is_ready, NULL, "1 1 1 0");
}

static int
select_among_many(void *arg)
{
	static struct torc_sleep sleeps[MANY];
	static struct torc_future *futures[MANY];

	(void)arg;
	for (unsigned i = 0; i < MANY; i++) {
		torc_sleep_start(&sleeps[i], HOUR + (MANY - i) * TORC_MS);
		futures[i] = &sleeps[i].done;
	}
	trace("%d", torc_select_keep(futures, MANY));
	trace("%d", torc_select(futures, MANY - 1));
	return 0;
}

static void
a_thousand_may_be_selected_on(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, select_among_many, NULL);

	assert_string_equal(f->trace, "999 998");
	assert_int_equal(f->shard.wheel.timers_count, 0);
}

/* ---- try_all ---- */

/* What a producer may say: `value` after `delay_ns`. */
struct late {
	struct torc_future done;
	struct torc_timer timer;
	int64_t value;
};

static void
say_value(struct torc_timer *timer)
{
	struct late *late = torc__container_of(timer, struct late, timer);

	torc_future_complete(&late->done, late->value);
}

static void
cancel_late(struct torc_future *done)
{
	struct late *late = torc_future_source(done);

	torc__wheel_disarm(&torc__shard->wheel, &late->timer);
	torc_future_complete(done, -ECANCELED);
}

static void
late_start(struct late *late, uint64_t delay_ns, int64_t value)
{
	*late = (struct late){ .timer = { .fn = say_value }, .value = value };
	torc_future_init(&late->done, cancel_late, late);
	torc__timer_arm_in(torc__shard, &late->timer, delay_ns);
}

static int
try_three(void *arg)
{
	const int64_t *values = arg;
	struct late late[3];
	struct torc_future *all[3];
	int ret;

	for (unsigned i = 0; i < 3; i++) {
		late_start(&late[i], (i + 1) * 10 * TORC_MS, values[i]);
		all[i] = &late[i].done;
	}
	ret = torc_try_all(all, 3);
	trace("%d@%u", ret, (unsigned)(fake_elapsed_ns() / TORC_MS));
	for (unsigned i = 0; i < 3; i++)
		trace("%d", (int)late[i].done.value);
	return 0;
}

static void
when_none_fails_all_are_waited_for(void **state)
{
	struct fake_shard *f = *state;
	int64_t values[] = { 5, 0, 7 };

	fake_shard_run(f, try_three, values);

	assert_string_equal(f->trace, "0@30 5 0 7");
}

static void
the_first_failure_cancels_the_rest(void **state)
{
	struct fake_shard *f = *state;
	int64_t values[] = { 5, -EIO, 7 };
	char expected[64];

	fake_shard_run(f, try_three, values);

	snprintf(expected, sizeof(expected), "%d@20 5 %d %d", -EIO, -EIO,
		-ECANCELED);
	assert_string_equal(f->trace, expected);
}

static void
a_failure_of_the_last_is_returned_too(void **state)
{
	struct fake_shard *f = *state;
	int64_t values[] = { 5, 6, -EPIPE };
	char expected[64];

	fake_shard_run(f, try_three, values);

	snprintf(expected, sizeof(expected), "%d@30 5 6 %d", -EPIPE, -EPIPE);
	assert_string_equal(f->trace, expected);
}

static int
try_with_one_failed_before(void *arg)
{
	struct torc_future failed;
	struct torc_sleep a, b;
	struct torc_future *all[] = { &a.done, &failed, &b.done };

	(void)arg;
	torc_sleep_start(&a, HOUR);
	torc_sleep_start(&b, HOUR);
	torc_future_init(&failed, NULL, NULL);
	torc_future_complete(&failed, -EIO);
	assert_int_equal(torc_try_all(all, 3), -EIO);
	trace_outcome(a.done.value);
	trace_outcome(b.done.value);
	return 0;
}

static void
one_that_has_failed_already_cancels_the_rest(void **state)
{
	assert_trace(*state, try_with_one_failed_before, NULL,
		"canceled@0 canceled@0");
}

static int
try_slow_losers(void *arg)
{
	struct nop nop;
	struct late late;
	struct torc_future *both[] = { &nop.done, &late.done };

	(void)arg;
	nop_start(&nop);
	late_start(&late, TORC_MS, -EIO);
	assert_int_equal(torc_try_all(both, 2), -EIO);
	trace("%d", (int)nop.done.value);
	return 0;
}

static void
a_loser_is_waited_for_and_may_still_succeed(void **state)
{
	struct fake_shard *f = *state;

	nop_completes_late(f, 99);
	fake_shard_run(f, try_slow_losers, NULL);

	assert_string_equal(f->trace, "99");
}

static int
try_within_a_deadline(void *arg)
{
	int64_t values[] = { 5, 6, -EIO };
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, 15 * TORC_MS);
	try_three(values);
	torc_deadline_end(&scope);
	return 0;
}

static void
an_interrupted_try_all_has_cancelled_the_rest(void **state)
{
	struct fake_shard *f = *state;
	char expected[64];

	fake_shard_run(f, try_within_a_deadline, NULL);

	snprintf(expected, sizeof(expected), "%d@15 5 %d %d", -ETIMEDOUT,
		-ECANCELED, -ECANCELED);
	assert_string_equal(f->trace, expected);
}

static int
wait_for_none(void *arg)
{
	(void)arg;
	assert_int_equal(torc_wait_all(NULL, 0), 0);
	assert_int_equal(torc_try_all(NULL, 0), 0);
	return 0;
}

static void
none_at_all_are_ready_at_once(void **state)
{
	fake_shard_run(*state, wait_for_none, NULL);
}

/* ---- under every fault, with losers that come late ---- */

static int
race_simulated_sleeps(void *arg)
{
	struct torc_sleep sleeps[8];
	struct torc_future *futures[8];
	unsigned left = 8;
	uint64_t last_ns = 0;

	(void)arg;
	for (unsigned i = 0; i < 8; i++) {
		torc_sleep_start(&sleeps[i], torc_sim_random(TORC_S));
		futures[i] = &sleeps[i].done;
	}
	while (left > 0) {
		int i = torc_select_keep(futures, left);

		if (i < 0)
			return i;
		if (torc_now_ns() < last_ns || futures[i]->value != 0)
			return -EPROTO;
		last_ns = torc_now_ns();
		futures[i] = futures[--left];
		if (torc_sim_random(20) == 0)
			break;
	}
	for (unsigned i = 0; i < left; i++)
		torc_future_cancel(futures[i]);
	return torc_wait_all(futures, left);
}

static void
simulated_losers_are_kept_whatever_happens(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL };

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, 50,
				 race_simulated_sleeps, NULL, NULL),
		0);
}

/* ---- mistakes ---- */

static int
select_none(void *arg)
{
	(void)arg;
	return torc_select(NULL, 0);
}

static int
select_keep_none(void *arg)
{
	(void)arg;
	return torc_select_keep(NULL, 0);
}

static int
select_twice_the_same(void *arg)
{
	struct torc_future never;
	struct torc_future *both[] = { &never, &never };

	(void)arg;
	torc_future_init(&never, NULL, NULL);
	return torc_select(both, 2);
}

static int
wait_for_twice_the_same(void *arg)
{
	struct torc_future never;
	struct torc_future *both[] = { &never, &never };

	(void)arg;
	torc_future_init(&never, NULL, NULL);
	return torc_wait_all(both, 2);
}

static int
await_shared(void *future)
{
	return (int)torc_await(future);
}

static int
await_what_another_awaits(void *arg)
{
	struct torc_future never;

	(void)arg;
	torc_future_init(&never, NULL, NULL);
	fake_shard_spawn(await_shared, &never);
	assert_int_equal(torc_yield(), 0);
	return (int)torc_await(&never);
}

static void
a_mistake_ends_the_process_and_is_named(void **state)
{
	static const struct {
		torc_task_fn *fn;
		const char *words;
	} rows[] = {
		{ select_none, "torc_select: the first of no futures" },
		{ select_keep_none, "torc_select_keep: the first of no" },
		{ select_twice_the_same, "future 1 is in the array twice" },
		{ wait_for_twice_the_same, "torc_wait_all: future 1" },
		{ await_what_another_awaits, "somebody else waits" },
	};

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_says(
			last_words_of_task(rows[i].fn, NULL), rows[i].words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_loser_that_was_kept_can_be_awaited),
		WITH_SHARD(a_loser_can_be_selected_on_again),
		WITH_SHARD(all_can_be_taken_in_the_order_in_which_they_come),
		WITH_SHARD(an_interrupted_select_keep_cancels_nothing),
		WITH_SHARD(a_value_that_comes_after_the_cancel_is_kept),
		WITH_SHARD(what_is_ready_wins_however_often_it_is_asked),
		WITH_SHARD(a_thousand_may_be_selected_on),
		WITH_SHARD(when_none_fails_all_are_waited_for),
		WITH_SHARD(the_first_failure_cancels_the_rest),
		WITH_SHARD(a_failure_of_the_last_is_returned_too),
		WITH_SHARD(one_that_has_failed_already_cancels_the_rest),
		WITH_SHARD(a_loser_is_waited_for_and_may_still_succeed),
		WITH_SHARD(an_interrupted_try_all_has_cancelled_the_rest),
		WITH_SHARD(none_at_all_are_ready_at_once),
		cmocka_unit_test(simulated_losers_are_kept_whatever_happens),
		cmocka_unit_test(a_mistake_ends_the_process_and_is_named),
	};

	return cmocka_run_group_tests_name("core/select", tests, NULL, NULL);
}
