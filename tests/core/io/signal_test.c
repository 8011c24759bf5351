/* SPDX-License-Identifier: MIT */
/*
 * Goal    A signal of the set arrives as a value, once, whenever it was
 *         sent; afterwards the thread's mask is what it was before.
 * Method  The real kernel; the process signals itself.
 */
#include <signal.h>

#include "tests/core/io/fixture.h"

static sigset_t
set_of(int one, int two)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, one);
	sigaddset(&set, two);
	return set;
}

static struct torc_signals *
open_usr(void)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR2);
	struct torc_signals *signals;

	must_be(torc_signals_open(&signals, &set), 0);
	return signals;
}

static bool
is_blocked(int signal)
{
	sigset_t mask;

	must_be(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	return sigismember(&mask, signal);
}

static int
next_signal(void *signals)
{
	return torc_signal_next(signals);
}

static int
a_signal_wakes_who_waits_for_it(void *unused)
{
	struct torc_signals *signals = open_usr();
	struct torc_task *task;
	int result;

	(void)unused;
	for (int i = 0; i < 20; i++) {
		must_be(torc_spawn(&task, next_signal, signals), 0);
		if (i % 2 == 0)
			torc_sleep(100 * TORC_US);
		must_be(kill(getpid(), SIGUSR1), 0);
		must_be(torc_join(task, &result), 0);
		must_be(result, SIGUSR1);
	}
	torc_signals_close(signals);
	return 0;
}

static int
the_lower_number_comes_first_and_none_is_lost(void *unused)
{
	struct torc_signals *signals = open_usr();

	(void)unused;
	for (int i = 0; i < 20; i++) {
		must_be(kill(getpid(), SIGUSR2), 0);
		must_be(kill(getpid(), SIGUSR1), 0);

		must_be(torc_signal_next(signals), SIGUSR1);
		must_be(torc_signal_next(signals), SIGUSR2);
	}
	torc_signals_close(signals);
	return 0;
}

static int
a_signal_that_was_pending_already_is_caught(void *unused)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR2), old;
	struct torc_signals *signals;

	(void)unused;
	must_be(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
	must_be(kill(getpid(), SIGUSR2), 0);
	signals = open_usr();

	must_be(torc_signal_next(signals), SIGUSR2);

	torc_signals_close(signals);
	wait_until(is_shard_quiet());
	must_be(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	return 0;
}

static int
a_wait_that_timed_out_or_was_cancelled_loses_none(void *unused)
{
	struct torc_signals *signals = open_usr();

	(void)unused;
	for (int i = 0; i < 100; i++) {
		struct torc_deadline deadline;
		struct torc_future future;
		int ret;

		torc_signal_start(signals, &future);
		if (i % 3 == 0)
			turn();
		torc_future_cancel(&future);
		must_be(future.value, -ECANCELED);
		torc_deadline_begin(&deadline, random_u64() % (50 * TORC_US));
		if (i % 2 == 0)
			must_be(kill(getpid(), SIGUSR1), 0);
		ret = torc_signal_next(signals);
		torc_deadline_end(&deadline);
		must(ret == -ETIMEDOUT || ret == SIGUSR1);
		if (i % 2 != 0)
			must_be(kill(getpid(), SIGUSR1), 0);
		if (i % 2 != 0 || ret < 0)
			must_be(torc_signal_next(signals), SIGUSR1);
	}
	torc_signals_close(signals);
	return 0;
}

static int
closing_ends_a_wait_and_restores_the_mask(void *unused)
{
	struct torc_signals *signals;
	struct torc_task *task;
	int result;

	(void)unused;
	must(!is_blocked(SIGUSR1));
	signals = open_usr();
	must(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
	must_be(torc_spawn(&task, next_signal, signals), 0);
	torc_sleep(TORC_MS);

	torc_signals_close(signals);

	must_be(torc_join(task, &result), 0);
	must_be(result, -ECANCELED);
	wait_until(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
	return 0;
}

static int
other_shards_leave_signals_to_shard_0(void *unused)
{
	struct torc_signals *signals = open_usr();

	(void)unused;
	for (int i = 0; i < 200; i++) {
		must_be(kill(getpid(), SIGUSR1), 0);
		must_be(torc_signal_next(signals), SIGUSR1);
	}
	torc_signals_close(signals);
	return 0;
}

static int
signals_left_open_are_closed_at_the_end(void *unused)
{
	static struct torc_future future;

	(void)unused;
	torc_signal_start(open_usr(), &future);
	turn();
	return 0;
}

static void
the_mask_is_back_after_the_runtime(void **unused)
{
	struct torc_options options = { .shards = 1 };

	(void)unused;
	must_be(torc_run(&options, signals_left_open_are_closed_at_the_end,
			NULL),
		0);
	must(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_signal_wakes_who_waits_for_it),
		WITH_TORC(the_lower_number_comes_first_and_none_is_lost),
		WITH_TORC(a_signal_that_was_pending_already_is_caught),
		WITH_TORC(a_wait_that_timed_out_or_was_cancelled_loses_none),
		WITH_TORC(closing_ends_a_wait_and_restores_the_mask),
		WITH_SHARDS(other_shards_leave_signals_to_shard_0, 2),
		LEFT_OPEN(signals_left_open_are_closed_at_the_end),
		cmocka_unit_test(the_mask_is_back_after_the_runtime),
	};

	return cmocka_run_group_tests_name("core/io/signal", tests, NULL, NULL);
}
