/* SPDX-License-Identifier: MIT */
/*
 * Goal    A cancel or a deadline ends every wait for a lock and its kin, in
 *         whatever moment it comes, and nothing is held afterwards that
 *         nobody has.
 * Method  tests/core/waits.h runs each row in every way, on a real ring.
 */
#include "tests/core/waits.h"

static struct torc_mutex mutex;

static void
arrange_mutex(void)
{
	torc_mutex_init(&mutex);
	must_be(torc_mutex_lock(&mutex), 0);
}

static int64_t
wait_mutex(void)
{
	int ret = torc_mutex_lock(&mutex);

	if (ret == 0)
		torc_mutex_unlock(&mutex);
	return ret;
}

static void
complete_mutex(void)
{
	torc_mutex_unlock(&mutex);
}

static void
clear_mutex(void)
{
	if (!wait_completes())
		torc_mutex_unlock(&mutex);
	must(!torc_mutex_is_locked(&mutex));
	torc_mutex_fini(&mutex);
}

static struct torc_rwlock rwlock;

static void
arrange_written(void)
{
	torc_rwlock_init(&rwlock);
	must_be(torc_rwlock_write(&rwlock), 0);
}

static void
arrange_read(void)
{
	torc_rwlock_init(&rwlock);
	must_be(torc_rwlock_read(&rwlock), 0);
}

static int64_t
wait_read(void)
{
	int ret = torc_rwlock_read(&rwlock);

	if (ret == 0)
		torc_rwlock_unlock_read(&rwlock);
	return ret;
}

static int64_t
wait_write(void)
{
	int ret = torc_rwlock_write(&rwlock);

	if (ret == 0)
		torc_rwlock_unlock_write(&rwlock);
	return ret;
}

static void
complete_written(void)
{
	torc_rwlock_unlock_write(&rwlock);
}

static void
complete_read(void)
{
	torc_rwlock_unlock_read(&rwlock);
}

static void
clear_rwlock(void)
{
	must_be(torc_rwlock_try_write(&rwlock), 0);
	torc_rwlock_unlock_write(&rwlock);
	torc_rwlock_fini(&rwlock);
}

static void
clear_written(void)
{
	if (!wait_completes())
		torc_rwlock_unlock_write(&rwlock);
	clear_rwlock();
}

static void
clear_read(void)
{
	if (!wait_completes())
		torc_rwlock_unlock_read(&rwlock);
	clear_rwlock();
}

static struct torc_semaphore semaphore;

static void
arrange_semaphore(void)
{
	torc_semaphore_init(&semaphore, 2);
}

static int64_t
wait_semaphore(void)
{
	int ret = torc_semaphore_acquire(&semaphore, 3);

	if (ret == 0)
		torc_semaphore_release(&semaphore, 3);
	return ret;
}

static void
complete_semaphore(void)
{
	torc_semaphore_release(&semaphore, 1);
}

static void
clear_semaphore(void)
{
	must_be(torc_semaphore_available(&semaphore), wait_completes() ? 3 : 2);
	torc_semaphore_fini(&semaphore);
}

static struct torc_notify notify;

static void
arrange_notify(void)
{
	torc_notify_init(&notify);
}

static int64_t
wait_notify(void)
{
	return torc_notify_wait(&notify);
}

static void
complete_notify(void)
{
	torc_notify_one(&notify);
}

static void
clear_notify(void)
{
	torc_notify_fini(&notify);
}

static struct torc_barrier barrier;
static struct torc_waiter other;
static bool is_other_there;

static void
arrange_barrier(void)
{
	torc_barrier_init(&barrier, 2);
	is_other_there = false;
}

static int64_t
wait_barrier(void)
{
	return torc_barrier_wait(&barrier);
}

static void
complete_barrier(void)
{
	torc_barrier_wait_start(&barrier, &other);
	is_other_there = true;
}

static void
clear_barrier(void)
{
	if (is_other_there)
		torc_future_cancel(&other.done);
	torc_barrier_fini(&barrier);
}

static struct torc_condition condition;

static void
arrange_condition(void)
{
	torc_mutex_init(&mutex);
	torc_condition_init(&condition);
}

static int64_t
wait_condition(void)
{
	int ret = torc_mutex_lock(&mutex);

	if (ret < 0)
		return ret;
	ret = torc_condition_wait(&condition, &mutex);
	must(torc_mutex_is_locked(&mutex));
	torc_mutex_unlock(&mutex);
	return ret;
}

static void
complete_condition(void)
{
	torc_condition_signal(&condition);
}

static void
clear_condition(void)
{
	torc_condition_fini(&condition);
	must(!torc_mutex_is_locked(&mutex));
	torc_mutex_fini(&mutex);
}

static struct torc_once once;

static void
arrange_once(void)
{
	torc_once_init(&once);
	must_be(torc_once_begin(&once), 1);
}

/* It is its turn when the first one gives up. */
static int64_t
wait_once(void)
{
	int ret = torc_once_begin(&once);

	if (ret == 1)
		torc_once_end(&once, false);
	return ret;
}

static void
complete_once(void)
{
	torc_once_end(&once, false);
}

static void
clear_once(void)
{
	if (wait_completes())
		must_be(torc_once_begin(&once), 1);
	torc_once_end(&once, true);
	must(torc_once_is_done(&once));
	torc_once_fini(&once);
}

static const struct wait_row sync_rows[] = {
	{ "mutex", arrange_mutex, wait_mutex, complete_mutex, clear_mutex,
		WAIT_HURRIES },
	{ "rwlock read", arrange_written, wait_read, complete_written,
		clear_written, WAIT_HURRIES },
	{ "rwlock write", arrange_read, wait_write, complete_read, clear_read,
		WAIT_HURRIES },
	{ "semaphore", arrange_semaphore, wait_semaphore, complete_semaphore,
		clear_semaphore, WAIT_HURRIES },
	{ "notify", arrange_notify, wait_notify, complete_notify, clear_notify,
		WAIT_HURRIES },
	{ "barrier", arrange_barrier, wait_barrier, complete_barrier,
		clear_barrier, WAIT_HURRIES },
	{ "condition", arrange_condition, wait_condition, complete_condition,
		clear_condition, WAIT_HURRIES },
	{ "once", arrange_once, wait_once, complete_once, clear_once,
		WAIT_HURRIES },
};

WAIT_CASE(waits_for_locks_end_when_they_are_told, sync_rows)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(waits_for_locks_end_when_they_are_told),
	};

	return cmocka_run_group_tests_name(
		"core/cancel_sync", tests, NULL, NULL);
}
