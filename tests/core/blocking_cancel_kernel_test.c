/* SPDX-License-Identifier: MIT */
/*
 * Goal    A call that blocks and is cancelled, or runs out of time, says
 *         whether it ran: never by half, and never without a word.
 * Method  The real kernel, and gates that keep a job in the queue, or on its
 *         thread, until it was cancelled.
 */
#include "tests/core/blocking_fixture.h"

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
		if (random_u64() % 2)
			torc_blocking_start(&jobs[i], run_gated, &gated[i]);
		else
			torc__blocking_start_lookup(
				&jobs[i], run_gated, &gated[i]);
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
	must_be(counts().held, 0);
	wait_until(counts().running == 0);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		THREADS(a_job_cancelled_before_a_thread_took_it_never_starts,
			1),
		THREADS(a_deadline_that_passes_in_the_queue_says_so, 1),
		THREADS(a_job_that_runs_is_waited_for_whatever_its_caller_wants,
			0),
		THREADS(a_cancelled_task_starts_nothing, 0),
		THREADS(a_storm_of_cancels_leaves_no_doubt_what_ran, 3),
	};

	return cmocka_run_group_tests_name(
		"core/blocking cancel", tests, fill_stack_cache, NULL);
}
