/* SPDX-License-Identifier: MIT */
/*
 * Goal    A call that blocks runs on a thread that may, exactly once or not
 *         at all as its result says; threads and queue stay within their
 *         bounds, and when torc_run() returns no thread and no job is left.
 * Method  The real kernel, and gates that the tests open: a job blocks in one
 *         until the test has seen what it wants to see. What ends the process
 *         happens in a child.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/core/io/fixture.h"
#include "tests/support/fake_shard.h"

#define JOBS_MAX 10000
#define NOBODY 65534

/* What a job does: it waits for its gate and leaves its number. */
struct gated {
	sem_t *gate; /* NULL: it does not wait */
	int number;
};

static sem_t gate;
static int ran[JOBS_MAX];
static atomic_int ran_count, inside, inside_max;

static int
set_up(void **state)
{
	(void)state;
	ran_count = 0;
	inside = 0;
	inside_max = 0;
	return sem_init(&gate, 0, 0);
}

static void
open_gate(unsigned count)
{
	while (count-- > 0)
		must_be(sem_post(&gate), 0);
}

static int
run_gated(void *arg)
{
	struct gated *gated = arg;
	int now = atomic_fetch_add(&inside, 1) + 1;
	int most = atomic_load(&inside_max);

	while (now > most &&
		!atomic_compare_exchange_weak(&inside_max, &most, now))
		continue;
	while (gated->gate != NULL && sem_wait(gated->gate) != 0)
		continue;
	ran[atomic_fetch_add(&ran_count, 1)] = gated->number;
	atomic_fetch_sub(&inside, 1);
	return gated->number;
}

static struct torc_blocking_counts
counts(void)
{
	struct torc_blocking_counts now;

	torc_blocking_counts(&now);
	return now;
}

static unsigned
threads_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	must(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

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

/* The only thread is in its gate; `count` jobs wait behind it. */
static void
start_behind_gate(struct torc_blocking *jobs, struct gated *gated, int count)
{
	for (int i = 0; i <= count; i++) {
		gated[i] = (struct gated){ .gate = i == 0 ? &gate : NULL,
			.number = i };
		torc_blocking_start(&jobs[i], run_gated, &gated[i]);
	}
	wait_until(counts().running == 1);
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
a_job_cancelled_before_a_thread_took_it_never_starts(void *unused)
{
	struct torc_blocking jobs[4];
	struct gated gated[4];

	(void)unused;
	start_behind_gate(jobs, gated, 3);
	torc_future_cancel(&jobs[2].done);
	must(torc_future_is_ready(&jobs[2].done));
	must_be(torc_await(&jobs[2].done), -ECANCELED);
	must_be(counts().queued, 2);
	open_gate(1);
	must_be(torc_await(&jobs[1].done), 0);
	must_be(torc_await(&jobs[3].done), 0);
	must_be(torc_await(&jobs[0].done), 0);
	must_be(atomic_load(&ran_count), 3);
	must_be(ran[2], 3);
	return 0;
}

static int
a_deadline_that_passes_in_the_queue_says_so(void *unused)
{
	struct gated gated = { .gate = &gate }, late = { .number = 1 };
	struct torc_deadline deadline;
	struct torc_blocking job;

	(void)unused;
	torc_blocking_start(&job, run_gated, &gated);
	wait_until(counts().running == 1);
	torc_deadline_begin(&deadline, TORC_MS);
	must_be(torc_blocking(run_gated, &late, NULL), -ETIMEDOUT);
	must_be(torc_blocking(run_gated, &late, NULL), -ETIMEDOUT);
	must_be(counts().queued, 0);
	torc_deadline_end(&deadline);
	open_gate(1);
	must_be(torc_await(&job.done), 0);
	must_be(atomic_load(&ran_count), 1);
	return 0;
}

static int
a_job_that_runs_is_waited_for_whatever_its_caller_wants(void *unused)
{
	struct gated gated = { .gate = &gate, .number = 9 };
	struct torc_blocking job;

	(void)unused;
	torc_blocking_start(&job, run_gated, &gated);
	wait_until(counts().running == 1);
	torc_future_cancel(&job.done);
	torc_future_cancel(&job.done);
	must_be(torc_sleep(TORC_MS), 0);
	must(!torc_future_is_ready(&job.done));
	open_gate(1);
	must_be(torc_await(&job.done), 0);
	must_be(job.result, 9);
	return 0;
}

static int
call_when_cancelled(void *arg)
{
	must_be(torc_blocking(run_gated, arg, NULL), -ECANCELED);
	must_be(torc_blocking_try(run_gated, arg, NULL), -ECANCELED);
	return 0;
}

static int
a_cancelled_task_starts_nothing(void *unused)
{
	struct gated gated = { .number = 1 };
	struct torc_task *task;

	(void)unused;
	must_be(torc_spawn(&task, call_when_cancelled, &gated), 0);
	torc_cancel_join(task, NULL);
	must_be(atomic_load(&ran_count), 0);
	must_be(counts().threads, 0);
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

/* Each job ran, or its value says that it did not. */
static int
a_storm_of_cancels_leaves_no_doubt_what_ran(void *unused)
{
	enum { COUNT = 2000 };
	static struct torc_blocking jobs[COUNT];
	static struct gated gated[COUNT];
	int done = 0;

	(void)unused;
	for (int i = 0; i < COUNT; i++) {
		gated[i] = (struct gated){ .number = i };
		torc_blocking_start(&jobs[i], run_gated, &gated[i]);
		if (random_u64() % 2)
			torc_future_cancel(
				&jobs[random_size((size_t)i + 1) - 1].done);
		if (random_u64() % 64 == 0)
			must_be(torc_yield(), 0);
	}
	for (int i = 0; i < COUNT; i++) {
		int64_t value = torc_await(&jobs[i].done);

		must(value == 0 || value == -ECANCELED);
		done += value == 0;
	}
	must_be(atomic_load(&ran_count), done);
	must_be(counts().queued, 0);
	wait_until(counts().running == 0);
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

/* What stays when the main task returns. */
static int
sleep_and_count(void *arg)
{
	(void)arg;
	usleep(20000);
	atomic_fetch_add(&ran_count, 1);
	return 0;
}

static int
wait_for_slow_job(void *arg)
{
	(void)arg;
	return torc_blocking(sleep_and_count, NULL, NULL);
}

static int
leave_a_job_that_runs(void *arg)
{
	(void)arg;
	must_be(torc_spawn(NULL, wait_for_slow_job, NULL), 0);
	wait_until(counts().running == 1);
	return 5;
}

static void
the_end_waits_for_a_job_that_runs(void **state)
{
	unsigned threads_before = threads_count();

	(void)state;
	for (unsigned shards = 1; shards <= 2; shards++) {
		struct torc_options options = { .shards = shards };

		atomic_store(&ran_count, 0);
		must_be(torc_run(&options, leave_a_job_that_runs, NULL), 5);
		must_be(atomic_load(&ran_count), 1);
		must_be(threads_count(), threads_before);
	}
}

static void
open_gate_when_cancelled(struct torc_future *done)
{
	must_be(done->value, -ECANCELED);
	open_gate(1);
}

/* Functions wait for these, no task; the first returns after the second. */
static struct torc_blocking left_running, left_queued;

static int
run_gated_for_long(void *arg)
{
	int ret = run_gated(arg);

	usleep(20000);
	return ret;
}

static int
leave_a_job_that_waits(void *arg)
{
	static struct gated gated = { .gate = &gate }, late = { .number = 1 };

	(void)arg;
	torc_blocking_start(&left_running, run_gated_for_long, &gated);
	torc_blocking_start(&left_queued, run_gated, &late);
	torc_future_then(&left_queued.done, open_gate_when_cancelled, NULL);
	wait_until(counts().running == 1);
	return 0;
}

static void
the_end_starts_no_job_that_nobody_waits_for(void **state)
{
	struct torc_options options = { .shards = 2,
		.blocking_threads_max = 1 };

	(void)state;
	alarm(CASE_SECONDS_MAX);
	must_be(torc_run(&options, leave_a_job_that_waits, NULL), 0);
	alarm(0);
	must_be(atomic_load(&ran_count), 1);
	must(torc_future_is_ready(&left_running.done));
	must_be(left_running.done.value, 0);
}

static int
clean_up(void *arg)
{
	struct torc_shield shield;
	int result = 0;

	(void)arg;
	must_be(torc_sleep(TORC_S * 3600), -ECANCELED);
	torc_shield_begin(&shield);
	must_be(torc_blocking(add_number, (void *)1, &result), 0);
	must_be(result, 1);
	torc_shield_end(&shield);
	return 0;
}

static int
leave_a_task_that_cleans_up(void *arg)
{
	(void)arg;
	sum = 0;
	must_be(torc_spawn(NULL, clean_up, NULL), 0);
	return torc_yield();
}

static void
clean_up_at_the_end_may_still_block(void **state)
{
	(void)state;
	must_be(torc_run(&(struct torc_options){ .shards = 2 },
			leave_a_task_that_cleans_up, NULL),
		0);
	must_be(atomic_load(&sum), 1);
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
	char text[4096];
	int status = run_in_child(run_without_threads, text, sizeof(text));

	(void)state;
	print_message("%s", text);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_non_null(strstr(text, "raise ulimit -u"));
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
run_a_job_that_sleeps(void)
{
	return torc_run(&(struct torc_options){ .shards = 1 },
		call_a_job_that_sleeps, NULL);
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
	char text[4096];
	int status = run_in_child(run_a_job_that_sleeps, text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	assert_non_null(strstr(text, "a sleep outside a task"));
	status = run_in_child(block_outside, text, sizeof(text));
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	assert_non_null(strstr(text, "a blocking call outside of torc_run()"));
}

/* The C library keeps what belongs to a thread's stack for the next one. */
static int
make_many_threads(void *arg)
{
	static struct gated gated = { .gate = &gate };
	struct torc_blocking jobs[20];

	(void)arg;
	for (int i = 0; i < 20; i++)
		torc_blocking_start(&jobs[i], run_gated, &gated);
	wait_until(atomic_load(&inside) == 20);
	open_gate(20);
	for (int i = 0; i < 20; i++)
		must_be(torc_await(&jobs[i].done), 0);
	return 0;
}

static int
fill_stack_cache(void **state)
{
	set_up(state);
	return torc_run(
		&(struct torc_options){ .shards = 2 }, make_many_threads, NULL);
}

/* On one shard; the queue takes 2 jobs where there is one thread. */
#define THREADS(fn_, threads, ...)                                         \
	{                                                                  \
		.name = #fn_, .test_func = run_case, .setup_func = set_up, \
		.initial_state = &(struct torc_case)                       \
		{                                                          \
			.fn = fn_, .options = {                            \
				.blocking_threads_max = threads,           \
				.blocking_queue_max = 2,                   \
				##__VA_ARGS__                              \
			}                                                  \
		}                                                          \
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
		THREADS(a_job_cancelled_before_a_thread_took_it_never_starts,
			1),
		THREADS(a_deadline_that_passes_in_the_queue_says_so, 1),
		THREADS(a_job_that_runs_is_waited_for_whatever_its_caller_wants,
			0),
		THREADS(a_cancelled_task_starts_nothing, 0),
		THREADS(threads_are_made_when_needed_and_never_too_many, 4),
		THREADS(a_thread_that_is_idle_for_long_ends, 0,
			.blocking_idle_ns = TORC_MS),
		THREADS(a_storm_of_cancels_leaves_no_doubt_what_ran, 3),
		THREADS(ten_thousand_jobs_of_two_shards_each_run_once, 4,
			.shards = 2),
		cmocka_unit_test_setup(
			the_end_waits_for_a_job_that_runs, set_up),
		cmocka_unit_test_setup(
			the_end_starts_no_job_that_nobody_waits_for, set_up),
		cmocka_unit_test_setup(
			clean_up_at_the_end_may_still_block, set_up),
		cmocka_unit_test_setup(
			without_any_thread_it_says_so_and_with_one_it_goes_on,
			set_up),
		cmocka_unit_test_setup(a_mistake_is_named, set_up),
	};

	sched_getaffinity(0, sizeof(cpus_before), &cpus_before);
	return cmocka_run_group_tests_name(
		"core/blocking", tests, fill_stack_cache, NULL);
}
