/* SPDX-License-Identifier: MIT */
/*
 * Goal    A deadline counts through any depth, from whatever point in time,
 *         and a scope that ends leaves what was there before it.
 * Method  Real tasks on a fake engine, whose clock moves only when all wait.
 *         The plain cases are in await_test.
 */
#include <errno.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>
#include <torc/test/sim.h>

#define HOUR (3600 * TORC_S)
#define DEPTH 100
#define TICK ((uint64_t)1 << TORC_TICK_BITS)

static int
sleep_until_a_point(void *arg)
{
	uint64_t now_ns = torc_now_ns();
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin_at(&scope, now_ns + 10 * TORC_MS);
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&scope);
	trace_outcome(torc_interrupted());
	return 0;
}

static void
a_deadline_may_be_a_point_in_time(void **state)
{
	assert_trace(*state, sleep_until_a_point, NULL, "timeout@10 ok@10");
}

static int
begin_in_the_past(void *arg)
{
	struct fake_shard *f = arg;
	struct torc_deadline scope;
	uint32_t timers;

	assert_int_equal(torc_sleep(5 * TORC_MS), 0);
	for (unsigned i = 0; i < 2; i++) {
		torc_deadline_begin_at(&scope, i == 0 ? 0 : torc_now_ns());
		trace_outcome(torc_interrupted());
		timers = (uint32_t)f->shard.wheel.timers_count;
		trace_outcome(torc_sleep(HOUR));
		assert_int_equal(f->shard.wheel.timers_count, timers);
		torc_deadline_end(&scope);
		trace_outcome(torc_interrupted());
	}
	return 0;
}

static void
a_deadline_in_the_past_interrupts_at_once(void **state)
{
	assert_trace(*state, begin_in_the_past, *state,
		"timeout@5 timeout@5 ok@5 timeout@5 timeout@5 ok@5");
}

/* Each depth 10 ms shorter than the one around it, or longer. */
struct nesting {
	uint64_t first_ns;
	int64_t step_ns;
	uint64_t ended_at_ns[DEPTH];
};

static void
nest(struct nesting *n, unsigned depth)
{
	struct torc_deadline scope;
	int64_t span_ns = (int64_t)n->first_ns + (int64_t)depth * n->step_ns;

	if (depth == DEPTH)
		return;
	torc_deadline_begin_at(
		&scope, torc_now_ns() - fake_elapsed_ns() + (uint64_t)span_ns);
	nest(n, depth + 1);
	assert_int_equal(torc_sleep(HOUR), -ETIMEDOUT);
	n->ended_at_ns[depth] = fake_elapsed_ns();
	torc_deadline_end(&scope);
}

static int
nest_all(void *arg)
{
	nest(arg, 0);
	assert_int_equal(torc_interrupted(), 0);
	assert_int_equal(torc_sleep(TORC_MS), 0);
	return 0;
}

static void
a_hundred_scopes_end_each_at_its_own_time(void **state)
{
	static struct nesting n = { .first_ns = 1000 * TORC_MS,
		.step_ns = -10 * (int64_t)TORC_MS };

	fake_shard_run(*state, nest_all, &n);

	for (unsigned i = 0; i < DEPTH; i++) {
		uint64_t due_ns = (1000 - 10 * i) * TORC_MS;

		assert_in_range(n.ended_at_ns[i], due_ns, due_ns + TICK);
	}
}

static void
a_hundred_longer_scopes_end_with_the_outermost(void **state)
{
	static struct nesting n = { .first_ns = 10 * TORC_MS,
		.step_ns = (int64_t)TORC_MS };

	fake_shard_run(*state, nest_all, &n);

	for (unsigned i = 0; i < DEPTH; i++)
		assert_in_range(
			n.ended_at_ns[i], 10 * TORC_MS, 10 * TORC_MS + TICK);
}

static int
let_two_pass_behind_a_shield(void *arg)
{
	struct torc_deadline outer, inner;
	struct torc_shield shield;

	(void)arg;
	torc_deadline_begin(&outer, 20 * TORC_MS);
	torc_deadline_begin(&inner, 10 * TORC_MS);
	torc_shield_begin(&shield);
	trace_outcome(torc_sleep(15 * TORC_MS));
	trace_outcome(torc_sleep(15 * TORC_MS));
	torc_shield_end(&shield);
	trace_outcome(torc_interrupted());
	torc_deadline_end(&inner);
	trace_outcome(torc_interrupted());
	torc_deadline_end(&outer);
	trace_outcome(torc_interrupted());
	return 0;
}

static void
deadlines_that_pass_behind_a_shield_count_after_it(void **state)
{
	assert_trace(*state, let_two_pass_behind_a_shield, NULL,
		"ok@15 ok@30 timeout@30 timeout@30 ok@30");
}

/* Clean-up that talks to somebody who does not answer. */
static int
time_out_behind_a_shield(void *arg)
{
	struct torc_deadline outer, inner;
	struct torc_shield shield, nested;

	(void)arg;
	torc_deadline_begin(&outer, 30 * TORC_MS);
	torc_shield_begin(&shield);
	torc_deadline_begin(&inner, 10 * TORC_MS);
	trace_outcome(torc_sleep(HOUR));
	torc_shield_begin(&nested);
	trace_outcome(torc_sleep(10 * TORC_MS));
	torc_shield_end(&nested);
	trace_outcome(torc_interrupted());
	torc_deadline_end(&inner);
	trace_outcome(torc_sleep(5 * TORC_MS));
	torc_shield_end(&shield);
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&outer);
	trace_outcome(torc_interrupted());
	return 0;
}

static void
a_deadline_that_begins_behind_a_shield_counts(void **state)
{
	assert_trace(*state, time_out_behind_a_shield, NULL,
		"timeout@10 ok@20 timeout@20 ok@25 timeout@30 ok@30");
}

static int
end_inner_when_outer_has_passed(void *arg)
{
	struct torc_deadline outer, inner;
	struct torc_shield shield;

	(void)arg;
	torc_deadline_begin(&outer, 20 * TORC_MS);
	torc_deadline_begin(&inner, 10 * TORC_MS);
	trace_outcome(torc_sleep(HOUR));
	/* Shielded clean-up takes its time, past the outer one. */
	torc_shield_begin(&shield);
	trace_outcome(torc_sleep(15 * TORC_MS));
	torc_shield_end(&shield);
	torc_deadline_end(&inner);
	trace_outcome(torc_interrupted());
	torc_deadline_end(&outer);
	trace_outcome(torc_interrupted());
	return 0;
}

static void
an_outer_deadline_that_has_passed_counts_at_once(void **state)
{
	assert_trace(*state, end_inner_when_outer_has_passed, NULL,
		"timeout@10 ok@25 timeout@25 ok@25");
}

static int
cancel_beats_a_deadline_in_the_past(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_cancel(torc_self());
	torc_deadline_begin(&scope, 0);
	trace_outcome(torc_interrupted());
	torc_deadline_end(&scope);
	trace_outcome(torc_interrupted());
	return 0;
}

static void
a_cancel_stays_one_in_whatever_scope(void **state)
{
	assert_trace(*state, cancel_beats_a_deadline_in_the_past, NULL,
		"canceled@0 canceled@0");
}

/* ---- torc_await_timeout ---- */

static int
await_with_timeouts(void *arg)
{
	struct torc_sleep sleep;

	(void)arg;
	torc_sleep_start(&sleep, 5 * TORC_MS);
	trace_outcome(torc_await_timeout(&sleep.done, 10 * TORC_MS));
	torc_sleep_start(&sleep, 50 * TORC_MS);
	trace_outcome(torc_await_timeout(&sleep.done, 10 * TORC_MS));
	assert_int_equal(sleep.done.value, -ECANCELED);
	torc_sleep_start(&sleep, 50 * TORC_MS);
	trace_outcome(torc_await_timeout(&sleep.done, 0));
	trace_outcome(torc_interrupted());
	torc_sleep_start(&sleep, TORC_MS);
	trace_outcome(torc_await_timeout(&sleep.done, UINT64_MAX));
	return 0;
}

static void
an_await_may_have_a_timeout_of_its_own(void **state)
{
	assert_trace(*state, await_with_timeouts, NULL,
		"ok@5 timeout@15 timeout@15 ok@15 ok@16");
}

static int
await_ready_without_time(void *arg)
{
	struct torc_future ready;

	(void)arg;
	torc_future_init(&ready, NULL, NULL);
	torc_future_complete(&ready, 7);
	trace("%d", (int)torc_await_timeout(&ready, 0));
	return 0;
}

static void
a_value_that_is_there_needs_no_time(void **state)
{
	assert_trace(*state, await_ready_without_time, NULL, "7");
}

static int
await_an_op_with_a_timeout(void *arg)
{
	struct nop nop;

	(void)arg;
	nop_start(&nop);
	trace("%d", (int)torc_await_timeout(&nop.done, TORC_MS));
	trace("%d", torc_interrupted());
	return 0;
}

static void
a_success_that_was_on_its_way_beats_the_timeout(void **state)
{
	struct fake_shard *f = *state;

	nop_completes_late(f, 99);
	fake_shard_run(f, await_an_op_with_a_timeout, NULL);

	assert_string_equal(f->trace, "99 0");
}

/* ---- simulated ---- */

static int
nest_in_a_simulation(void *arg)
{
	struct torc_deadline outer, inner;
	uint64_t outer_ns = torc_now_ns() + torc_sim_random(TORC_S);
	uint64_t inner_ns = torc_now_ns() + torc_sim_random(TORC_S);
	int ret;

	(void)arg;
	torc_deadline_begin_at(&outer, outer_ns);
	torc_deadline_begin_at(&inner, inner_ns);
	ret = torc_sleep(2 * TORC_S);
	if (ret != -ETIMEDOUT || torc_now_ns() < inner_ns)
		ret = torc_now_ns() < outer_ns ? -EPROTO : ret;
	torc_deadline_end(&inner);
	if (ret == -ETIMEDOUT)
		ret = torc_sleep(2 * TORC_S);
	if (ret == -ETIMEDOUT && torc_now_ns() < outer_ns)
		ret = -EPROTO;
	torc_deadline_end(&outer);
	return ret == -ETIMEDOUT ? torc_interrupted() : -EPROTO;
}

static void
simulated_deadlines_pass_in_simulated_time(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL };

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, 50,
				 nest_in_a_simulation, NULL, NULL),
		0);
}

/* ---- mistakes ---- */

static int
end_outer_first(void *arg)
{
	struct torc_deadline outer, inner;

	(void)arg;
	torc_deadline_begin(&outer, TORC_S);
	torc_deadline_begin(&inner, TORC_S);
	torc_deadline_end(&outer);
	return 0;
}

static int
end_twice(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, TORC_S);
	torc_deadline_end(&scope);
	torc_deadline_end(&scope);
	return 0;
}

static int
end_behind_a_shield(void *arg)
{
	struct torc_deadline scope;
	struct torc_shield shield;

	(void)arg;
	torc_deadline_begin(&scope, TORC_S);
	torc_shield_begin(&shield);
	torc_deadline_end(&scope);
	return 0;
}

static int
end_the_shield_first(void *arg)
{
	struct torc_deadline scope;
	struct torc_shield shield;

	(void)arg;
	torc_shield_begin(&shield);
	torc_deadline_begin(&scope, TORC_S);
	torc_shield_end(&shield);
	return 0;
}

static int
end_the_outer_shield_first(void *arg)
{
	struct torc_shield outer, inner;

	(void)arg;
	torc_shield_begin(&outer);
	torc_shield_begin(&inner);
	torc_shield_end(&outer);
	return 0;
}

static void
scopes_that_end_out_of_order_are_named(void **state)
{
	static const struct {
		torc_task_fn *fn;
		const char *call;
	} mistakes[] = {
		{ end_outer_first, "torc_deadline_end" },
		{ end_twice, "torc_deadline_end" },
		{ end_behind_a_shield, "torc_deadline_end" },
		{ end_the_shield_first, "torc_shield_end" },
		{ end_the_outer_shield_first, "torc_shield_end" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const char *text = last_words_of_task(mistakes[i].fn, NULL);

		assert_says(text, mistakes[i].call);
		assert_says(text, "reverse order");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_deadline_may_be_a_point_in_time),
		WITH_SHARD(a_deadline_in_the_past_interrupts_at_once),
		WITH_SHARD(a_hundred_scopes_end_each_at_its_own_time),
		WITH_SHARD(a_hundred_longer_scopes_end_with_the_outermost),
		WITH_SHARD(deadlines_that_pass_behind_a_shield_count_after_it),
		WITH_SHARD(a_deadline_that_begins_behind_a_shield_counts),
		WITH_SHARD(an_outer_deadline_that_has_passed_counts_at_once),
		WITH_SHARD(a_cancel_stays_one_in_whatever_scope),
		WITH_SHARD(an_await_may_have_a_timeout_of_its_own),
		WITH_SHARD(a_value_that_is_there_needs_no_time),
		WITH_SHARD(a_success_that_was_on_its_way_beats_the_timeout),
		cmocka_unit_test(simulated_deadlines_pass_in_simulated_time),
		cmocka_unit_test(scopes_that_end_out_of_order_are_named),
	};

	return cmocka_run_group_tests_name("core/deadline", tests, NULL, NULL);
}
