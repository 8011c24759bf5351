/* SPDX-License-Identifier: MIT */
/*
 * Goal    A signal of the set arrives as a value, once, whenever it was
 *         sent; afterwards the thread's mask is what it was before.
 * Method  The real kernel; the process signals itself, from a task or from a
 *         thread that never stops.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "tests/core/io/fixture.h"
#include "tests/support/fake_shard.h"

#define STORM 100000

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

static void
queue_value(int signo, int value)
{
	while (sigqueue(getpid(), signo, (union sigval){ .sival_int = value }) <
		0) {
		must_be(errno, EAGAIN);
		sched_yield();
	}
}

static struct torc_signals *
open_one(int signo)
{
	sigset_t set = set_of(signo, signo);
	struct torc_signals *signals;

	must_be(torc_signals_open(&signals, &set), 0);
	return signals;
}

static int
who_sent_it_and_its_value_are_told(void *unused)
{
	struct torc_signals *signals = open_usr();
	struct torc_signal_info info;

	(void)unused;
	torc_signal_info(signals, &info);
	must_be(info.signo, 0);
	queue_value(SIGUSR1, -42);
	must_be(kill(getpid(), SIGUSR2), 0);

	must_be(torc_signal_next(signals), SIGUSR1);
	torc_signal_info(signals, &info);
	must_be(info.signo, SIGUSR1);
	must_be(info.code, SI_QUEUE);
	must_be(info.pid, getpid());
	must_be(info.uid, getuid());
	must_be(info.value, -42);

	must_be(torc_signal_next(signals), SIGUSR2);
	torc_signal_info(signals, &info);
	must_be(info.code, SI_USER);
	torc_signals_close(signals);
	return 0;
}

static int
the_end_of_a_child_is_told_and_its_status_left(void *unused)
{
	struct torc_signals *signals = open_one(SIGCHLD);
	struct torc_signal_info info;
	pid_t child = fork();
	int status;

	(void)unused;
	must(child >= 0);
	if (child == 0)
		_exit(9);
	must_be(torc_signal_next(signals), SIGCHLD);
	torc_signal_info(signals, &info);
	must_be(info.pid, child);
	must_be(info.code, CLD_EXITED);
	must_be(info.status, 9);
	must_be(waitpid(child, &status, 0), child);
	torc_signals_close(signals);
	return 0;
}

static int
a_signal_has_one_taker_at_a_time(void *unused)
{
	sigset_t both = set_of(SIGUSR1, SIGUSR2);
	struct torc_signals *one = open_one(SIGUSR2), *two = NULL;

	(void)unused;
	must_be(torc_signals_open(&two, &both), -EBUSY);
	must(two == NULL && !is_blocked(SIGUSR1));
	two = open_one(SIGUSR1);
	torc_signals_close(one);
	must(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
	must_be(kill(getpid(), SIGUSR1), 0);
	must_be(torc_signal_next(two), SIGUSR1);
	torc_signals_close(two);
	return 0;
}

static int
what_other_threads_do_not_block_is_refused(void *unused)
{
	static const int refused[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
		SIGABRT, SIGSYS, SIGPROF, SIGURG, SIGKILL, SIGSTOP };
	struct torc_signals *signals = NULL;

	(void)unused;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		sigset_t set = set_of(SIGUSR1, refused[i]);

		must_be(torc_signals_open(&signals, &set), -EINVAL);
		must(signals == NULL && !is_blocked(SIGUSR1));
	}
	/* None of them was claimed on the way. */
	torc_signals_close(open_one(SIGUSR1));
	return 0;
}

static int
who_closed_takes_nothing_from_who_opened_next(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++) {
		struct torc_signals *signals = open_usr();

		if (i % 2 == 0)
			turn();
		torc_signals_close(signals);
		signals = open_usr();
		must_be(kill(getpid(), SIGUSR1), 0);
		must_be(torc_signal_next(signals), SIGUSR1);
		torc_signals_close(signals);
	}
	return 0;
}

static int
what_was_not_taken_does_not_strike_later(void *unused)
{
	struct torc_signals *signals = open_usr();

	(void)unused;
	must_be(kill(getpid(), SIGUSR1), 0);
	turn();
	must_be(kill(getpid(), SIGUSR1), 0);
	must_be(kill(getpid(), SIGUSR2), 0);
	torc_signals_close(signals);
	must(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
	return 0;
}

static int
pipes_and_signals_end_in_any_order(void *unused)
{
	struct torc_pipe *reader, *writer;
	struct torc_signals *signals;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		must_be(torc_pipe_open(&reader, &writer), 0);
		signals = open_one(SIGPIPE);
		torc_pipe_close(reader);
		if (i == 0)
			torc_pipe_close(writer);
		else
			torc_signals_close(signals);
		must(is_blocked(SIGPIPE));
		if (i == 0)
			torc_signals_close(signals);
		else
			torc_pipe_close(writer);
		must(!is_blocked(SIGPIPE));
	}
	return 0;
}

static int
queued_ones_come_in_order_with_their_values(void *unused)
{
	struct torc_signals *signals = open_one(SIGRTMIN + 3);
	int next = 0;

	(void)unused;
	for (int i = 0; i < 100; i++)
		queue_value(SIGRTMIN + 3, i);
	while (next < 100) {
		struct torc_signal_info info;
		struct torc_future future;

		torc_signal_start(signals, &future);
		if (random_u64() % 2 == 0)
			torc_future_cancel(&future);
		if (torc_await(&future) == -ECANCELED)
			continue;
		must_be(future.value, SIGRTMIN + 3);
		torc_signal_info(signals, &info);
		must_be(info.value, next++);
	}
	torc_signals_close(signals);
	return 0;
}

static atomic_bool is_over;

static void *
storm_of_one(void *unused)
{
	for (int i = 0; i < STORM; i++)
		must_be(kill(getpid(), SIGUSR1), 0);
	atomic_store(&is_over, true);
	must_be(kill(getpid(), SIGUSR2), 0);
	return unused;
}

static int
a_storm_is_one_signal_or_many_and_none_comes_too_late(void *unused)
{
	struct torc_signals *signals = open_usr();
	unsigned count = 0;
	pthread_t thread;
	int signo;

	atomic_store(&is_over, false);
	must_be(pthread_create(&thread, NULL, storm_of_one, unused), 0);
	while ((signo = torc_signal_next(signals)) == SIGUSR1)
		count++;
	must_be(signo, SIGUSR2);
	must(atomic_load(&is_over));
	must(count >= 1 && count <= STORM);
	must_be(pthread_join(thread, NULL), 0);
	print_message("%u of %u told apart\n", count, STORM);
	torc_signals_close(signals);
	return 0;
}

static void *
storm_of_queued(void *unused)
{
	for (int i = 0; i < STORM; i++)
		queue_value(SIGRTMIN, i);
	return unused;
}

static int
of_a_queued_storm_none_is_lost(void *unused)
{
	struct torc_signals *signals = open_one(SIGRTMIN);
	struct torc_signal_info info;
	pthread_t thread;

	must_be(pthread_create(&thread, NULL, storm_of_queued, unused), 0);
	for (int i = 0; i < STORM; i++) {
		must_be(torc_signal_next(signals), SIGRTMIN);
		torc_signal_info(signals, &info);
		must_be(info.value, i);
	}
	must_be(pthread_join(thread, NULL), 0);
	torc_signals_close(signals);
	return 0;
}

/* ---- asked to end ---- */

static int
wait_for_interrupt(void *unused)
{
	(void)unused;
	return torc_interrupt_wait();
}

static int
an_interrupt_wakes_who_waits_for_it_once(void *unused)
{
	const int signos[] = { SIGINT, SIGTERM, SIGINT };
	struct torc_task *task;
	int result;

	(void)unused;
	for (int i = 0; i < 3; i++) {
		must_be(torc_spawn(&task, wait_for_interrupt, NULL), 0);
		wait_until(is_blocked(SIGINT) && is_blocked(SIGTERM));
		must_be(torc_interrupt_wait(), -EBUSY);
		must_be(kill(getpid(), signos[i]), 0);
		must_be(torc_join(task, &result), 0);
		must_be(result, signos[i]);
		must(!is_blocked(SIGINT) && !is_blocked(SIGTERM));
	}
	return 0;
}

static int
an_interrupt_may_be_selected_on_or_cancelled(void *unused)
{
	struct torc_interrupt interrupt;
	struct torc_deadline deadline;
	struct torc_sleep sleep;

	(void)unused;
	torc_interrupt_start(&interrupt);
	torc_sleep_start(&sleep, TORC_MS);
	must_be(torc_select((struct torc_future *const[]){ &interrupt.done,
				    &sleep.done },
			2),
		1);
	must_be(interrupt.done.value, -ECANCELED);
	must(!is_blocked(SIGINT));

	torc_deadline_begin(&deadline, TORC_MS);
	must_be(torc_interrupt_wait(), -ETIMEDOUT);
	must_be(torc_interrupt_wait(), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	must(!is_blocked(SIGTERM));
	return 0;
}

static int
an_interrupt_may_be_waited_for_at_the_end(void *unused)
{
	static struct torc_interrupt interrupt;

	(void)unused;
	torc_interrupt_start(&interrupt);
	turn();
	return 0;
}

static int
interrupt_twice(void *unused)
{
	struct torc_interrupt interrupt;

	(void)unused;
	torc_interrupt_start(&interrupt);
	must_be(kill(getpid(), SIGINT), 0);
	must_be(torc_await(&interrupt.done), SIGINT);
	must_be(kill(getpid(), SIGINT), 0);
	return torc_sleep(TORC_S);
}

static int
run_interrupt_twice(void)
{
	return torc_run(
		&(struct torc_options){ .shards = 1 }, interrupt_twice, NULL);
}

static void
the_second_interrupt_ends_the_process(void **unused)
{
	char text[512] = "";
	int status = run_in_child(run_interrupt_twice, text, sizeof(text));

	(void)unused;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
}

/* ---- misuse ---- */

static int
open_on_shard(void *unused)
{
	(void)unused;
	if (torc_shard_index() == 1)
		return torc_interrupt_wait();
	return 0;
}

static int
open_everywhere(void *unused)
{
	return torc_run_on_shards(open_on_shard, unused);
}

static int
start_twice(void *unused)
{
	static struct torc_future one, two;
	struct torc_signals *signals = open_usr();

	(void)unused;
	torc_signal_start(signals, &one);
	torc_signal_start(signals, &two);
	return 0;
}

static void
the_wrong_shard_and_a_second_waiter_are_named(void **unused)
{
	(void)unused;
	assert_says(
		last_words_of_run(open_everywhere, NULL, 2), "shard 0 alone");
	assert_says(
		last_words_of_run(start_twice, NULL, 1), "waited for again");
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
		WITH_TORC(who_sent_it_and_its_value_are_told),
		WITH_TORC(the_end_of_a_child_is_told_and_its_status_left),
		WITH_TORC(a_signal_has_one_taker_at_a_time),
		WITH_TORC(what_other_threads_do_not_block_is_refused),
		WITH_TORC(who_closed_takes_nothing_from_who_opened_next),
		WITH_TORC(what_was_not_taken_does_not_strike_later),
		WITH_TORC(pipes_and_signals_end_in_any_order),
		WITH_TORC(queued_ones_come_in_order_with_their_values),
		WITH_TORC(
			a_storm_is_one_signal_or_many_and_none_comes_too_late),
		WITH_TORC(of_a_queued_storm_none_is_lost),
		WITH_TORC(an_interrupt_wakes_who_waits_for_it_once),
		WITH_TORC(an_interrupt_may_be_selected_on_or_cancelled),
		LEFT_OPEN(an_interrupt_may_be_waited_for_at_the_end),
		cmocka_unit_test(the_second_interrupt_ends_the_process),
		cmocka_unit_test(the_wrong_shard_and_a_second_waiter_are_named),
	};

	return cmocka_run_group_tests_name("core/io/signal", tests, NULL, NULL);
}
