/* SPDX-License-Identifier: MIT */
/*
 * Goal    A call that blocks runs on a thread that may, exactly once; threads
 *         and queue stay within their bounds, and without any thread it says
 *         so.
 * Method  The real kernel, and gates that the tests open: a job blocks in one
 *         until the test has seen what it wants to see. What ends the process
 *         happens in a child.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/core/blocking_fixture.h"
#include "tests/support/child.h"

#define NOBODY 65534

/* A thread of its own. */
struct seen {
	pid_t tid;
	char name[16];
	cpu_set_t cpus;
	sigset_t blocked;
};

static int
look_around(void *arg)
{
	struct seen *seen = arg;

	seen->tid = gettid();
	pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	sched_getaffinity(0, sizeof(seen->cpus), &seen->cpus);
	pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
	return 42;
}

static cpu_set_t cpus_before;

static int
a_job_runs_on_a_thread_with_a_name_and_no_signals(void *unused)
{
	struct seen seen = { 0 };
	int result = 0;

	(void)unused;
	must_be(torc_blocking(look_around, &seen, &result), 0);
	must_be(result, 42);
	must(seen.tid != gettid());
	must_be(strcmp(seen.name, "torc-block-0"), 0);
	must(CPU_EQUAL(&seen.cpus, &cpus_before));
	must(sigismember(&seen.blocked, SIGTERM));
	must(sigismember(&seen.blocked, SIGCHLD));
	must(!sigismember(&seen.blocked, SIGSEGV));
	return 0;
}

static int
the_shard_goes_on_while_a_job_blocks(void *unused)
{
	struct gated gated = { .gate = &gate, .number = 7 };
	struct torc_blocking job;

	(void)unused;
	torc_blocking_start(&job, run_gated, &gated);
	must_be(torc_sleep(TORC_MS), 0);
	must(!torc_future_is_ready(&job.done));
	open_gate(1);
	must_be(torc_await(&job.done), 0);
	must_be(job.result, 7);
	return 0;
}

static int
a_result_that_nobody_wants_may_be_left(void *unused)
{
	struct gated gated = { .number = -5 };

	(void)unused;
	must_be(torc_blocking(run_gated, &gated, NULL), 0);
	must_be(atomic_load(&ran_count), 1);
	return 0;
}

static int
jobs_are_taken_in_the_order_they_came(void *unused)
{
	struct torc_blocking jobs[101];
	struct gated gated[101];

	(void)unused;
	start_behind_gate(jobs, gated, 100);
	open_gate(1);
	for (int i = 0; i <= 100; i++) {
		must_be(torc_await(&jobs[i].done), 0);
		must_be(jobs[i].result, i);
		must_be(ran[i], i);
	}
	return 0;
}

static int
call_gated(void *arg)
{
	struct gated *gated = arg;
	int result = -1;

	must_be(torc_blocking(run_gated, gated, &result), 0);
	must_be(result, gated->number);
	return 0;
}

static int
a_full_queue_makes_its_callers_wait_their_turn(void *unused)
{
	struct gated gated[6], late = { .number = 6 };
	struct torc_group callers;
	int result = -1;

	(void)unused;
	torc_group_init(&callers);
	for (int i = 0; i < 6; i++) {
		gated[i] = (struct gated){ .gate = &gate, .number = i };
		must_be(torc_group_spawn(&callers, call_gated, &gated[i]), 0);
	}
	wait_until(counts().running == 1 && counts().waiting == 3);
	must_be(counts().queued, 2);
	must_be(torc_blocking_try(run_gated, &late, &result), -EAGAIN);
	open_gate(6);
	must_be(torc_group_join(&callers), 0);
	for (int i = 0; i < 6; i++)
		must_be(ran[i], i);
	must_be(torc_blocking_try(run_gated, &late, &result), 0);
	must_be(result, 6);
	return 0;
}

static int
threads_are_made_when_needed_and_never_too_many(void *unused)
{
	static struct gated gated[20];
	struct torc_blocking jobs[20];
	unsigned threads_before = threads_count();

	(void)unused;
	for (int i = 0; i < 20; i++) {
		gated[i] = (struct gated){ .gate = &gate };
		torc_blocking_start(&jobs[i], run_gated, &gated[i]);
	}
	wait_until(atomic_load(&inside) == 4);
	must_be(counts().threads, 4);
	must_be(threads_count() - threads_before, 4);
	open_gate(20);
	for (int i = 0; i < 20; i++)
		must_be(torc_await(&jobs[i].done), 0);
	must_be(atomic_load(&inside_max), 4);
	wait_until(counts().idle == 4);
	must_be(torc_blocking(run_gated, &(struct gated){ 0 }, NULL), 0);
	must_be(counts().threads, 4);
	return 0;
}

static int
a_thread_that_is_idle_for_long_ends(void *unused)
{
	struct gated gated = { .number = 3 };
	unsigned threads_before = threads_count();

	(void)unused;
	for (int i = 0; i < 3; i++) {
		must_be(torc_blocking(run_gated, &gated, NULL), 0);
		wait_until(counts().threads == 0);
	}
	wait_until(threads_count() == threads_before);
	must_be(atomic_load(&ran_count), 3);
	return 0;
}

/* 10,000 jobs from two shards. */
static atomic_llong sum;

static int
add_number(void *arg)
{
	atomic_fetch_add(&sum, (intptr_t)arg);
	return 1;
}

static int
call_many(void *arg)
{
	intptr_t first = (intptr_t)arg;
	int result;

	for (intptr_t i = first; i < first + 50; i++) {
		result = 0;
		must_be(torc_blocking(add_number, (void *)i, &result), 0);
		must_be(result, 1);
	}
	return 0;
}

static int
call_from_many_tasks(void *unused)
{
	struct torc_group group;

	(void)unused;
	torc_group_init(&group);
	for (intptr_t i = 0; i < 100; i++)
		must_be(torc_group_spawn(&group, call_many, (void *)(i * 50)),
			0);
	return torc_group_join(&group);
}

static int
ten_thousand_jobs_of_two_shards_each_run_once(void *unused)
{
	(void)unused;
	sum = 0;
	must_be(torc_run_on_shards(call_from_many_tasks, NULL), 0);
	must_be(atomic_load(&sum), 2LL * 4999 * 5000 / 2);
	must_be(counts().jobs, 10000);
	must(counts().threads <= 4);
	return 0;
}

/* Without threads: as a user that has as many as he may. */
static void
allow_threads(rlim_t count)
{
	struct rlimit limit;

	must_be(getrlimit(RLIMIT_NPROC, &limit), 0);
	limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
	must_be(setrlimit(RLIMIT_NPROC, &limit), 0);
}

static int
call_without_threads(void *arg)
{
	struct torc_blocking jobs[8];
	struct gated gated = { .gate = &gate };

	(void)arg;
	allow_threads(1);
	must_be(torc_blocking(run_gated, &gated, NULL), -EAGAIN);
	torc__blocking_start_lookup(&jobs[0], run_gated, &gated);
	must_be(torc_await(&jobs[0].done), -EAGAIN);
	must_be(counts().threads, 0);
	must_be(counts().queued, 0);
	allow_threads(RLIM_INFINITY);
	torc_blocking_start(&jobs[0], run_gated, &gated);
	wait_until(counts().running == 1);
	allow_threads(1);
	for (int i = 1; i < 8; i++)
		torc_blocking_start(&jobs[i], run_gated, &gated);
	open_gate(8);
	for (int i = 0; i < 8; i++)
		must_be(torc_await(&jobs[i].done), 0);
	must_be(counts().threads, 1);
	return 0;
}

static int
run_without_threads(void)
{
	struct torc_options options = { .shards = 1, .engine = "epoll" };

	alarm(20);
	if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return 1;
	return torc_run(&options, call_without_threads, NULL);
}

static void
without_any_thread_it_says_so_and_with_one_it_goes_on(void **state)
{
	const char *text = child_text(run_without_threads, 0);

	(void)state;
	print_message("%s", text);
	assert_says(text, "raise ulimit -u");
	/* Said once. */
	assert_null(strstr(strstr(text, "raise") + 1, "raise"));
}

static int
sleep_in_job(void *arg)
{
	(void)arg;
	return torc_sleep(1);
}

static int
call_a_job_that_sleeps(void *arg)
{
	(void)arg;
	return torc_blocking(sleep_in_job, NULL, NULL);
}

static int
block_outside(void)
{
	struct torc_blocking job;

	torc_blocking_start(&job, sleep_in_job, NULL);
	return 0;
}

static void
a_mistake_is_named(void **state)
{
	(void)state;
	assert_says(last_words_of_run(call_a_job_that_sleeps, NULL, 1),
		"a sleep outside a task");
	assert_says(last_words(block_outside),
		"a blocking call outside of torc_run()");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		THREADS(a_job_runs_on_a_thread_with_a_name_and_no_signals, 0),
		THREADS(the_shard_goes_on_while_a_job_blocks, 0),
		THREADS(a_result_that_nobody_wants_may_be_left, 0),
		THREADS(jobs_are_taken_in_the_order_they_came, 1),
		THREADS(a_full_queue_makes_its_callers_wait_their_turn, 1),
		THREADS(threads_are_made_when_needed_and_never_too_many, 4),
		THREADS(a_thread_that_is_idle_for_long_ends, 0,
			.blocking_idle_ns = TORC_MS),
		THREADS(ten_thousand_jobs_of_two_shards_each_run_once, 4,
			.shards = 2),
		cmocka_unit_test_setup(
			without_any_thread_it_says_so_and_with_one_it_goes_on,
			set_up),
		cmocka_unit_test_setup(a_mistake_is_named, set_up),
	};

	sched_getaffinity(0, sizeof(cpus_before), &cpus_before);
	return cmocka_run_group_tests_name(
		"core/blocking", tests, fill_stack_cache, NULL);
}
