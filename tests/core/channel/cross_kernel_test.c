/* SPDX-License-Identifier: MIT */
/*
 * Goal    Between shards and threads every item arrives once, in its sender's
 *         order, and nobody sleeps through a wake.
 * Method  Two shards of a real engine and threads that torc did not make, with
 *         pauses at random that let a shard fall asleep. A lost wake is a run
 *         that outlasts its deadline. TORC_ITEMS=n asks for more than the
 *         usual few: see make soak.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc.h>

#define SENDERS 4 /* a task on each shard, and two threads */
#define TASKS 2
#define DEADLINE (600 * TORC_S)

static uint32_t
items_each(void)
{
	const char *text = getenv("TORC_ITEMS");
	unsigned long all = text != NULL ? strtoul(text, NULL, 10) : 400000;

	return (uint32_t)(all / SENDERS);
}

static int
run(torc_task_fn *fn, void *arg)
{
	struct torc_options options = { .shards = 2 };

	return torc_run(&options, fn, arg);
}

struct item {
	uint32_t from, number;
};

struct traffic {
	struct torc_channel *channel;
	uint32_t each;
	uint32_t next[SENDERS]; /* the receiver's */
	uint32_t disorder_count;
	_Atomic uint32_t failures_count;
	_Atomic uint32_t senders_left;
};

struct sender {
	struct traffic *traffic;
	uint32_t from;
	pthread_t thread;
};

static bool
is_time_to_pause(uint32_t number, uint32_t from)
{
	return ((number + from) * UINT32_C(2654435761)) >> 19 == 0;
}

static void
sent_all(struct traffic *traffic)
{
	if (atomic_fetch_sub(&traffic->senders_left, 1) == 1)
		torc_channel_close(traffic->channel);
	torc_channel_release(traffic->channel);
}

/* Some, and beside those who do not: every send then takes the lock. */
static int
send_by_reservation(struct torc_channel *channel, const struct item *item)
{
	int ret = torc_channel_reserve(channel);

	if (ret < 0)
		return ret;
	if (item->number % 3 == 0) {
		torc_channel_unreserve(channel);
		return torc_channel_send(channel, item);
	}
	torc_channel_send_reserved(channel, item);
	return 0;
}

static int
send_from_task(void *arg)
{
	struct sender *sender = arg;
	struct traffic *traffic = sender->traffic;

	for (uint32_t i = 0; i < traffic->each; i++) {
		struct item item = { sender->from, i };
		bool reserves = i / 64 % 8 == 0;
		int ret = reserves
				  ? send_by_reservation(traffic->channel, &item)
				  : torc_channel_send(traffic->channel, &item);

		if (ret < 0)
			traffic->failures_count++;
		if (is_time_to_pause(i, sender->from) &&
			torc_sleep(20 * TORC_US) < 0)
			traffic->failures_count++;
	}
	sent_all(traffic);
	return 0;
}

static void *
send_from_thread(void *arg)
{
	struct sender *sender = arg;
	struct traffic *traffic = sender->traffic;

	for (uint32_t i = 0; i < traffic->each; i++) {
		struct item item = { sender->from, i };
		int ret = torc_channel_try_send(traffic->channel, &item);

		if (ret == -EAGAIN)
			ret = torc_channel_send_blocking(
				traffic->channel, &item);
		if (ret < 0)
			traffic->failures_count++;
		if (is_time_to_pause(i, sender->from))
			sched_yield();
	}
	sent_all(traffic);
	return NULL;
}

static void
note(struct traffic *traffic, const struct item *item)
{
	if (item->from >= SENDERS ||
		traffic->next[item->from]++ != item->number)
		traffic->disorder_count++;
}

static int
recv_in_task(void *arg)
{
	struct traffic *traffic = arg;
	struct item item;
	int ret;

	while ((ret = torc_channel_recv(traffic->channel, &item)) == 0)
		note(traffic, &item);
	return ret == -EPIPE ? 0 : ret;
}

static void *
recv_in_thread(void *arg)
{
	struct traffic *traffic = arg;
	struct item item;

	while (torc_channel_recv_blocking(traffic->channel, &item) == 0)
		note(traffic, &item);
	return NULL;
}

static int
start_senders(struct traffic *traffic, struct sender *senders)
{
	int ret = 0;

	for (uint32_t i = 0; i < SENDERS && ret == 0; i++) {
		senders[i] = (struct sender){ .traffic = traffic, .from = i };
		torc_channel_hold(traffic->channel);
		ret = i < TASKS ? torc_spawn_remote(
					  i, send_from_task, &senders[i])
				: pthread_create(&senders[i].thread, NULL,
					  send_from_thread, &senders[i]);
	}
	return ret;
}

static int
send_and_recv(void *arg)
{
	struct traffic *traffic = arg;
	struct sender senders[SENDERS];
	struct torc_deadline scope;
	int result = -1, ret = start_senders(traffic, senders);

	torc_deadline_begin(&scope, DEADLINE);
	if (ret == 0)
		ret = torc_call_remote(1, recv_in_task, traffic, &result);
	torc_deadline_end(&scope);
	for (uint32_t i = TASKS; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	return ret == 0 ? result : ret;
}

static void
exchange(uint32_t capacity)
{
	struct traffic traffic = { .each = items_each(),
		.senders_left = SENDERS };

	assert_int_equal(torc_channel_create(&traffic.channel,
				 sizeof(struct item), capacity),
		0);
	assert_int_equal(run(send_and_recv, &traffic), 0);
	assert_int_equal(traffic.disorder_count, 0);
	assert_int_equal(traffic.failures_count, 0);
	for (uint32_t i = 0; i < SENDERS; i++)
		assert_int_equal(traffic.next[i], traffic.each);
	torc_channel_release(traffic.channel);
}

static void
all_arrive_in_order_through_plenty_of_room(void **state)
{
	(void)state;
	exchange(1000);
}

static void
all_arrive_in_order_when_all_must_wait(void **state)
{
	(void)state;
	exchange(3);
}

/* ---- a thread that receives ---- */

static int
send_to_thread(void *arg)
{
	struct traffic *traffic = arg;
	struct sender sender = { .traffic = traffic };

	return torc_call_remote(1, send_from_task, &sender, NULL);
}

static void
a_thread_receives_what_a_task_sends(void **state)
{
	struct traffic traffic = { .each = items_each() / 4,
		.senders_left = 1 };
	pthread_t thread;

	(void)state;
	assert_int_equal(
		torc_channel_create(&traffic.channel, sizeof(struct item), 16),
		0);
	torc_channel_hold(traffic.channel);
	assert_int_equal(
		pthread_create(&thread, NULL, recv_in_thread, &traffic), 0);
	assert_int_equal(run(send_to_thread, &traffic), 0);
	pthread_join(thread, NULL);

	assert_int_equal(traffic.next[0], traffic.each);
	assert_int_equal(traffic.disorder_count, 0);
	torc_channel_release(traffic.channel);
}

/* ---- oneshot, broadcast, watch ---- */

struct question {
	struct torc_oneshot *answer;
	int number;
};

static int
answer(void *arg)
{
	/* The other's is gone as soon as it has the answer. */
	struct question question = *(struct question *)arg;
	int number = 2 * question.number;

	if (question.number % 5 == 0)
		torc_oneshot_close(question.answer);
	else if (torc_oneshot_send(question.answer, &number) < 0)
		return -EPROTO;
	torc_oneshot_release(question.answer);
	return 0;
}

static int
ask(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		struct question question = { .number = i };
		int number = -1, ret;

		assert_int_equal(
			torc_oneshot_create(&question.answer, sizeof(number)),
			0);
		torc_oneshot_hold(question.answer);
		assert_int_equal(torc_spawn_remote(1, answer, &question), 0);
		if (i % 3 == 0)
			assert_int_equal(torc_yield(), 0);
		ret = torc_oneshot_recv(question.answer, &number);
		assert_int_equal(ret, i % 5 == 0 ? -EPIPE : 0);
		if (ret == 0)
			assert_int_equal(number, 2 * i);
		torc_oneshot_release(question.answer);
	}
	return 0;
}

static void
an_answer_comes_back_or_its_absence_does(void **state)
{
	(void)state;
	assert_int_equal(run(ask, NULL), 0);
}

#define ANSWERS 300

struct answers {
	struct torc_oneshot *oneshots[ANSWERS];
	int wrong_count;
};

/* Every fifth is closed instead. */
static void *
recv_answers(void *arg)
{
	struct answers *answers = arg;

	for (int i = 0; i < ANSWERS; i++) {
		int number = -1;
		int ret = torc_oneshot_recv_blocking(
			answers->oneshots[i], &number);

		answers->wrong_count += ret != (i % 5 == 0 ? -EPIPE : 0) ||
					number != (i % 5 == 0 ? -1 : i);
		torc_oneshot_release(answers->oneshots[i]);
	}
	return NULL;
}

/* After a sleep the thread waits, else the answer may be there before it. */
static int
send_answers(void *arg)
{
	struct answers *answers = arg;
	int ret = 0;

	for (int i = 0; i < ANSWERS && ret == 0; i++) {
		struct torc_oneshot *oneshot = answers->oneshots[i];

		if (i % 3 == 0)
			ret = torc_sleep(100 * TORC_US);
		if (i % 5 == 0)
			torc_oneshot_close(oneshot);
		else if (ret == 0)
			ret = torc_oneshot_send(oneshot, &i);
		torc_oneshot_release(oneshot);
	}
	return ret;
}

static void
a_thread_receives_answers_too(void **state)
{
	struct answers answers = { .wrong_count = 0 };
	pthread_t thread;

	(void)state;
	for (int i = 0; i < ANSWERS; i++) {
		assert_int_equal(
			torc_oneshot_create(&answers.oneshots[i], sizeof(int)),
			0);
		torc_oneshot_hold(answers.oneshots[i]);
	}
	assert_int_equal(
		pthread_create(&thread, NULL, recv_answers, &answers), 0);
	assert_int_equal(run(send_answers, &answers), 0);
	pthread_join(thread, NULL);
	assert_int_equal(answers.wrong_count, 0);
}

#define NEWS 20000
#define READERS 3

struct news {
	struct torc_broadcast *broadcast;
	struct torc_watch *watch;
	_Atomic unsigned ready_count;
};

/* Each item is either received or counted as missed, in its place. */
static int
follow_broadcast(void *arg)
{
	struct news *news = arg;
	struct torc_subscriber subscriber;
	uint64_t number, received = 0;
	bool is_right = true;
	int ret;

	torc_broadcast_subscribe(news->broadcast, &subscriber);
	news->ready_count++;
	do {
		ret = torc_broadcast_recv(&subscriber, &number);
		if (ret == 0)
			is_right &=
				number == received++ + subscriber.missed_count;
	} while (ret == 0 || ret == -EOVERFLOW);
	is_right &= received + subscriber.missed_count == NEWS;
	torc_broadcast_unsubscribe(&subscriber);
	return ret == -EPIPE && is_right ? 0 : -EPROTO;
}

/* Versions grow, and the last one is seen. */
static int
follow_watch(void *arg)
{
	struct news *news = arg;
	uint64_t seen = 0, number = 0, last = 0;
	bool is_right = true;
	int ret;

	news->ready_count++;
	while ((ret = torc_watch_changed(news->watch, &seen)) == 0) {
		torc_watch_get(news->watch, &number, &seen);
		is_right &= number >= last && number == seen - 1;
		last = number;
	}
	return ret == -EPIPE && is_right && last == NEWS ? 0 : -EPROTO;
}

static int
follow(void *arg)
{
	struct torc_group group;

	torc_group_init(&group);
	for (int i = 0; i < READERS; i++)
		if (torc_group_spawn(&group, follow_broadcast, arg) < 0 ||
			torc_group_spawn(&group, follow_watch, arg) < 0)
			return -ENOMEM;
	return torc_group_join(&group);
}

static void *
send_news(void *arg)
{
	struct news *news = arg;
	uint64_t failures = 0;

	while (news->ready_count < 2 * 2 * READERS)
		sched_yield();
	for (uint64_t i = 0; i < NEWS; i++) {
		uint64_t number = i + 1;

		failures += torc_broadcast_send(news->broadcast, &i) < 0;
		failures += torc_watch_send(news->watch, &number) < 0;
		if (i % 1024 == 0)
			sched_yield();
	}
	torc_broadcast_close(news->broadcast);
	torc_watch_close(news->watch);
	return failures == 0 ? news : NULL;
}

static int
follow_everywhere(void *arg)
{
	return torc_run_on_shards(follow, arg);
}

static void
all_readers_learn_everything_or_what_they_missed(void **state)
{
	struct news news = { 0 };
	uint64_t number = 0;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(
		torc_broadcast_create(&news.broadcast, sizeof(number), 64), 0);
	assert_int_equal(
		torc_watch_create(&news.watch, sizeof(number), &number), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_news, &news), 0);
	assert_int_equal(run(follow_everywhere, &news), 0);
	pthread_join(thread, &result);

	assert_ptr_equal(result, &news);
	torc_broadcast_release(news.broadcast);
	torc_watch_release(news.watch);
}

/* ---- what crosses while it is cancelled ---- */

static int
recv_or_give_up(void *arg)
{
	struct torc_channel *channel = arg;
	unsigned received = 0, rounds = 0;
	struct item item;
	int ret;

	do {
		struct torc_deadline scope;

		torc_deadline_begin(&scope, (rounds++ % 7) * 3 * TORC_US);
		ret = torc_channel_recv(channel, &item);
		torc_deadline_end(&scope);
		received += ret == 0;
	} while (ret == 0 || ret == -ETIMEDOUT);
	return ret == -EPIPE ? (int)received : ret;
}

#define GIVEN_UP 20000

static int
send_or_give_up(void *arg)
{
	struct torc_channel *channel = arg;
	struct item item = { 0 };
	unsigned sent = 0;

	for (unsigned i = 0; i < GIVEN_UP; i++) {
		struct torc_deadline scope;

		torc_deadline_begin(&scope, (i % 5) * 3 * TORC_US);
		sent += torc_channel_send(channel, &item) == 0;
		torc_deadline_end(&scope);
	}
	torc_channel_close(channel);
	return (int)sent;
}

static int
give_up_often(void *arg)
{
	struct torc_call call;
	int sent, ret;

	torc_call_start(&call, 1, recv_or_give_up, arg);
	sent = send_or_give_up(arg);
	ret = (int)torc_await(&call.done);
	return ret < 0 ? ret : sent == call.result && sent > 0 ? 0 : -EPROTO;
}

static void
what_was_sent_is_received_however_often_both_give_up(void **state)
{
	struct torc_channel *channel;

	(void)state;
	assert_int_equal(
		torc_channel_create(&channel, sizeof(struct item), 1), 0);
	assert_int_equal(run(give_up_often, channel), 0);
	torc_channel_release(channel);
}

/* ---- what outlives its runtime, or its thread ---- */

static struct {
	struct torc_channel *channel;
	struct torc_channel_wait wait;
	_Atomic unsigned woken_count;
} left;

static void
count_woken(struct torc_future *done)
{
	(void)done;
	left.woken_count++;
}

static int
start_and_leave(void *arg)
{
	(void)arg;
	torc_channel_recv_start(left.channel, &left.wait);
	torc_future_then(&left.wait.done, count_woken, NULL);
	return 0;
}

static int
leave_a_wait(void *shard_index)
{
	return torc_call_remote(
		(unsigned)(uintptr_t)shard_index, start_and_leave, NULL, NULL);
}

static int
send_seven(void *arg)
{
	(void)arg;
	return torc_channel_try_send(left.channel, &(int){ 7 });
}

static void *
send_seven_from_thread(void *arg)
{
	return (void *)(intptr_t)send_seven(arg);
}

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* From each shard, or, past the last, from a thread. */
static int
send_to_what_was_left(void *arg)
{
	unsigned from = (unsigned)(uintptr_t)arg;
	void *failed = NULL;
	pthread_t thread;
	int result = 0;

	if (from < torc_shard_count()) {
		assert_int_equal(
			torc_call_remote(from, send_seven, NULL, &result), 0);
	} else {
		assert_int_equal(pthread_create(&thread, NULL,
					 send_seven_from_thread, NULL),
			0);
		assert_int_equal(pthread_join(thread, &failed), 0);
		assert_null(failed);
	}
	/* Had a wake been sent, it would come before this. */
	return result < 0 ? result : torc_run_on_shards(do_nothing, NULL);
}

static void
nobody_wakes_what_an_ended_runtime_left_behind(void **state)
{
	(void)state;
	for (uintptr_t shard = 0; shard < 2; shard++) {
		for (uintptr_t from = 0; from < 3; from++) {
			int item = 0;

			assert_int_equal(torc_channel_create(
						 &left.channel, sizeof(int), 4),
				0);
			left.woken_count = 0;
			assert_int_equal(run(leave_a_wait, (void *)shard), 0);
			assert_int_equal(
				run(send_to_what_was_left, (void *)from), 0);

			assert_int_equal(left.woken_count, 0);
			assert_int_equal(
				torc_channel_try_recv(left.channel, &item), 0);
			assert_int_equal(item, 7);
			torc_channel_release(left.channel);
		}
	}
}

static _Atomic bool is_receiving;

static void *
recv_until_cancelled(void *channel)
{
	static int item;

	is_receiving = true;
	if (torc_channel_recv_blocking(channel, &item) < 0)
		return NULL;
	pthread_testcancel();
	return NULL;
}

static int
cancel_a_receiving_thread(void)
{
	struct torc_channel *channel;
	pthread_t thread;
	void *end = NULL;

	if (torc_channel_create(&channel, sizeof(int), 1) < 0 ||
		pthread_create(&thread, NULL, recv_until_cancelled, channel))
		return 1;
	while (!is_receiving)
		sched_yield();
	pthread_cancel(thread);
	usleep(20000);
	if (pthread_tryjoin_np(thread, &end) != EBUSY ||
		torc_channel_send_blocking(channel, &(int){ 7 }) < 0 ||
		pthread_join(thread, &end) != 0 || end != PTHREAD_CANCELED)
		return 2;
	if (torc_channel_count(channel) != 0)
		return 3;
	torc_channel_release(channel);
	return 0;
}

static void
a_cancelled_thread_ends_when_it_has_received(void **state)
{
	(void)state;
	child_text(cancel_a_receiving_thread, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_arrive_in_order_through_plenty_of_room),
		cmocka_unit_test(all_arrive_in_order_when_all_must_wait),
		cmocka_unit_test(a_thread_receives_what_a_task_sends),
		cmocka_unit_test(an_answer_comes_back_or_its_absence_does),
		cmocka_unit_test(a_thread_receives_answers_too),
		cmocka_unit_test(
			all_readers_learn_everything_or_what_they_missed),
		cmocka_unit_test(
			what_was_sent_is_received_however_often_both_give_up),
		cmocka_unit_test(
			nobody_wakes_what_an_ended_runtime_left_behind),
		cmocka_unit_test(a_cancelled_thread_ends_when_it_has_received),
	};

	return cmocka_run_group_tests_name(
		"core/channel across shards", tests, NULL, NULL);
}
