/* SPDX-License-Identifier: MIT */
/*
 * Goal    The code itself, not a model of it: no order in which a busy shard
 *         puts tasks on shelves and another falls asleep leaves a task on a
 *         shelf and nobody who comes for it.
 * Method  core/place.c is compiled with atomics and locks that stop before
 *         they act. Its callers are tasks; the test lets one of them take one
 *         step at a time. All orders are tried for one task that is put there,
 *         and many, drawn from a fixed seed, for three.
 */
#include <errno.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <torc/alloc/arena.h>
#include <torc/base/clock.h>

#include "core/gate_priv.h"
#include "core/place_priv.h"
#include "core/remote_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/support/orders.h"
#include "tests/test.h"

#define SHARDS 2
#define HOG 0     /* never gets to its shelf */
#define SLEEPER 1 /* has just nothing to do */
#define PUT_MAX 3

static void step(void);
static void lock_step(pthread_mutex_t *lock);
static void unlock_step(pthread_mutex_t *lock);
static struct torc_shard *shard_at(unsigned index);
static void post(struct torc_shard *shard, struct torc_msg *msg);

/* One thread runs them all, so that plain accesses do. */
#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#define atomic_load(p) (step(), *(p))
#define atomic_store(p, v) (step(), (void)(*(p) = (v)))
#define atomic_exchange(p, v)                    \
	__extension__({                          \
		step();                          \
		__typeof__(*(p) + 0) old = *(p); \
		*(p) = (v);                      \
		old != 0;                        \
	})
#define atomic_fetch_add(p, v)          \
	__extension__({                 \
		step();                 \
		*(p) += (v);            \
		(unsigned)(*(p) - (v)); \
	})
#define atomic_fetch_sub(p, v)          \
	__extension__({                 \
		step();                 \
		*(p) -= (v);            \
		(unsigned)(*(p) + (v)); \
	})
#define pthread_mutex_lock(lock) lock_step(lock)
#define pthread_mutex_unlock(lock) unlock_step(lock)
#define torc_shard_count() SHARDS
#define torc__runtime_shard(index) shard_at(index)
#define torc__shard_post_remote(shard, msg) post(shard, msg)
/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "core/place.c"
#undef atomic_load
#undef atomic_store

enum { PUTTER, TAKER, ACTORS };

struct actor {
	struct torc_future go; /* pending while it stops before a step */
	const pthread_mutex_t *wanted;
	bool is_asleep; /* until a message comes */
	bool is_done;
};

static struct {
	struct torc_shard shards[SHARDS];
	struct torc_placed placed[PUT_MAX];
	struct actor actors[ACTORS];
	const pthread_mutex_t *held[4];
	unsigned running, to_put, taken_count;
	bool is_posted;

	struct orders orders;
	uint64_t random; /* 0: all orders, one after the other */
	unsigned lost_count, slept_count;
} world;

static struct torc_shard *
shard_at(unsigned index)
{
	return &world.shards[index];
}

static void
step(void)
{
	struct actor *actor = &world.actors[world.running];

	/* Not in a test's own set-up. */
	if (torc__shard->current == NULL || world.running == ACTORS)
		return;
	torc_future_init(&actor->go, NULL, NULL);
	torc_await(&actor->go);
}

static bool
is_held(const pthread_mutex_t *lock)
{
	for (int i = 0; i < 4; i++)
		if (world.held[i] == lock)
			return true;
	return false;
}

static void
lock_step(pthread_mutex_t *lock)
{
	struct actor *actor = &world.actors[world.running];
	int i = 0;

	actor->wanted = lock;
	step();
	actor->wanted = NULL;
	while (world.held[i] != NULL)
		i++;
	world.held[i] = lock;
}

static void
unlock_step(pthread_mutex_t *lock)
{
	for (int i = 0; i < 4; i++)
		if (world.held[i] == lock)
			world.held[i] = NULL;
}

static void
post(struct torc_shard *shard, struct torc_msg *msg)
{
	(void)msg;
	if (shard->index == SLEEPER)
		world.is_posted = true;
}

static int
put_tasks(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < world.to_put; i++) {
		world.running = PUTTER;
		torc__place_put(&world.placed[i]);
	}
	world.actors[PUTTER].is_done = true;
	return 0;
}

/* What a shard does: look, take, sleep, wake. */
static int
take_and_sleep(void *arg)
{
	struct torc_shard *shard = &world.shards[SLEEPER];
	struct actor *actor = &world.actors[TAKER];
	unsigned left;

	(void)arg;
	while (world.taken_count < world.to_put) {
		world.running = TAKER;
		if (torc__place_may_rest_slow(shard)) {
			actor->is_asleep = true;
			world.slept_count++;
			step();
			actor->is_asleep = false;
			world.is_posted = false;
			on_nudge(&shard->shelf.remote.nudge);
		} else {
			while (take_first(shard, &left) != NULL)
				world.taken_count++;
		}
	}
	actor->is_done = true;
	return 0;
}

static unsigned
choose_next(unsigned count)
{
	if (world.random != 0) {
		world.random = world.random * UINT64_C(6364136223846793005) +
			       UINT64_C(1442695040888963407);
		return (unsigned)(world.random >> 33) % count;
	}
	return orders_choose(&world.orders, count);
}

static bool
is_able(const struct actor *actor)
{
	if (actor->is_done || (actor->is_asleep && !world.is_posted))
		return false;
	return actor->wanted == NULL || !is_held(actor->wanted);
}

/* One step of somebody who can; false when nobody can. */
static bool
take_a_step(void)
{
	unsigned able[ACTORS], count = 0, next;

	for (unsigned i = 0; i < ACTORS; i++)
		if (is_able(&world.actors[i]))
			able[count++] = i;
	if (count == 0)
		return false;
	next = able[choose_next(count)];
	world.running = next;
	torc_future_complete(&world.actors[next].go, 0);
	assert_int_equal(torc_yield(), 0);
	return true;
}

static void
reset_world(void)
{
	memset(world.actors, 0, sizeof(world.actors));
	memset(world.placed, 0, sizeof(world.placed));
	memset(world.held, 0, sizeof(world.held));
	world.taken_count = 0;
	world.is_posted = false;
	orders_begin(&world.orders);
	world.running = ACTORS;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct torc_shard *shard = &world.shards[i];

		memset(&shard->shelf, 0, sizeof(shard->shelf));
		shard->index = i;
		shard->now_ns = 1;
		torc__place_open(shard);
		shard->shelf.is_used = true;
	}
	/* The busy one seems to be the better choice. */
	atomic_store_explicit(&world.shards[SLEEPER].shelf.remote.turn_ns,
		WAIT_MAX_NS, memory_order_relaxed);
	is_announced = true;
}

static void
run_one_order(void)
{
	reset_world();
	assert_int_equal(torc_spawn(NULL, put_tasks, NULL), 0);
	assert_int_equal(torc_spawn(NULL, take_and_sleep, NULL), 0);
	/* Each goes as far as its first step. */
	assert_int_equal(torc_yield(), 0);
	while (take_a_step())
		continue;
	if (world.taken_count == world.to_put)
		return;
	/* Asleep for ever: wake it, so that its task ends. */
	world.lost_count++;
	world.taken_count = world.to_put;
	world.running = TAKER;
	torc_future_complete(&world.actors[TAKER].go, 0);
	while (!world.actors[TAKER].is_done) {
		assert_int_equal(torc_yield(), 0);
		if (!world.actors[TAKER].is_done)
			torc_future_complete(&world.actors[TAKER].go, 0);
	}
}

static int
run_all_orders(void *arg)
{
	(void)arg;
	world.to_put = 1;
	do
		run_one_order();
	while (orders_next(&world.orders));
	return 0;
}

static int
run_some_orders(void *arg)
{
	(void)arg;
	world.to_put = PUT_MAX;
	world.random = 1;
	for (int i = 0; i < 50000; i++)
		run_one_order();
	return 0;
}

static void
run_orders(torc_task_fn *fn)
{
	static struct fake_shard f;

	memset(&world, 0, sizeof(world));
	fake_shard_open(&f);
	fake_shard_run(&f, fn, NULL);
	fake_shard_close(&f);
	print_message("%u orders, %u sleeps\n", world.orders.count,
		world.slept_count);
	assert_true(world.slept_count > 0);
	assert_int_equal(world.lost_count, 0);
}

static void
no_order_leaves_a_task_and_a_sleeper(void **state)
{
	(void)state;
	run_orders(run_all_orders);
	assert_true(world.orders.count > 1000);
}

static void
nor_do_many_orders_of_several_tasks(void **state)
{
	(void)state;
	run_orders(run_some_orders);
}

/* What lies on the busy one's shelf, and how much of it the other takes. */
static void
half_is_taken_the_oldest_and_no_more_than_32(void **state)
{
	static const unsigned rows[][2] = { { 1, 1 }, { 2, 1 }, { 3, 2 },
		{ 62, 31 }, { 63, 32 }, { 64, 32 }, { 65, 32 }, { 200, 32 } };
	static struct torc_placed placed[200];
	static struct fake_shard f;
	const struct torc_shelf *taker = &world.shards[SLEEPER].shelf;

	(void)state;
	fake_shard_open(&f);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset_world();
		memset(placed, 0, sizeof(placed));
		for (unsigned n = 0; n < rows[i][0]; n++)
			put(&world.shards[HOG].shelf, &placed[n]);
		assert_true(steal(&world.shards[SLEEPER]));
		for (unsigned n = 0; n < rows[i][0]; n++)
			assert_int_equal(
				placed[n]._shelf == taker, n < rows[i][1]);
	}
	fake_shard_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_order_leaves_a_task_and_a_sleeper),
		cmocka_unit_test(nor_do_many_orders_of_several_tasks),
		cmocka_unit_test(half_is_taken_the_oldest_and_no_more_than_32),
	};

#ifdef TORC__TSAN
	/* There is one thread, and a task costs it 50 us. */
	puts("skipped: for the thread sanitizer there is nothing to see");
	return 77;
#endif
	return cmocka_run_group_tests_name(
		"core/place_order", tests, NULL, NULL);
}
