/* SPDX-License-Identifier: MIT */
/*
 * Goal    On any number of shards, in any order that they take turns, with
 *         cancels at any point of virtual time: what was sent is received,
 *         once and in order, each call to another shard ends, and nobody is
 *         left waiting.
 * Method  Hundreds of seeds with all faults. A lost wake is a deadlock, which
 *         the simulation names.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define SENDERS_MAX 5
#define ITEMS 40

struct item {
	uint32_t from, number;
};

struct scene {
	struct torc_channel *channel;
	/* What each sender knows to have been sent, and what has come. */
	uint32_t sent[SENDERS_MAX], next[SENDERS_MAX];
};

struct sender {
	struct scene *scene;
	uint32_t from;
};

static int
send_by_reservation(struct torc_channel *channel, const struct item *item)
{
	int ret = torc_channel_reserve(channel);

	if (ret < 0)
		return ret;
	if (torc_sim_random(2) == 0)
		(void)torc_sleep(torc_sim_random(50 * TORC_US));
	if (torc_sim_random(4) != 0) {
		torc_channel_send_reserved(channel, item);
		return 0;
	}
	torc_channel_unreserve(channel);
	return -ETIMEDOUT;
}

/* Numbers are given to what was sent, so that none is missing. */
static int
send_with_deadlines(void *arg)
{
	struct sender *sender = arg;
	uint32_t *sent = &sender->scene->sent[sender->from];

	for (unsigned i = 0; i < ITEMS; i++) {
		struct item item = { sender->from, *sent };
		struct torc_deadline scope;
		int ret;

		torc_deadline_begin(&scope, torc_sim_random(3) * 20 * TORC_US);
		if (torc_sim_random(2) == 0)
			ret = send_by_reservation(
				sender->scene->channel, &item);
		else
			ret = torc_channel_send(sender->scene->channel, &item);
		torc_deadline_end(&scope);
		if (ret == 0)
			++*sent;
		else if (ret != -ETIMEDOUT)
			return ret;
		if (torc_sim_random(4) == 0)
			(void)torc_sleep(torc_sim_random(100 * TORC_US));
	}
	return 0;
}

static int
recv_with_deadlines(void *arg)
{
	struct scene *scene = arg;
	struct item item;
	int ret;

	do {
		struct torc_deadline scope;

		torc_deadline_begin(&scope, torc_sim_random(4) * 20 * TORC_US);
		ret = torc_channel_recv(scene->channel, &item);
		torc_deadline_end(&scope);
		if (ret == 0 && scene->next[item.from]++ != item.number)
			return -EPROTO;
		if (torc_sim_random(8) == 0)
			(void)torc_sleep(torc_sim_random(100 * TORC_US));
	} while (ret == 0 || ret == -ETIMEDOUT);
	return ret == -EPIPE ? 0 : ret;
}

static int
call_sender(void *arg)
{
	unsigned shard = (unsigned)torc_sim_random(torc_shard_count());
	int result = 0, ret;

	ret = torc_call_remote(shard, send_with_deadlines, arg, &result);
	return ret < 0 ? ret : result;
}

static int
many_to_one(void *arg)
{
	unsigned count = 1 + (torc_sim_size() - 1) % SENDERS_MAX;
	struct sender senders[SENDERS_MAX];
	struct torc_group group;
	struct torc_call receiver;
	struct scene scene = { 0 };
	int ret;

	(void)arg;
	ret = torc_channel_create(&scene.channel, sizeof(struct item),
		1 + (uint32_t)torc_sim_random(4));
	torc_group_init(&group);
	torc_call_start(&receiver,
		(unsigned)torc_sim_random(torc_shard_count()),
		recv_with_deadlines, &scene);
	for (unsigned i = 0; i < count && ret == 0; i++) {
		senders[i] = (struct sender){ &scene, i };
		ret = torc_group_spawn(&group, call_sender, &senders[i]);
	}
	if (ret == 0)
		ret = torc_group_join(&group);
	torc_channel_close(scene.channel);
	if (torc_await(&receiver.done) < 0 || receiver.result < 0)
		ret = -EPROTO;
	if (memcmp(scene.sent, scene.next, sizeof(scene.sent)) != 0)
		ret = -EPROTO;
	torc_channel_release(scene.channel);
	return ret;
}

static void
search(torc_task_fn *scenario, unsigned shards, uint32_t size)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL,
		.size = size };
	struct torc_sim_result result;
	int ret = torc_sim_search(&options,
		&(struct torc_options){ .shards = shards }, seeds_count(150),
		scenario, NULL, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
}

static void
what_is_sent_is_received_on_one_shard(void **state)
{
	(void)state;
	search(many_to_one, 1, 4);
}

static void
what_is_sent_is_received_across_three_shards(void **state)
{
	(void)state;
	search(many_to_one, 3, 5);
}

/* ---- a semaphore across shards ---- */

#define PERMITS 3

struct permits {
	struct torc_channel *channel;
	uint32_t held_count, held_max;
};

/* Waits by chance under a deadline, or tries without waiting. */
static int
acquire(struct torc_channel *channel)
{
	struct torc_deadline scope;
	int ret;

	if (torc_sim_random(4) == 0)
		return torc_channel_try_reserve(channel);
	torc_deadline_begin(&scope, torc_sim_random(3) * 50 * TORC_US);
	ret = torc_channel_reserve(channel);
	torc_deadline_end(&scope);
	return ret;
}

static int
hold_permits(void *arg)
{
	struct permits *permits = arg;

	for (unsigned i = 0; i < ITEMS; i++) {
		int ret = acquire(permits->channel);

		if (ret == -EAGAIN || ret == -ETIMEDOUT)
			continue;
		if (ret < 0)
			return ret;
		if (++permits->held_count > permits->held_max)
			permits->held_max = permits->held_count;
		(void)torc_sleep(torc_sim_random(50 * TORC_US));
		permits->held_count--;
		torc_channel_unreserve(permits->channel);
	}
	return 0;
}

static int
hold_twice(void *permits)
{
	struct torc_group group;
	int ret = 0;

	torc_group_init(&group);
	for (unsigned i = 0; i < 2 && ret == 0; i++)
		ret = torc_group_spawn(&group, hold_permits, permits);
	return ret < 0 ? ret : torc_group_join(&group);
}

static int
share_permits(void *arg)
{
	struct permits permits = { 0 };
	int ret = torc_channel_create(&permits.channel, 0, PERMITS);

	(void)arg;
	if (ret < 0)
		return ret;
	ret = torc_run_on_shards(hold_twice, &permits);
	if (permits.held_max != PERMITS)
		ret = -EPROTO;
	/* None was lost, and none came to them. */
	for (unsigned i = 0; i < PERMITS; i++)
		if (torc_channel_try_reserve(permits.channel) != 0)
			return -EPROTO;
	if (torc_channel_try_reserve(permits.channel) != -EAGAIN)
		ret = -EPROTO;
	for (unsigned i = 0; i < PERMITS; i++)
		torc_channel_unreserve(permits.channel);
	torc_channel_release(permits.channel);
	return ret;
}

/* What semaphore.h says of several shards. */
static void
reservations_are_permits_across_shards(void **state)
{
	(void)state;
	search(share_permits, 2, 1);
}

/* ---- calls that are cancelled ---- */

struct work {
	uint32_t begun_count, ended_count; /* of one caller */
};

static int
work_for_a_while(void *arg)
{
	struct work *work = arg;
	int ret;

	work->begun_count++;
	ret = torc_sleep(torc_sim_random(200 * TORC_US));
	work->ended_count++;
	return ret;
}

static int
call_with_deadlines(void *arg)
{
	struct work work = { 0 };

	(void)arg;
	for (unsigned i = 0; i < ITEMS; i++) {
		unsigned shard = (unsigned)torc_sim_random(torc_shard_count());
		struct torc_deadline scope;
		int ret;

		torc_deadline_begin(&scope, torc_sim_random(200 * TORC_US));
		ret = torc_call_remote(shard, work_for_a_while, &work, NULL);
		torc_deadline_end(&scope);
		if ((ret != 0 && ret != -ETIMEDOUT) ||
			work.begun_count != work.ended_count)
			return -EPROTO;
	}
	return work.begun_count > 0 ? 0 : -EPROTO;
}

static int
call_everywhere(void *arg)
{
	return torc_run_on_shards(call_with_deadlines, arg);
}

static void
no_call_returns_before_its_task(void **state)
{
	(void)state;
	search(call_everywhere, 3, 1);
}

/* ---- oneshot, broadcast, watch ---- */

struct news {
	struct torc_broadcast *broadcast;
	struct torc_watch *watch;
	struct torc_oneshot *over;
};

/* As a task that is ready: a message that wakes it may be on its way. */
static void
give_up(struct torc_channel_wait *wait)
{
	(void)torc_yield();
	torc_future_cancel(&wait->done);
	(void)torc_await(&wait->done);
}

/* Both give up at any point of time, too, and come again. */
static int
recv_news(struct torc_subscriber *subscriber, uint64_t *number)
{
	struct torc_channel_wait wait;
	struct torc_deadline scope;
	int ret;

	do {
		torc_broadcast_recv_start(subscriber, &wait);
		give_up(&wait);
		torc_deadline_begin(&scope, 1 + torc_sim_random(100 * TORC_US));
		ret = torc_broadcast_recv(subscriber, number);
		torc_deadline_end(&scope);
	} while (ret == -ETIMEDOUT);
	return ret;
}

static int
await_change(struct torc_watch *watch, uint64_t *seen)
{
	struct torc_channel_wait wait;
	struct torc_deadline scope;
	int ret;

	do {
		torc_watch_changed_start(watch, *seen, &wait);
		give_up(&wait);
		torc_deadline_begin(&scope, 1 + torc_sim_random(100 * TORC_US));
		ret = torc_watch_changed(watch, seen);
		torc_deadline_end(&scope);
	} while (ret == -ETIMEDOUT);
	return ret;
}

static int
watch_news(void *arg)
{
	struct news *news = arg;
	uint64_t number = 0, seen = 0;
	int ret;

	while ((ret = await_change(news->watch, &seen)) == 0)
		torc_watch_get(news->watch, &number, &seen);
	return ret == -EPIPE && number == ITEMS - 1 ? 0 : -EPROTO;
}

static int
read_broadcast(struct news *news)
{
	struct torc_subscriber subscriber;
	uint64_t number = 0, received = 0, first;
	int ret;

	torc_broadcast_subscribe(news->broadcast, &subscriber);
	first = subscriber._next;
	do {
		ret = recv_news(&subscriber, &number);
		if (ret == 0 &&
			number != first + received++ + subscriber.missed_count)
			return -EPROTO;
		if (torc_sim_random(3) == 0)
			(void)torc_sleep(torc_sim_random(300 * TORC_US));
	} while (ret == 0 || ret == -EOVERFLOW);
	torc_broadcast_unsubscribe(&subscriber);
	if (ret != -EPIPE ||
		first + received + subscriber.missed_count != ITEMS)
		return -EPROTO;
	return 0;
}

static int
read_news(void *news)
{
	struct torc_task *watcher;
	int ret = torc_spawn(&watcher, watch_news, news), seen = 0;

	if (ret < 0)
		return ret;
	ret = read_broadcast(news);
	if (ret < 0)
		torc_cancel(watcher);
	if (torc_join(watcher, &seen) < 0 || ret < 0)
		return -EPROTO;
	return seen;
}

static int
write_news(void *arg)
{
	struct news *news = arg;
	struct torc_oneshot *over;
	int ret;

	for (uint64_t i = 0; i < ITEMS; i++) {
		if (torc_broadcast_send(news->broadcast, &i) < 0 ||
			torc_watch_send(news->watch, &i) < 0)
			return -EPROTO;
		(void)torc_sleep(torc_sim_random(50 * TORC_US));
	}
	torc_broadcast_close(news->broadcast);
	torc_watch_close(news->watch);
	/* What it points to is gone once that is said. */
	over = news->over;
	ret = torc_oneshot_send(over, &news);
	torc_oneshot_release(over);
	return ret;
}

static int
spread_news(void *arg)
{
	uint64_t nothing = 0;
	struct news news, *back = NULL;
	int ret;

	(void)arg;
	if (torc_broadcast_create(&news.broadcast, sizeof(nothing), 4) < 0 ||
		torc_watch_create(&news.watch, sizeof(nothing), &nothing) < 0 ||
		torc_oneshot_create(&news.over, sizeof(back)) < 0)
		return -ENOMEM;
	torc_oneshot_hold(news.over);
	ret = torc_spawn_remote((unsigned)torc_sim_random(torc_shard_count()),
		write_news, &news);
	if (ret == 0)
		ret = torc_run_on_shards(read_news, &news);
	if (ret == 0)
		ret = torc_oneshot_recv(news.over, &back);
	torc_broadcast_release(news.broadcast);
	torc_watch_release(news.watch);
	torc_oneshot_release(news.over);
	return ret == 0 && back != &news ? -EPROTO : ret;
}

static void
all_read_the_same_news(void **state)
{
	(void)state;
	search(spread_news, 3, 1);
}

/* ---- time ---- */

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int
call_within_a_second(void *arg)
{
	struct torc_deadline scope;
	int ret = 0;

	(void)arg;
	torc_deadline_begin(&scope, TORC_S);
	for (unsigned i = 0; i < 1000 && ret == 0; i++)
		ret = torc_call_remote(
			i % torc_shard_count(), do_nothing, NULL, NULL);
	torc_deadline_end(&scope);
	return ret;
}

/* A shard with nothing else to do is not one that only looks for work. */
static void
messages_alone_do_not_make_time_run_away(void **state)
{
	struct torc_sim_options options = { 0 };

	(void)state;
	for (unsigned shards = 1; shards <= 3; shards++) {
		struct torc_options runtime = { .shards = shards };

		assert_int_equal(torc_sim_run(&options, &runtime,
					 call_within_a_second, NULL, NULL),
			0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_is_received_on_one_shard),
		cmocka_unit_test(what_is_sent_is_received_across_three_shards),
		cmocka_unit_test(reservations_are_permits_across_shards),
		cmocka_unit_test(no_call_returns_before_its_task),
		cmocka_unit_test(all_read_the_same_news),
		cmocka_unit_test(messages_alone_do_not_make_time_run_away),
	};

	return cmocka_run_group_tests_name(
		"core/channel simulated", tests, NULL, NULL);
}
