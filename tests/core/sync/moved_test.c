/* SPDX-License-Identifier: MIT */
/*
 * Goal    What nobody holds and nobody waits for may be moved, also when
 *         somebody has waited for it before: it points at no place of its own.
 * Method  Each is waited for, copied elsewhere, its old place filled with
 *         rubbish, and waited for once more. Real tasks on a fake engine.
 */
#include <torc/core/sync/barrier.h>
#include <torc/core/sync/condition.h>
#include <torc/core/sync/mutex.h>
#include <torc/core/sync/notify.h>
#include <torc/core/sync/once.h>
#include <torc/core/sync/rwlock.h>
#include <torc/core/sync/semaphore.h>

#include "tests/core/sync/support.h"

struct noun {
	size_t bytes;
	void (*init)(void *object);    /* NULL: zeroed is enough */
	void (*begin)(void *object);   /* let who comes wait */
	int (*wait)(void *object);     /* the one who comes */
	void (*release)(void *object); /* let him go on */
	void (*end)(void *object);     /* of begin(), when he is gone */
	void (*fini)(void *object);
};

static void
hold_mutex(void *object)
{
	assert_int_equal(torc_mutex_lock(object), 0);
}

static int
wait_for_mutex(void *object)
{
	int ret = torc_mutex_lock(object);

	if (ret == 0)
		torc_mutex_unlock(object);
	return ret;
}

static void
release_mutex(void *object)
{
	torc_mutex_unlock(object);
}

static void
fini_mutex(void *object)
{
	torc_mutex_fini(object);
}

static void
hold_rwlock(void *object)
{
	assert_int_equal(torc_rwlock_write(object), 0);
}

static int
wait_for_rwlock(void *object)
{
	int ret = torc_rwlock_read(object);

	if (ret == 0)
		torc_rwlock_unlock_read(object);
	return ret;
}

static void
release_rwlock(void *object)
{
	torc_rwlock_unlock_write(object);
}

static void
fini_rwlock(void *object)
{
	torc_rwlock_fini(object);
}

static int
wait_for_semaphore(void *object)
{
	return torc_semaphore_acquire(object, 1);
}

static void
release_semaphore(void *object)
{
	torc_semaphore_release(object, 1);
}

static void
fini_semaphore(void *object)
{
	torc_semaphore_fini(object);
}

static void
hold_nothing(void *object)
{
	(void)object;
}

static int
wait_for_notify(void *object)
{
	return torc_notify_wait(object);
}

static void
release_notify(void *object)
{
	torc_notify_all(object);
}

static void
fini_notify(void *object)
{
	torc_notify_fini(object);
}

static void
init_barrier(void *object)
{
	torc_barrier_init(object, 2);
}

static int
wait_for_barrier(void *object)
{
	return torc_barrier_wait(object);
}

static void
release_barrier(void *object)
{
	assert_int_equal(torc_barrier_wait(object), 1);
}

static void
fini_barrier(void *object)
{
	torc_barrier_fini(object);
}

static void
hold_once(void *object)
{
	assert_int_equal(torc_once_begin(object), 1);
}

/* Fails as well: the next time somebody has to wait again. */
static int
wait_for_once(void *object)
{
	int ret = torc_once_begin(object);

	if (ret < 0)
		return ret;
	torc_once_end(object, false);
	return 0;
}

static void
release_once(void *object)
{
	torc_once_end(object, false);
}

static void
fini_once(void *object)
{
	torc_once_fini(object);
}

static int
wait_for_condition(void *object)
{
	static struct torc_mutex mutex;
	int ret = torc_mutex_lock(&mutex);

	if (ret < 0)
		return ret;
	ret = torc_condition_wait(object, &mutex);
	torc_mutex_unlock(&mutex);
	return ret;
}

static void
release_condition(void *object)
{
	torc_condition_signal(object);
}

static void
fini_condition(void *object)
{
	torc_condition_fini(object);
}

#define NOUN(noun, init, begin, end)                                      \
	{                                                                 \
		sizeof(struct torc_##noun), init, begin, wait_for_##noun, \
			release_##noun, end, fini_##noun                  \
	}

static const struct noun nouns[] = {
	NOUN(mutex, NULL, hold_mutex, release_mutex),
	NOUN(rwlock, NULL, hold_rwlock, release_rwlock),
	NOUN(semaphore, NULL, hold_nothing, hold_nothing),
	NOUN(notify, NULL, hold_nothing, hold_nothing),
	NOUN(barrier, init_barrier, hold_nothing, hold_nothing),
	NOUN(once, NULL, hold_once, release_once),
	NOUN(condition, NULL, hold_nothing, hold_nothing),
};

static void
let_one_wait(const struct noun *noun, void *object)
{
	struct torc_task *task;
	int ret;

	noun->begin(object);
	task = fake_shard_spawn(noun->wait, object);
	let_others_wait();
	assert_false(torc_task_is_done(task));
	noun->release(object);
	assert_int_equal(torc_join(task, &ret), 0);
	assert_int_equal(ret, 0);
}

static void
let_one_leave(const struct noun *noun, void *object)
{
	struct torc_task *task;
	int ret;

	noun->begin(object);
	task = fake_shard_spawn(noun->wait, object);
	let_others_wait();
	torc_cancel_join(task, &ret);
	assert_int_equal(ret, -ECANCELED);
	noun->end(object);
}

static void *
move(void *object, size_t bytes)
{
	void *moved = test_malloc(bytes);

	memcpy(moved, object, bytes);
	memset(object, 0xa5, bytes);
	test_free(object);
	return moved;
}

static void
move_between(const struct noun *noun,
	void (*use)(const struct noun *noun, void *object))
{
	void *object = test_calloc(1, noun->bytes);

	if (noun->init != NULL)
		noun->init(object);
	for (int round = 0; round < 3; round++) {
		use(noun, object);
		object = move(object, noun->bytes);
	}
	noun->fini(object);
	test_free(object);
}

static int
move_each(void *is_cancelled)
{
	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++)
		move_between(&nouns[i],
			is_cancelled == NULL ? let_one_wait : let_one_leave);
	return 0;
}

static void
what_was_waited_for_may_be_moved(void **state)
{
	fake_shard_run(*state, move_each, NULL);
}

static void
what_the_last_one_left_may_be_moved(void **state)
{
	fake_shard_run(*state, move_each, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(what_was_waited_for_may_be_moved),
		WITH_SHARD(what_the_last_one_left_may_be_moved),
	};

	return cmocka_run_group_tests_name(
		"core/sync/moved", tests, NULL, NULL);
}
