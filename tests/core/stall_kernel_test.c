/* SPDX-License-Identifier: MIT */
/*
 * Goal    A task that keeps its shard from turning is named in the log, once,
 *         with what it calls; one that waits as it should never is, and
 *         neither is a shard that has nothing to do.
 * Method  Programs in a child, on the real kernel, with their log in a pipe.
 *         They stall until the log says so, or else the test's patience ends
 *         them.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <torc.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"

#define TEXT_BYTES 65536
#define LIMIT_NS (5 * TORC_MS)
/* Far more than a limit, and not long for whoever waits. */
#define STALL_NS (20 * LIMIT_NS)

static char text[TEXT_BYTES];

static unsigned
count_of(const char *word)
{
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
		count++;
	return count;
}

static int
run(torc_task_fn *fn, uint64_t stall_ns)
{
	struct torc_options options = { .shards = 1, .stall_ns = stall_ns };

	alarm(60);
	return torc_run(&options, fn, NULL);
}

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * TORC_S + (uint64_t)ts.tv_nsec;
}

/* Its name is what the backtrace must show: neither inlined nor static. */
void burn_cpu_for_the_test(uint64_t span_ns) __attribute__((noinline));

void
burn_cpu_for_the_test(uint64_t span_ns)
{
	uint64_t until_ns = cpu_ns() + span_ns;

	while (cpu_ns() < until_ns)
		continue;
}

static int
compute(void *arg)
{
	(void)arg;
	torc_task_name_set("miner");
	burn_cpu_for_the_test(STALL_NS);
	return torc_yield();
}

static int
compute_program(void)
{
	return run(compute, LIMIT_NS);
}

static void
a_task_that_computes_is_named_once_with_its_calls(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(compute_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("has not turned for"), 1);
	assert_non_null(strstr(text, "task miner computes"));
	assert_non_null(strstr(text, "burn_cpu_for_the_test"));
}

static int
block(void *arg)
{
	struct timespec left = { .tv_nsec = (long)STALL_NS };

	(void)arg;
	torc_task_name_set("sleeper");
	/* The watcher's signal cuts it short; that is what is left then. */
	while (nanosleep(&left, &left) != 0)
		continue;
	return torc_yield();
}

static int
block_program(void)
{
	return run(block, LIMIT_NS);
}

static void
a_task_that_blocks_in_a_call_is_named_as_well(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(block_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("has not turned for"), 1);
	assert_non_null(strstr(text, "task sleeper is blocked"));
	assert_non_null(strstr(text, "nanosleep"));
}

static int
never_program(void)
{
	return run(compute, TORC_STALL_NEVER);
}

static void
nobody_watches_when_it_is_switched_off(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(never_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("has not turned"), 0);
}

static int
wait_well(void *arg)
{
	int ret = torc_sleep(STALL_NS);

	(void)arg;
	for (int i = 0; ret == 0 && i < 1000; i++)
		ret = torc_yield();
	return ret;
}

static int
wait_program(void)
{
	return run(wait_well, LIMIT_NS);
}

static void
waiting_and_yielding_are_no_stall(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(wait_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("has not turned"), 0);
}

static int
compute_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 8; i++) {
		burn_cpu_for_the_test(STALL_NS);
		torc_sleep(TORC_MS);
	}
	return 0;
}

static int
often_program(void)
{
	return run(compute_often, LIMIT_NS);
}

static void
at_most_five_a_minute_are_told(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(often_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("has not turned for"), 5);
}

/* The watcher parks after a second in which nothing moved. */
static int
compute_after_quiet(void *arg)
{
	int ret = torc_sleep(2500 * TORC_MS);

	return ret < 0 ? ret : compute(arg);
}

static int
quiet_program(void)
{
	return run(compute_after_quiet, LIMIT_NS);
}

static void
a_stall_after_a_quiet_time_is_noticed(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(quiet_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("task miner computes"), 1);
}

static int
stall_elsewhere(void *arg)
{
	return torc_shard_index() == 1 ? compute(arg) : 0;
}

static int
run_elsewhere(void *arg)
{
	return torc_run_on_shards(stall_elsewhere, arg);
}

static int
elsewhere_program(void)
{
	struct torc_options options = { .shards = 2, .stall_ns = LIMIT_NS };

	alarm(60);
	return torc_run(&options, run_elsewhere, NULL);
}

static void
the_shard_that_stalls_is_the_one_that_is_named(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(elsewhere_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("shard 1 has not turned"), 1);
	assert_int_equal(count_of("shard 0 has not turned"), 0);
}

/* Hundreds that each are polite: together they take their turn. */
static int
compute_politely(void *arg)
{
	(void)arg;
	torc_task_name_set("polite");
	for (int i = 0; i < 4; i++) {
		burn_cpu_for_the_test(500 * TORC_US);
		torc_yield();
	}
	return 0;
}

static int
be_many(void *arg)
{
	struct torc_group group;
	int ret = 0;

	(void)arg;
	torc_group_init(&group);
	for (int i = 0; i < 300 && ret == 0; i++)
		ret = torc_group_spawn(&group, compute_politely, NULL);
	return ret == 0 ? torc_group_join(&group) : ret;
}

static int
polite_program(void)
{
	return run(be_many, 4 * LIMIT_NS);
}

static void
nobody_is_blamed_for_what_many_do(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(polite_program, text, TEXT_BYTES), 0);

	assert_true(count_of("many tasks compute in one turn") > 0);
	assert_int_equal(count_of("task polite computes"), 0);
}

static volatile sig_atomic_t own_count;

static void
count_own(int signo)
{
	(void)signo;
	own_count++;
}

/* A program that has a use for SIGURG keeps it. */
static int
own_program(void)
{
	struct sigaction action = { .sa_handler = count_own }, after;
	int ret;

	sigaction(SIGURG, &action, NULL);
	raise(SIGURG);
	ret = run(compute, LIMIT_NS);
	raise(SIGURG);
	sigaction(SIGURG, NULL, &after);
	return ret != 0 || own_count != 2 || after.sa_handler != count_own;
}

static void
a_handler_of_the_programs_own_stays(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(own_program, text, TEXT_BYTES), 0);

	assert_non_null(strstr(text, "SIGURG has a handler"));
	assert_non_null(strstr(text, "something computes"));
}

static int
blocked_program(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return run(compute, LIMIT_NS);
}

static void
without_an_answer_nobody_is_named(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(blocked_program, text, TEXT_BYTES), 0);

	assert_non_null(strstr(text, "something computes"));
}

static int
limitless_program(void)
{
	return run(wait_well, TORC_STALL_NEVER - 1);
}

static void
the_longest_limit_is_one(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(limitless_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("has not turned"), 0);
}

/* What ends them is no stall. */
static int
sleep_for_ever(void *arg)
{
	(void)arg;
	return torc_sleep(3600 * TORC_S);
}

static int
leave_many(void *arg)
{
	int ret = 0;

	(void)arg;
	for (int i = 0; i < 4000 && ret == 0; i++) {
		ret = torc_spawn(NULL, sleep_for_ever, NULL);
		if (i % 16 == 0)
			torc_yield();
	}
	return ret;
}

static int
leave_program(void)
{
	return run(leave_many, LIMIT_NS);
}

static void
the_end_of_many_tasks_is_no_stall(void **state)
{
	(void)state;

	assert_int_equal(run_in_child(leave_program, text, TEXT_BYTES), 0);

	assert_int_equal(count_of("a function of the loop"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_task_that_computes_is_named_once_with_its_calls),
		cmocka_unit_test(a_task_that_blocks_in_a_call_is_named_as_well),
		cmocka_unit_test(nobody_watches_when_it_is_switched_off),
		cmocka_unit_test(waiting_and_yielding_are_no_stall),
		cmocka_unit_test(at_most_five_a_minute_are_told),
		cmocka_unit_test(a_stall_after_a_quiet_time_is_noticed),
		cmocka_unit_test(
			the_shard_that_stalls_is_the_one_that_is_named),
		cmocka_unit_test(nobody_is_blamed_for_what_many_do),
		cmocka_unit_test(a_handler_of_the_programs_own_stays),
		cmocka_unit_test(without_an_answer_nobody_is_named),
		cmocka_unit_test(the_longest_limit_is_one),
		cmocka_unit_test(the_end_of_many_tasks_is_no_stall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
