/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever a task waits for, a cancel or a deadline ends it: before
 *         it begins, in flight, and in the turn in which it completes; and
 *         nothing is lost, kept or left behind.
 * Method  tests/core/waits.h runs each row in every way, on a real ring. Here
 *         are the waits for tasks, futures, locks and channels; those for
 *         descriptors are in cancel_io_test.
 */
#include "tests/core/waits.h"

static void
nothing(void)
{
}

/* ---- time ---- */

static int64_t
wait_sleep(void)
{
	return torc_sleep(wait_span_ns());
}

static int64_t
wait_sleep_until(void)
{
	uint64_t span_ns = wait_span_ns();

	return torc_sleep_until(torc_now_ns() + span_ns);
}

static struct torc_ticker ticker;

static void
arrange_ticker(void)
{
	torc_ticker_init(&ticker, wait_span_ns(), TORC_TICKER_SKIP);
	must_be(torc_ticker_next(&ticker), 0);
}

static int64_t
wait_ticker(void)
{
	return torc_ticker_next(&ticker);
}

/* ---- turns ---- */

static bool is_done;

static void
arrange_flag(void)
{
	is_done = false;
}

static int64_t
wait_yield(void)
{
	int ret = 0;

	while (!is_done && ret == 0)
		ret = torc_yield();
	return ret;
}

static void
complete_flag(void)
{
	is_done = true;
}

/* ---- tasks ---- */

static struct torc_task *target;
static bool is_joined;

static int
sleep_an_hour(void *arg)
{
	(void)arg;
	torc_sleep(WAIT_HOUR_NS);
	return 0;
}

static void
arrange_target(void)
{
	is_joined = false;
	must_be(torc_spawn(&target, sleep_an_hour, NULL), 0);
}

static int64_t
wait_join(void)
{
	int ret = torc_join(target, NULL);

	is_joined = ret == 0;
	return ret;
}

static void
complete_target(void)
{
	torc_cancel(target);
}

static void
clear_target(void)
{
	if (!is_joined)
		torc_cancel_join(target, NULL);
}

static struct torc_group group;

static void
arrange_group(void)
{
	torc_group_init(&group);
	for (int i = 0; i < 3; i++)
		must_be(torc_group_spawn(&group, sleep_an_hour, NULL), 0);
}

static int64_t
wait_group_join(void)
{
	return torc_group_join(&group);
}

static void
complete_group(void)
{
	torc_group_cancel(&group);
}

static void
clear_joined_group(void)
{
	must_be(torc_group_count(&group), 0);
}

static unsigned results_count;

static void
arrange_collecting_group(void)
{
	arrange_group();
	group.collect = true;
	results_count = 0;
}

static int64_t
wait_group_next(void)
{
	struct torc_group_result result;
	int ret = torc_group_next(&group, &result);

	results_count += ret == 1;
	return ret;
}

/* Each of the three is there once, taken or not. */
static void
clear_collecting_group(void)
{
	struct torc_group_result result;

	torc_group_cancel(&group);
	while (torc_group_next(&group, &result) == 1)
		results_count++;
	must_be(results_count, 3);
	torc_group_cancel_join(&group);
}

static struct torc_task *everywhere;

static int
sleep_everywhere(void *arg)
{
	everywhere = torc_self();
	return sleep_an_hour(arg);
}

static int64_t
wait_run_on_shards(void)
{
	return torc_run_on_shards(sleep_everywhere, NULL);
}

static int64_t
wait_call_remote(void)
{
	return torc_call_remote(0, sleep_everywhere, NULL, NULL);
}

static int64_t
wait_call_any(void)
{
	return torc_call_any(sleep_everywhere, NULL, NULL);
}

static void
complete_everywhere(void)
{
	wait_until(everywhere != NULL);
	torc_cancel(everywhere);
}

static void
arrange_everywhere(void)
{
	everywhere = NULL;
}

/* ---- futures ---- */

static struct torc_future gates[2];

static void
cancel_gate(struct torc_future *gate)
{
	torc_future_complete(gate, -ECANCELED);
}

static void
arrange_gates(void)
{
	torc_future_init(&gates[0], cancel_gate, NULL);
	torc_future_init(&gates[1], cancel_gate, NULL);
}

static void
complete_gates(void)
{
	for (int i = 0; i < 2; i++)
		if (!torc_future_is_ready(&gates[i]))
			torc_future_complete(&gates[i], 0);
}

static int64_t
wait_await(void)
{
	return torc_await(&gates[0]);
}

static int64_t
wait_await_timeout(void)
{
	return torc_await_timeout(&gates[0], WAIT_HOUR_NS);
}

static int64_t
wait_select(void)
{
	struct torc_sleep sleep;
	struct torc_future *both[] = { &sleep.done, &gates[0] };
	int ret;

	torc_sleep_start(&sleep, WAIT_HOUR_NS);
	ret = torc_select(both, 2);
	must(torc_future_is_ready(&sleep.done));
	must(torc_future_is_ready(&gates[0]));
	return ret;
}

static int64_t
wait_select_keep(void)
{
	struct torc_sleep sleep;
	struct torc_future *both[] = { &sleep.done, &gates[0] };
	int ret;

	torc_sleep_start(&sleep, WAIT_HOUR_NS);
	ret = torc_select_keep(both, 2);
	must(!torc_future_is_ready(&sleep.done));
	torc_future_cancel(&sleep.done);
	return ret;
}

static int64_t
wait_wait_all(void)
{
	struct torc_future *both[] = { &gates[0], &gates[1] };

	return torc_wait_all(both, 2);
}

static int64_t
wait_try_all(void)
{
	struct torc_future *both[] = { &gates[0], &gates[1] };

	return torc_try_all(both, 2);
}

static const struct wait_row task_rows[] = {
	{ "sleep", nothing, wait_sleep, NULL, nothing, WAIT_HURRIES },
	{ "sleep_until", nothing, wait_sleep_until, NULL, nothing,
		WAIT_HURRIES },
	{ "ticker", arrange_ticker, wait_ticker, NULL, nothing, WAIT_HURRIES },
	{ "yield", arrange_flag, wait_yield, complete_flag, nothing,
		WAIT_HURRIES },
	{ "join", arrange_target, wait_join, complete_target, clear_target,
		WAIT_HURRIES },
	{ "group join", arrange_group, wait_group_join, complete_group,
		clear_joined_group, WAIT_HURRIES },
	{ "group next", arrange_collecting_group, wait_group_next,
		complete_group, clear_collecting_group, WAIT_HURRIES },
	{ "run_on_shards", arrange_everywhere, wait_run_on_shards,
		complete_everywhere, nothing, WAIT_HURRIES },
	{ "call_remote", arrange_everywhere, wait_call_remote,
		complete_everywhere, nothing, WAIT_HURRIES },
	{ "call_any", arrange_everywhere, wait_call_any, complete_everywhere,
		nothing, WAIT_HURRIES },
	{ "await", arrange_gates, wait_await, complete_gates, nothing,
		WAIT_HURRIES },
	{ "await_timeout", arrange_gates, wait_await_timeout, complete_gates,
		nothing, WAIT_HURRIES },
	{ "select", arrange_gates, wait_select, complete_gates, nothing,
		WAIT_HURRIES },
	{ "select_keep", arrange_gates, wait_select_keep, complete_gates,
		nothing, WAIT_HURRIES },
	{ "wait_all", arrange_gates, wait_wait_all, complete_gates, nothing,
		WAIT_HURRIES },
	{ "try_all", arrange_gates, wait_try_all, complete_gates, nothing,
		WAIT_HURRIES },
};

/* ---- locks ---- */

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

/* ---- channels: an item is there once, received or not ---- */

static struct torc_channel *channel;

static void
arrange_channel(void)
{
	must_be(torc_channel_create(&channel, sizeof(int), 1), 0);
}

static int64_t
wait_channel_recv(void)
{
	int item;

	return torc_channel_recv(channel, &item);
}

static void
complete_channel_recv(void)
{
	must_be(torc_channel_try_send(channel, &(int){ 7 }), 0);
}

static void
clear_channel_recv(void)
{
	must_be(torc_channel_count(channel),
		wait_completes() && wait_result < 0);
	torc_channel_release(channel);
}

static void
arrange_full_channel(void)
{
	arrange_channel();
	complete_channel_recv();
}

static int64_t
wait_channel_send(void)
{
	return torc_channel_send(channel, &(int){ 8 });
}

static void
complete_channel_send(void)
{
	int item;

	must_be(torc_channel_try_recv(channel, &item), 0);
	must_be(item, 7);
}

static void
clear_channel_send(void)
{
	must_be(torc_channel_count(channel),
		!wait_completes() || wait_result >= 0);
	torc_channel_release(channel);
}

static struct torc_oneshot *oneshot;

static void
arrange_oneshot(void)
{
	must_be(torc_oneshot_create(&oneshot, sizeof(int)), 0);
}

static int64_t
wait_oneshot(void)
{
	int item;

	return torc_oneshot_recv(oneshot, &item);
}

static void
complete_oneshot(void)
{
	must_be(torc_oneshot_send(oneshot, &(int){ 7 }), 0);
}

static void
clear_oneshot(void)
{
	int item;

	if (wait_completes() && wait_result < 0)
		must_be(torc_oneshot_try_recv(oneshot, &item), 0);
	torc_oneshot_release(oneshot);
}

static struct torc_broadcast *broadcast;
static struct torc_subscriber subscriber;

static void
arrange_broadcast(void)
{
	must_be(torc_broadcast_create(&broadcast, sizeof(int), 4), 0);
	torc_broadcast_subscribe(broadcast, &subscriber);
}

static int64_t
wait_broadcast(void)
{
	int item;

	return torc_broadcast_recv(&subscriber, &item);
}

static void
complete_broadcast(void)
{
	must_be(torc_broadcast_send(broadcast, &(int){ 7 }), 1);
}

static void
clear_broadcast(void)
{
	int item;

	must_be(torc_broadcast_try_recv(&subscriber, &item),
		wait_completes() && wait_result < 0 ? 0 : -EAGAIN);
	torc_broadcast_unsubscribe(&subscriber);
	torc_broadcast_release(broadcast);
}

static struct torc_watch *watch;
static uint64_t seen;

static void
arrange_watch(void)
{
	int item;

	must_be(torc_watch_create(&watch, sizeof(int), &(int){ 1 }), 0);
	torc_watch_get(watch, &item, &seen);
}

static int64_t
wait_watch(void)
{
	return torc_watch_changed(watch, &seen);
}

static void
complete_watch(void)
{
	must_be(torc_watch_send(watch, &(int){ 2 }), 0);
}

static void
clear_watch(void)
{
	must_be(seen < torc_watch_version(watch),
		wait_completes() && wait_result < 0);
	torc_watch_release(watch);
}

static const struct wait_row channel_rows[] = {
	{ "channel recv", arrange_channel, wait_channel_recv,
		complete_channel_recv, clear_channel_recv, WAIT_HURRIES },
	{ "channel send", arrange_full_channel, wait_channel_send,
		complete_channel_send, clear_channel_send, WAIT_HURRIES },
	{ "oneshot", arrange_oneshot, wait_oneshot, complete_oneshot,
		clear_oneshot, WAIT_HURRIES },
	{ "broadcast", arrange_broadcast, wait_broadcast, complete_broadcast,
		clear_broadcast, WAIT_HURRIES },
	{ "watch", arrange_watch, wait_watch, complete_watch, clear_watch,
		WAIT_HURRIES },
};

#define ROWS(rows) rows, sizeof(rows) / sizeof(rows[0])

static int
waits_for_tasks_and_time_end_when_they_are_told(void *arg)
{
	(void)arg;
	wait_every_way(ROWS(task_rows));
	return 0;
}

static int
waits_for_locks_end_when_they_are_told(void *arg)
{
	(void)arg;
	wait_every_way(ROWS(sync_rows));
	return 0;
}

static int
waits_for_channels_end_when_they_are_told(void *arg)
{
	(void)arg;
	wait_every_way(ROWS(channel_rows));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(waits_for_tasks_and_time_end_when_they_are_told),
		WITH_TORC(waits_for_locks_end_when_they_are_told),
		WITH_TORC(waits_for_channels_end_when_they_are_told),
	};

	return cmocka_run_group_tests_name(
		"core/cancel_everywhere", tests, NULL, NULL);
}
