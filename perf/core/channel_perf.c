/* SPDX-License-Identifier: MIT */
#include <torc/core/channel/channel.h>
#include <torc/core/remote.h>

#include "perf/bench_task.h"

#define CAPACITY 256
#define BURST 1000

/*
 * Question      What does a channel cost between tasks of one shard, beside
 *               the switches that its waits need anyway?
 * Unit          One torc_channel_send() and one torc_channel_recv() of 8
 *               bytes, both with room: two locked instructions.
 * Change mind   25 ns.
 */
static int
send_recv(void *b)
{
	struct torc_channel *channel;
	uint64_t item = 1;
	int ret = torc_channel_create(&channel, sizeof(item), CAPACITY);

	while (ret == 0 && torc_bench_next(b)) {
		ret = torc_channel_send(channel, &item);
		if (ret == 0)
			ret = torc_channel_recv(channel, &item);
	}
	torc_channel_release(channel);
	return ret;
}
TORC_BENCH_TASK(send_recv)

/*
 * Question      The same when the two tasks do wait for each other.
 * Unit          One item of 1000, sent by one task and received by another
 *               through room for 256: about eight switches per 1000.
 * Change mind   Twice send_recv.
 */
struct belt {
	struct torc_channel *there, *back;
	uint64_t sum;
};

static int
recv_all(void *arg)
{
	struct belt *belt = arg;
	uint64_t item;
	int ret;

	while ((ret = torc_channel_recv(belt->there, &item)) == 0)
		belt->sum += item;
	return 0;
}

/* Each burst ends when its last item has come back. */
static int
recv_bursts(void *arg)
{
	struct belt *belt = arg;
	uint64_t item;
	int ret;

	while ((ret = torc_channel_recv(belt->there, &item)) == 0) {
		belt->sum += item;
		if (item == BURST - 1 &&
			torc_channel_send(belt->back, &item) < 0)
			break;
	}
	return 0;
}

static int
send_bursts(struct torc_bench *b, struct belt *belt)
{
	uint64_t item;
	int ret = 0;

	while (ret == 0 && torc_bench_next_many(b, BURST)) {
		for (uint64_t i = 0; i < BURST && ret == 0; i++)
			ret = torc_channel_send(belt->there, &i);
		if (ret == 0)
			ret = torc_channel_recv(belt->back, &item);
	}
	torc_channel_close(belt->there);
	return ret;
}

static int
make_belt(struct belt *belt, uint32_t capacity)
{
	int ret = torc_channel_create(&belt->there, sizeof(uint64_t), capacity);

	belt->sum = 0;
	if (ret < 0)
		return ret;
	ret = torc_channel_create(&belt->back, sizeof(uint64_t), 1);
	if (ret < 0)
		torc_channel_release(belt->there);
	return ret;
}

static void
unmake_belt(struct belt *belt)
{
	torc_channel_release(belt->there);
	torc_channel_release(belt->back);
}

static int
send_recv_tasks(void *b)
{
	struct torc_task *task;
	struct belt belt;
	int ret = make_belt(&belt, CAPACITY);

	if (ret < 0)
		return ret;
	ret = torc_spawn(&task, recv_bursts, &belt);
	if (ret == 0) {
		ret = send_bursts(b, &belt);
		torc_cancel_join(task, NULL);
	}
	unmake_belt(&belt);
	return ret;
}
TORC_BENCH_TASK(send_recv_tasks)

static int
with_receiver(struct torc_bench *b, struct belt *belt, torc_task_fn *receiver,
	int (*sender)(struct torc_bench *, struct belt *))
{
	struct torc_call call;
	int ret;

	torc_call_start(&call, 1, receiver, belt);
	ret = sender(b, belt);
	torc_channel_close(belt->there);
	torc_await(&call.done);
	return ret;
}

/*
 * Question      What does an item cost that goes to another shard, when both
 *               have plenty to do?
 * Unit          One of 1000 items of 8 bytes to a task of the other shard,
 *               with room for 1000, until the last was answered.
 * Change mind   150 ns where each shard has a CPU for itself: the cache lines
 *               of the two sides then meet more often than they need to.
 */
static int
send_recv_shards(void *b)
{
	struct belt belt;
	int ret = make_belt(&belt, BURST);

	if (ret < 0)
		return ret;
	ret = with_receiver(b, &belt, recv_bursts, send_bursts);
	unmake_belt(&belt);
	return ret;
}
TORC_BENCH_SHARDS(send_recv_shards, 2)

static int
echo_items(void *arg)
{
	struct belt *belt = arg;
	uint64_t item;

	while (torc_channel_recv(belt->there, &item) == 0)
		if (torc_channel_send(belt->back, &item) < 0)
			break;
	return 0;
}

static int
exchange_items(struct torc_bench *b, struct belt *belt)
{
	uint64_t item = 0;
	int ret = 0;

	while (ret == 0 && torc_bench_next(b)) {
		ret = torc_channel_send(belt->there, &item);
		if (ret == 0)
			ret = torc_channel_recv(belt->back, &item);
	}
	return ret;
}

/*
 * Question      How long does a task wait for another shard's answer?
 * Unit          An item there and an item back, each waking a task on the
 *               other shard; both shards look before they sleep.
 * Change mind   1 us where each shard has a CPU for itself.
 */
static int
round_trip(void *b)
{
	struct belt belt;
	int ret = make_belt(&belt, 1);

	if (ret < 0)
		return ret;
	ret = with_receiver(b, &belt, echo_items, exchange_items);
	unmake_belt(&belt);
	return ret;
}
TORC_BENCH_SHARDS(round_trip, 2)

/*
 * Question      How much of that is the call's own, beside its two messages?
 * Unit          One torc_call_remote() of an empty task.
 * Change mind   Twice inbox_perf.c:message_to_other.
 */
static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int
call_remote(void *b)
{
	int ret = 0;

	while (ret == 0 && torc_bench_next(b))
		ret = torc_call_remote(1, do_nothing, NULL, NULL);
	return ret;
}
TORC_BENCH_SHARDS(call_remote, 2)

/*
 * Question      What does the bound cost when it is what counts?
 * Unit          One item between two tasks of a shard through room for one:
 *               each waits for the other, and the receiver serves the sender.
 * Change mind   150 ns.
 */
static int
through_one_place(void *b)
{
	struct torc_task *task;
	struct belt belt;
	uint64_t item = 1;
	int ret = make_belt(&belt, 1);

	if (ret < 0)
		return ret;
	ret = torc_spawn(&task, recv_all, &belt);
	if (ret == 0) {
		while (ret == 0 && torc_bench_next(b))
			ret = torc_channel_send(belt.there, &item);
		torc_channel_close(belt.there);
		ret = ret < 0 ? ret : torc_join(task, NULL);
	}
	unmake_belt(&belt);
	return ret;
}
TORC_BENCH_TASK(through_one_place)
