/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_WAITS_H
#define TORC_TESTS_CORE_WAITS_H

/*
 * waits - one table of calls that wait, each interrupted in every way
 *
 * A row says how to make what is waited for, the call, what brings it about,
 * and how to take everything down again. Each row goes through all ways of
 * enum wait_way; after each the shard must be quiet, with no descriptor, no
 * receive buffer, no timer and no operation more than before.
 */

#include "tests/core/io/fixture.h"

enum wait_way {
	WAIT_DONE,              /* not interrupted at all */
	WAIT_NOT_BEGUN,         /* cancelled before the call */
	WAIT_IN_FLIGHT,         /* cancelled while it waits */
	WAIT_TIMED_OUT,         /* a deadline passes while it waits */
	WAIT_DONE_AND_CANCELED, /* both in one turn */
	WAIT_CANCELED_AND_DONE,
	WAIT_WAYS
};

/* What may come of a wait in flight that is interrupted. */
enum wait_kind {
	WAIT_HURRIES,    /* -ECANCELED */
	WAIT_MAY_FINISH, /* or a success: it was too far on its way */
};

struct wait_row {
	const char *name;
	void (*arrange)(void);
	/* 0 or more is a success, which it gives back itself. */
	int64_t (*wait)(void);
	/* Brings it about; NULL: the time does, after wait_span_ns(). */
	void (*complete)(void);
	void (*clear)(void); /* and proves that nothing was lost or kept */
	enum wait_kind kind;
};

#define WAIT_HOUR_NS (3600 * TORC_S)
#define WAIT_SOON_NS (20 * TORC_MS)

static enum wait_way wait_way;
static int64_t wait_result;
static uint64_t wait_due_ns;

static inline bool
wait_completes(void)
{
	return wait_way == WAIT_DONE || wait_way >= WAIT_DONE_AND_CANCELED;
}

/* For waits that only time ends. */
static inline uint64_t
wait_span_ns(void)
{
	wait_due_ns = torc_clock_ns() + WAIT_SOON_NS;
	return wait_completes() ? WAIT_SOON_NS : WAIT_HOUR_NS;
}

static inline void
wait_complete(const struct wait_row *row)
{
	if (row->complete != NULL)
		row->complete();
	else
		while (torc_clock_ns() < wait_due_ns + TORC_MS)
			;
}

static inline int
wait_in_task(void *arg)
{
	const struct wait_row *row = arg;
	struct torc_deadline scope;

	if (wait_way == WAIT_TIMED_OUT)
		torc_deadline_begin(&scope, 2 * TORC_MS);
	wait_result = row->wait();
	if (wait_way == WAIT_TIMED_OUT)
		torc_deadline_end(&scope);
	return 0;
}

/* Enough for what the wait starts to be with the kernel. */
static inline void
wait_begin(const struct wait_row *row, struct torc_task *task)
{
	for (int i = 0; i < 3; i++)
		turn();
	/* A row whose wait does not wait would prove nothing. */
	if (wait_way == WAIT_IN_FLIGHT && row->kind == WAIT_HURRIES)
		must(!torc_task_is_done(task));
}

static inline void
wait_interrupt(const struct wait_row *row, struct torc_task *task)
{
	if (wait_way == WAIT_NOT_BEGUN) {
		torc_cancel(task);
		return;
	}
	wait_begin(row, task);
	if (wait_way == WAIT_IN_FLIGHT || wait_way == WAIT_CANCELED_AND_DONE)
		torc_cancel(task);
	if (wait_completes())
		wait_complete(row);
	if (wait_way == WAIT_DONE_AND_CANCELED)
		torc_cancel(task);
}

static inline void
wait_check(const struct wait_row *row)
{
	bool is_success = wait_result >= 0;

	switch (wait_way) {
	case WAIT_DONE:
		must(is_success);
		break;
	case WAIT_NOT_BEGUN:
		must_be(wait_result, -ECANCELED);
		break;
	case WAIT_IN_FLIGHT:
		must(wait_result == -ECANCELED ||
			(is_success && row->kind == WAIT_MAY_FINISH));
		break;
	case WAIT_TIMED_OUT:
		must(wait_result == -ETIMEDOUT ||
			(is_success && row->kind == WAIT_MAY_FINISH));
		break;
	case WAIT_DONE_AND_CANCELED:
	case WAIT_CANCELED_AND_DONE:
		must(wait_result == -ECANCELED || is_success);
		break;
	case WAIT_WAYS:
		must(false);
	}
}

static inline void
wait_one(const struct wait_row *row, enum wait_way way)
{
	static const char *const names[] = { "done", "not begun", "in flight",
		"timed out", "done, then cancelled", "cancelled, then done" };
	unsigned fds_before = fds_count();
	uint64_t timers_before = torc__shard->wheel.timers_count;
	struct torc_task *task;

	/* What a failure shows last. */
	printf("%s: %s\n", row->name, names[way]);
	fflush(stdout);
	wait_way = way;
	row->arrange();
	must_be(torc_spawn(&task, wait_in_task, (void *)(uintptr_t)row), 0);
	wait_interrupt(row, task);
	must_be(torc_join(task, NULL), 0);
	wait_check(row);
	row->clear();
	wait_until(is_shard_quiet() && fds_count() == fds_before);
	must_be(torc__shard->wheel.timers_count, timers_before);
}

static inline void
wait_every_way(const struct wait_row *rows, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned way = 0; way < WAIT_WAYS; way++)
			wait_one(&rows[i], (enum wait_way)way);
}

/* A case, for WITH_TORC(): all of `rows` in every way. */
#define WAIT_CASE(case_name, rows)                                    \
	static int case_name(void *unused)                            \
	{                                                             \
		(void)unused;                                         \
		wait_every_way(rows, sizeof(rows) / sizeof(rows[0])); \
		return 0;                                             \
	}

#endif /* TORC_TESTS_CORE_WAITS_H */
