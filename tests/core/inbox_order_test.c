/* SPDX-License-Identifier: MIT */
/*
 * Goal    The code itself, not a model of it: no order in which the atomic
 *         operations of a sleeper and of two senders take effect leaves a
 *         message and nobody to wake the sleeper.
 * Method  The header is compiled with atomics that stop before they act. Its
 *         callers are tasks; the test lets one of them take one step at a
 *         time, and tries all orders there are. A store that is weaker than
 *         sequential takes effect later, at any time, as from a store buffer.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct torc_msg;
typedef _Atomic(struct torc_msg *) atomic_msg;

static void step(void);
static void delay_store(atomic_bool *where, bool value);

/* One thread runs them all, so that plain accesses do. */
static bool
load_bool(atomic_bool *p)
{
	step();
	return *p;
}

static struct torc_msg *
load_msg(atomic_msg *p)
{
	step();
	return *p;
}

static void
store_bool(atomic_bool *p, bool value)
{
	step();
	*p = value;
}

static bool
exchange_bool(atomic_bool *p, bool value)
{
	bool before = load_bool(p);

	*p = value;
	return before;
}

static struct torc_msg *
exchange_msg(atomic_msg *p, struct torc_msg *value)
{
	struct torc_msg *before = load_msg(p);

	*p = value;
	return before;
}

static bool
compare_exchange(atomic_msg *p, struct torc_msg **old, struct torc_msg *value)
{
	struct torc_msg *found = load_msg(p);

	if (found == *old)
		*p = value;
	else
		*old = found;
	return *p == value;
}

#pragma push_macro("atomic_init")
#pragma push_macro("atomic_load")
#pragma push_macro("atomic_load_explicit")
#pragma push_macro("atomic_store")
#pragma push_macro("atomic_store_explicit")
#pragma push_macro("atomic_exchange")
#pragma push_macro("atomic_compare_exchange_weak")
#undef atomic_init
#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_compare_exchange_weak
#define atomic_init(p, v) (*(p) = (v))
#define atomic_load(p) \
	_Generic((p), atomic_bool * : load_bool, atomic_msg * : load_msg)(p)
#define atomic_load_explicit(p, order) atomic_load(p)
#define atomic_store(p, v) store_bool(p, v)
#define atomic_store_explicit(p, v, order) \
	((order) == memory_order_seq_cst ? store_bool(p, v) : delay_store(p, v))
#define atomic_exchange(p, v)                  \
	_Generic((p), atomic_bool *            \
		 : exchange_bool, atomic_msg * \
		 : exchange_msg)(p, v)
#define atomic_compare_exchange_weak(p, old, v) compare_exchange(p, old, v)
#include "core/inbox_priv.h"
#pragma pop_macro("atomic_init")
#pragma pop_macro("atomic_load")
#pragma pop_macro("atomic_load_explicit")
#pragma pop_macro("atomic_store")
#pragma pop_macro("atomic_store_explicit")
#pragma pop_macro("atomic_exchange")
#pragma pop_macro("atomic_compare_exchange_weak")

#include "tests/support/fake_shard.h"
#include "tests/support/orders.h"
#include "tests/test.h"

#define SENDERS 2
#define ACTORS (1 + SENDERS) /* the sleeper is actor 0 */
#define STORE ACTORS         /* the delayed store takes effect */

struct actor {
	struct torc_future go; /* pending while it stops before a step */
	bool is_done;
};

static struct {
	struct torc_inbox inbox;
	struct torc_msg msgs[SENDERS];
	struct actor actors[ACTORS];
	unsigned running;
	bool does_sleep;
	unsigned rings;
	atomic_bool *delayed;
	bool delayed_value;

	struct orders orders;
	unsigned lost_count;
} world;

static void
step(void)
{
	struct actor *actor = &world.actors[world.running];

	torc_future_init(&actor->go, NULL, NULL);
	torc_await(&actor->go);
}

static void
delay_store(atomic_bool *where, bool value)
{
	step();
	world.delayed = where;
	world.delayed_value = value;
}

static int
fall_asleep(void *arg)
{
	(void)arg;
	world.running = 0;
	world.does_sleep = torc__inbox_sleep(&world.inbox);
	world.actors[0].is_done = true;
	return 0;
}

static int
push(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	world.running = 1 + i;
	world.rings += torc__inbox_push_remote(&world.inbox, &world.msgs[i]);
	world.actors[1 + i].is_done = true;
	return 0;
}

/* One step of somebody who can; false when all are done. */
static bool
take_a_step(void)
{
	unsigned able[ACTORS + 1], count = 0, next;

	for (unsigned i = 0; i < ACTORS; i++) {
		if (!world.actors[i].is_done)
			able[count++] = i;
	}
	if (world.delayed != NULL)
		able[count++] = STORE;
	if (count == 0)
		return false;
	next = able[orders_choose(&world.orders, count)];
	if (next == STORE) {
		*world.delayed = world.delayed_value;
		world.delayed = NULL;
		return true;
	}
	world.running = next;
	torc_future_complete(&world.actors[next].go, 0);
	assert_int_equal(torc_yield(), 0);
	return true;
}

static void
run_one_order(void)
{
	torc__inbox_init(&world.inbox);
	memset(world.actors, 0, sizeof(world.actors));
	world.rings = 0;
	world.delayed = NULL;
	orders_begin(&world.orders);
	assert_int_equal(torc_spawn(NULL, fall_asleep, NULL), 0);
	for (uintptr_t i = 0; i < SENDERS; i++)
		assert_int_equal(torc_spawn(NULL, push, (void *)i), 0);
	/* Each goes as far as its first step. */
	assert_int_equal(torc_yield(), 0);
	while (take_a_step())
		;
	world.lost_count += world.does_sleep && world.rings == 0;
}

static int
run_all_orders(void *arg)
{
	(void)arg;
	do
		run_one_order();
	while (orders_next(&world.orders));
	return 0;
}

static void
no_order_leaves_a_message_and_a_sleeper(void **state)
{
	static struct fake_shard f;

	(void)state;
	fake_shard_open(&f);
	fake_shard_run(&f, run_all_orders, NULL);
	fake_shard_close(&f);

	print_message("%u orders\n", world.orders.count);
	assert_true(world.orders.count > 1000);
	assert_int_equal(world.lost_count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_order_leaves_a_message_and_a_sleeper),
	};

	return cmocka_run_group_tests_name(
		"core/inbox_order", tests, NULL, NULL);
}
