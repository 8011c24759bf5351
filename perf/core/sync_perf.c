/* SPDX-License-Identifier: MIT */
#include <torc/core/sync/mutex.h>
#include <torc/core/sync/notify.h>
#include <torc/core/sync/once.h>
#include <torc/core/sync/rwlock.h>
#include <torc/core/sync/semaphore.h>

#include "perf/bench_task.h"

#define BATCH 64

/*
 * Question      Is something that nobody else wants as good as free?
 * Unit          One lock and unlock; acquire and release; read and
 *               unlock_read; notify and wait; a look at what is done.
 * Change mind   10 ns: people would then go without, and be wrong the day
 *               that somebody adds an await between two lines.
 */
static int
mutex_free(void *b)
{
	struct torc_mutex mutex = { 0 };
	int ret = 0;

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			ret |= torc_mutex_lock(&mutex);
			torc_mutex_unlock(&mutex);
		}
	return ret;
}
TORC_BENCH_TASK(mutex_free)

static int
rwlock_free(void *b)
{
	struct torc_rwlock lock = { 0 };
	int ret = 0;

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			ret |= torc_rwlock_read(&lock);
			torc_rwlock_unlock_read(&lock);
		}
	return ret;
}
TORC_BENCH_TASK(rwlock_free)

static int
semaphore_free(void *b)
{
	struct torc_semaphore semaphore;
	int ret = 0;

	torc_semaphore_init(&semaphore, 3);
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			ret |= torc_semaphore_acquire(&semaphore, 2);
			torc_semaphore_release(&semaphore, 2);
		}
	return ret;
}
TORC_BENCH_TASK(semaphore_free)

static int
notify_free(void *b)
{
	struct torc_notify notify = { 0 };
	int ret = 0;

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			torc_notify_one(&notify);
			ret |= torc_notify_wait(&notify);
		}
	return ret;
}
TORC_BENCH_TASK(notify_free)

static int
do_it(void *arg)
{
	(void)arg;
	return 0;
}

static int
once_done(void *b)
{
	struct torc_once once = { 0 };
	int ret = 0;

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			ret |= torc_once_run(&once, do_it, NULL);
	return ret;
}
TORC_BENCH_TASK(once_done)

/*
 * Question      What does it cost to want what another task has?
 * Unit          A turn of each of two tasks: a lock with its wait, a yield
 *               while it is held, and the unlock that hands it over.
 * Change mind   120 ns, the price of four torc_yield(): a flag and a loop
 *               would then be as good.
 */
struct contended {
	struct torc_mutex mutex;
	bool is_over;
};

static int
lock_until(void *arg)
{
	struct contended *c = arg;
	int ret = 0;

	while (!c->is_over && ret == 0) {
		ret = torc_mutex_lock(&c->mutex);
		if (ret == 0)
			ret = torc_yield();
		torc_mutex_unlock(&c->mutex);
	}
	return ret;
}

static int
mutex_handed_over(void *b)
{
	struct contended c = { 0 };
	struct torc_task *task;
	int ret = torc_spawn(&task, lock_until, &c);

	if (ret < 0)
		return ret;
	torc_yield();
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			ret |= torc_mutex_lock(&c.mutex);
			ret |= torc_yield();
			torc_mutex_unlock(&c.mutex);
		}
	c.is_over = true;
	ret |= torc_join(task, NULL);
	return ret;
}
TORC_BENCH_TASK(mutex_handed_over)

/*
 * Question      What is a signal between two tasks of a shard?
 * Unit          One torc_notify_one(), the other's wait, and the same back.
 * Change mind   80 ns: a channel would then be no dearer.
 */
struct ping {
	struct torc_notify there, back;
	bool is_over;
};

static int
answer(void *arg)
{
	struct ping *ping = arg;
	int ret = 0;

	while (!ping->is_over && ret == 0) {
		ret = torc_notify_wait(&ping->there);
		torc_notify_one(&ping->back);
	}
	return ret;
}

static int
notify_round_trip(void *b)
{
	struct ping ping = { 0 };
	struct torc_task *task;
	int ret = torc_spawn(&task, answer, &ping);

	if (ret < 0)
		return ret;
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			torc_notify_one(&ping.there);
			ret |= torc_notify_wait(&ping.back);
		}
	ping.is_over = true;
	torc_notify_one(&ping.there);
	ret |= torc_join(task, NULL);
	return ret;
}
TORC_BENCH_TASK(notify_round_trip)

/*
 * Question      What does one of very many waiters cost?
 * Unit          One of `n` tasks that wait for one torc_notify_all(), and
 *               wait again.
 * Change mind   Three times the figure for 16 at 4096: waking would then
 *               walk memory that it need not.
 */
struct crowd {
	struct torc_notify notify;
	bool is_over;
};

static int
wait_in_crowd(void *arg)
{
	struct crowd *crowd = arg;
	int ret = 0;

	while (!crowd->is_over && ret == 0)
		ret = torc_notify_wait(&crowd->notify);
	return ret;
}

static int
notify_crowd(void *b)
{
	int64_t n = torc_bench_arg(b);
	struct crowd crowd = { 0 };
	int ret = 0;

	for (int64_t i = 0; i < n && ret == 0; i++)
		ret = torc_spawn(NULL, wait_in_crowd, &crowd);
	torc_yield();
	while (ret == 0 && torc_bench_next_many(b, n)) {
		torc_notify_all(&crowd.notify);
		ret = torc_yield();
	}
	crowd.is_over = true;
	torc_notify_all(&crowd.notify);
	torc_yield();
	return ret;
}
TORC_BENCH_TASK_ARGS(notify_crowd, 16, 256, 4096)
