/* SPDX-License-Identifier: MIT */
/*
 * Goal    Many read or one writes, in the order of the calls; a cancelled
 *         writer no longer stops the readers behind it.
 * Method  Real tasks on a fake engine; they write down what they get.
 */
#include <torc/core/sync/rwlock.h>

#include "tests/core/sync/support.h"

static struct torc_rwlock lock;

static int
reader(void *name)
{
	int ret = torc_rwlock_read(&lock);

	trace("%s-%s", (char *)name, ending(ret));
	if (ret < 0)
		return ret;
	torc_sleep(TORC_MS);
	trace("%s-", (char *)name);
	torc_rwlock_unlock_read(&lock);
	return 0;
}

static int
writer(void *name)
{
	int ret = torc_rwlock_write(&lock);

	trace("%s-%s", (char *)name, ending(ret));
	if (ret < 0)
		return ret;
	torc_sleep(TORC_MS);
	trace("%s-", (char *)name);
	torc_rwlock_unlock_write(&lock);
	return 0;
}

/* Lower case reads, upper case writes. */
static void
spawn_all(const char *const *names)
{
	for (; *names != NULL; names++)
		assert_int_equal(
			torc_spawn(NULL, **names >= 'a' ? reader : writer,
				(void *)(uintptr_t)*names),
			0);
}

static int
mix(void *arg)
{
	static const char *const names[] = { "a", "b", "W", "c", "d", "X", "Y",
		"e", NULL };

	(void)arg;
	spawn_all(names);
	return 0;
}

static void
readers_share_and_nobody_overtakes_a_writer(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, mix, NULL);

	assert_string_equal(f->trace,
		"a-ok b-ok a- b- W-ok W- c-ok d-ok c- d- X-ok X- Y-ok Y- "
		"e-ok e-");
	torc_rwlock_fini(&lock);
}

static int
try_all(void *arg)
{
	(void)arg;
	assert_int_equal(torc_rwlock_try_read(&lock), 0);
	assert_int_equal(torc_rwlock_try_read(&lock), 0);
	assert_int_equal(torc_rwlock_try_write(&lock), -EAGAIN);
	assert_int_equal(torc_spawn(NULL, writer, "W"), 0);
	let_others_wait();
	/* Fair: the writer that waits comes first. */
	assert_int_equal(torc_rwlock_try_read(&lock), -EAGAIN);
	torc_rwlock_unlock_read(&lock);
	torc_rwlock_unlock_read(&lock);
	assert_int_equal(torc_rwlock_try_read(&lock), -EAGAIN);
	assert_int_equal(torc_sleep(2 * TORC_MS), 0);
	assert_int_equal(torc_rwlock_try_write(&lock), 0);
	assert_int_equal(torc_rwlock_try_read(&lock), -EAGAIN);
	torc_rwlock_unlock_write(&lock);
	return 0;
}

static void
a_try_never_waits_and_never_overtakes(void **state)
{
	assert_trace(*state, try_all, NULL, "W-ok W-");
}

static int
cancel_the_writer(void *arg)
{
	struct torc_task *task, *early;

	(void)arg;
	assert_int_equal(torc_rwlock_read(&lock), 0);
	task = fake_shard_spawn(writer, "W");
	assert_int_equal(torc_spawn(NULL, reader, "a"), 0);
	assert_int_equal(torc_spawn(NULL, reader, "b"), 0);
	early = fake_shard_spawn(reader, "early");
	torc_cancel(early);
	let_others_wait();
	torc_cancel_join(task, NULL);
	assert_int_equal(torc_join(early, NULL), 0);
	let_others_wait();
	torc_rwlock_unlock_read(&lock);
	return 0;
}

static void
a_cancelled_writer_lets_the_readers_behind_it_in(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_the_writer, NULL);

	assert_string_equal(
		f->trace, "early-canceled W-canceled a-ok b-ok a- b-");
	torc_rwlock_fini(&lock);
}

static int
cancel_after_the_hand_over(void *arg)
{
	struct torc_task *tasks[2];

	(void)arg;
	assert_int_equal(torc_rwlock_write(&lock), 0);
	tasks[0] = fake_shard_spawn(reader, "a");
	tasks[1] = fake_shard_spawn(writer, "W");
	let_others_wait();
	torc_rwlock_unlock_write(&lock);
	torc_cancel(tasks[0]);
	assert_int_equal(torc_join(tasks[0], NULL), 0);
	/* The reader's sleep was cut short, its unlock has let W in. */
	torc_cancel(tasks[1]);
	assert_int_equal(torc_join(tasks[1], NULL), 0);
	return 0;
}

static void
a_lock_that_came_before_the_cancel_is_held(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_after_the_hand_over, NULL);

	assert_string_equal(f->trace, "a-ok a- W-ok W-");
	torc_rwlock_fini(&lock);
}

static int
downgrade(void *arg)
{
	static const char *const names[] = { "a", "b", "W", "c", NULL };

	(void)arg;
	assert_int_equal(torc_rwlock_write(&lock), 0);
	spawn_all(names);
	let_others_wait();
	torc_rwlock_downgrade(&lock);
	trace("down");
	assert_int_equal(torc_sleep(3 * TORC_MS), 0);
	trace("up");
	torc_rwlock_unlock_read(&lock);
	return 0;
}

static void
a_downgrade_lets_readers_in_and_no_writer(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, downgrade, NULL);

	assert_string_equal(
		f->trace, "down a-ok b-ok a- b- up W-ok W- c-ok c-");
	torc_rwlock_fini(&lock);
}

static int
select_on_both(void *arg)
{
	struct torc_waiter waiters[2];
	struct torc_future *futures[] = { &waiters[0].done, &waiters[1].done };
	struct torc_deadline scope;

	(void)arg;
	assert_int_equal(torc_spawn(NULL, writer, "W"), 0);
	let_others_wait();
	torc_deadline_begin(&scope, TORC_MS / 2);
	trace("%s", ending(torc_rwlock_read(&lock)));
	torc_deadline_end(&scope);
	torc_rwlock_write_start(&lock, &waiters[0]);
	torc_rwlock_read_start(&lock, &waiters[1]);
	assert_int_equal(torc_select(futures, 2), 0);
	trace("%s %s", ending(waiters[0].done.value),
		ending(waiters[1].done.value));
	torc_rwlock_unlock_write(&lock);
	torc_rwlock_fini(&lock);
	return 0;
}

static void
both_can_be_selected_on_and_bounded_by_a_deadline(void **state)
{
	assert_trace(*state, select_on_both, NULL, "W-ok late W- ok canceled");
}

/* ---- mistakes ---- */

static int
make(void *arg)
{
	const char *what = arg;

	torc_task_name_set("anna");
	if (strchr(what, 'w') != NULL)
		assert_int_equal(torc_rwlock_write(&lock), 0);
	if (strchr(what, 'r') != NULL)
		assert_int_equal(torc_rwlock_read(&lock), 0);
	switch (what[strlen(what) - 1]) {
	case 'u':
		torc_rwlock_unlock_read(&lock);
		break;
	case 'U':
		torc_rwlock_unlock_write(&lock);
		break;
	case 'd':
		torc_rwlock_downgrade(&lock);
		break;
	case 'f':
		torc_rwlock_fini(&lock);
		break;
	}
	return 0;
}

static int
unlock_anothers(void *arg)
{
	assert_int_equal(torc_rwlock_write(&lock), 0);
	torc_task_name_set("bert");
	assert_int_equal(torc_spawn(NULL, make, arg), 0);
	return torc_sleep(TORC_S);
}

static int
write_twice(void *arg)
{
	torc_task_name_set("anna");
	assert_int_equal(torc_rwlock_write(&lock), 0);
	return arg != NULL ? torc_rwlock_read(&lock) : torc_rwlock_write(&lock);
}

static int
end_while_it_waits(void *arg)
{
	static struct torc_waiter waiter;

	if (arg != NULL) {
		assert_int_equal(torc_rwlock_read(&lock), 0);
		assert_int_equal(torc_spawn(NULL, end_while_it_waits, NULL), 0);
		return torc_sleep(TORC_S);
	}
	torc_task_name_set("carl");
	torc_rwlock_write_start(&lock, &waiter);
	return 0;
}

static void
a_mistake_is_named_with_who_made_it(void **state)
{
	(void)state;
	assert_mistake(make, "u", "task anna", "nobody reads");
	assert_mistake(make, "wu", "task anna", "nobody reads");
	assert_mistake(make, "U", "task anna", "nobody writes");
	assert_mistake(make, "rU", "task anna", "nobody writes");
	assert_mistake(make, "rd", "task anna", "nobody writes");
	assert_mistake(make, "wf", "task anna", "rwlock ends");
	assert_mistake(make, "rf", "1 tasks read", "rwlock ends");
	assert_mistake(unlock_anothers, "U", "not task anna", "task bert");
	assert_mistake(unlock_anothers, "d", "not task anna", "task bert");
	assert_mistake(write_twice, NULL, "task anna", "locks once more");
	assert_mistake(write_twice, "", "task anna", "locks once more");
	assert_mistake(make, "w", "task anna ended holding 1 lock", "");
	assert_mistake(end_while_it_waits, "", "task carl ended", "waiting");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(readers_share_and_nobody_overtakes_a_writer),
		WITH_SHARD(a_try_never_waits_and_never_overtakes),
		WITH_SHARD(a_cancelled_writer_lets_the_readers_behind_it_in),
		WITH_SHARD(a_lock_that_came_before_the_cancel_is_held),
		WITH_SHARD(a_downgrade_lets_readers_in_and_no_writer),
		WITH_SHARD(both_can_be_selected_on_and_bounded_by_a_deadline),
		cmocka_unit_test(a_mistake_is_named_with_who_made_it),
	};

	return cmocka_run_group_tests_name(
		"core/sync/rwlock", tests, NULL, NULL);
}
