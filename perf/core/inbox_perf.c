/* SPDX-License-Identifier: MIT */
#include "core/runtime_priv.h"
#include "core/shard_priv.h"
#include "perf/bench_task.h"

#define BATCH 64

static void
ignore(struct torc_msg *msg)
{
	(void)msg;
}

/*
 * Question      What does a message cost in itself, its receiver awake?
 * Unit          One of 64 that are pushed, then taken together.
 * Change mind   20 ns: senders would then better collect what they have for
 *               one receiver.
 */
static void
push_take(struct torc_bench *b)
{
	struct torc_inbox inbox;
	struct torc_msg msgs[BATCH];

	torc__inbox_init(&inbox);
	for (int i = 0; i < BATCH; i++)
		msgs[i].fn = ignore;
	while (torc_bench_next_many(b, BATCH)) {
		struct torc_msg *msg;

		for (int i = 0; i < BATCH; i++)
			torc_bench_keep(
				torc__inbox_push_remote(&inbox, &msgs[i]));
		for (msg = torc__inbox_take(&inbox); msg != NULL;
			msg = msg->_next)
			msg->fn(msg);
	}
}
TORC_BENCH(push_take)

struct letter {
	struct torc_msg there, back;
	struct torc_shard *sender;
	struct torc_future answered;
};

/* On the sender's shard again. */
static void
on_back(struct torc_msg *msg)
{
	torc_future_complete(
		&torc__container_of(msg, struct letter, back)->answered, 0);
}

static void
on_there(struct torc_msg *msg)
{
	struct letter *letter = torc__container_of(msg, struct letter, there);

	torc__shard_post_remote(letter->sender, &letter->back);
}

static int
exchange(struct torc_bench *b, struct torc_shard *receiver)
{
	struct letter letter = { .there = { .fn = on_there },
		.back = { .fn = on_back },
		.sender = torc__shard };
	int ret = 0;

	while (ret == 0 && torc_bench_next(b)) {
		torc_future_init(&letter.answered, NULL, NULL);
		torc__shard_post_remote(receiver, &letter.there);
		ret = (int)torc_await(&letter.answered);
	}
	return ret;
}

/*
 * Question      What does a message add to the turn of a loop that is busy?
 * Unit          A message of a shard to itself, its answer, and a task that
 *               waits for it: two turns with their enters, no doorbell.
 * Change mind   Three times ring_perf.c:enter.
 */
static int
message_to_self(void *b)
{
	return exchange(b, torc__shard);
}
TORC_BENCH_TASK(message_to_self)

/*
 * Question      What does it take to ask another shard?
 * Unit          A message to it, and its answer. Both look before they sleep,
 *               and the looking counts as CPU; the wall time is what a task
 *               waits.
 * Change mind   5 us where each shard has a CPU for itself: one of them then
 *               sleeps although messages follow each other closely.
 */
static int
message_to_other(void *b)
{
	return exchange(b, torc__runtime_shard(1));
}
TORC_BENCH_SHARDS(message_to_other, 2)

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/*
 * Question      What does it cost to run something on all shards?
 * Unit          One torc_run_on_shards() of an empty task on two.
 * Change mind   Four times message_to_other: then it is not the messages.
 */
static int
run_on_shards(void *b)
{
	int ret = 0;

	while (ret == 0 && torc_bench_next(b))
		ret = torc_run_on_shards(do_nothing, NULL);
	return ret;
}
TORC_BENCH_SHARDS(run_on_shards, 2)
