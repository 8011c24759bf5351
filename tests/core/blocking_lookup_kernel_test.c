/* SPDX-License-Identifier: MIT */
/*
 * Goal    Look-ups have a share of the pool's threads, 2 of 8 and 1 of 4, and
 *         leave the others to other jobs; those beyond it wait in order, and
 *         one that is cancelled leaves its place to the next.
 * Method  The real kernel, and gates that keep look-ups on their threads.
 */
#include "tests/core/blocking_fixture.h"

static void
start_lookups(struct torc_blocking *jobs, struct gated *gated, int count)
{
	for (int i = 0; i < count; i++) {
		gated[i] = (struct gated){ .gate = &gate, .number = i };
		torc__blocking_start_lookup(&jobs[i], run_gated, &gated[i]);
	}
}

static int
look_ups_leave_most_threads_to_other_jobs(void *unused)
{
	struct gated gated[20], other = { .number = 99 };
	struct torc_blocking jobs[20];
	int result = 0;

	(void)unused;
	start_lookups(jobs, gated, 20);
	wait_until(atomic_load(&inside) == 2);
	must_be(counts().held, 18);
	must_be(counts().queued, 0);
	for (int i = 0; i < 10; i++)
		must_be(torc_blocking_try(run_gated, &other, &result), 0);
	must_be(result, 99);
	must_be(counts().held, 18);
	open_gate(20);
	for (int i = 0; i < 20; i++)
		must_be(torc_await(&jobs[i].done), 0);
	must_be_at_most(atomic_load(&inside_max), 3);
	return 0;
}

static int
look_ups_beyond_their_share_wait_in_order(void *unused)
{
	struct torc_blocking jobs[50];
	struct gated gated[50];

	(void)unused;
	start_lookups(jobs, gated, 50);
	open_gate(50);
	for (int i = 0; i < 50; i++) {
		must_be(torc_await(&jobs[i].done), 0);
		must_be(jobs[i].result, i);
		must_be(ran[i], i);
	}
	must_be(atomic_load(&inside_max), 1);
	must_be(counts().threads, 1);
	return 0;
}

static int
a_look_up_cancelled_in_line_never_starts(void *unused)
{
	struct torc_blocking jobs[5];
	struct gated gated[5];

	(void)unused;
	start_lookups(jobs, gated, 5);
	wait_until(atomic_load(&inside) == 1);
	for (int i = 1; i < 4; i++) {
		torc_future_cancel(&jobs[i].done);
		must(torc_future_is_ready(&jobs[i].done));
		must_be(torc_await(&jobs[i].done), -ECANCELED);
	}
	must_be(counts().held, 1);
	open_gate(2);
	must_be(torc_await(&jobs[4].done), 0);
	must_be(torc_await(&jobs[0].done), 0);
	must_be(atomic_load(&ran_count), 2);
	must_be(counts().jobs, 2);
	must_be(counts().held, 0);
	return 0;
}

/* All threads are busy: its share is a place in the queue. */
static int
a_look_up_cancelled_in_the_queue_lets_the_next_one_in(void *unused)
{
	struct torc_blocking jobs[4], lookups[3];
	struct gated gated[4], names[3];

	(void)unused;
	for (int i = 0; i < 4; i++) {
		gated[i] = (struct gated){ .gate = &gate, .number = 10 + i };
		torc_blocking_start(&jobs[i], run_gated, &gated[i]);
	}
	wait_until(atomic_load(&inside) == 4);
	start_lookups(lookups, names, 3);
	must_be(counts().queued, 1);
	must_be(counts().held, 2);
	torc_future_cancel(&lookups[0].done);
	must_be(counts().queued, 1);
	must_be(counts().held, 1);
	torc_future_cancel(&lookups[2].done);
	must_be(counts().held, 0);
	open_gate(5);
	must_be(torc_await(&lookups[1].done), 0);
	for (int i = 0; i < 4; i++)
		must_be(torc_await(&jobs[i].done), 0);
	must_be(torc_await(&lookups[0].done), -ECANCELED);
	must_be(torc_await(&lookups[2].done), -ECANCELED);
	must_be(atomic_load(&ran_count), 5);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		THREADS(look_ups_leave_most_threads_to_other_jobs, 8),
		THREADS(look_ups_beyond_their_share_wait_in_order, 4),
		THREADS(a_look_up_cancelled_in_line_never_starts, 7),
		THREADS(a_look_up_cancelled_in_the_queue_lets_the_next_one_in,
			4),
	};

	return cmocka_run_group_tests_name(
		"core/blocking look-ups", tests, fill_stack_cache, NULL);
}
