/* SPDX-License-Identifier: MIT */
/*
 * Goal    The code itself, not a model of it: no order in which the atomic
 *         operations of a channel's senders, its receiver and who closes or
 *         cancels take effect loses an item, or leaves somebody asleep who
 *         has a reason to go on.
 * Method  channel.c is compiled with atomics that stop before they act, and
 *         with locks that do. Its callers are tasks; the test lets one of them
 *         take one step at a time, and tries all orders there are. What a
 *         store releases takes effect later, at any time, as from a store
 *         buffer, but before the next locked instruction of the same task. An
 *         order that reaches a state that was seen before is not tried again:
 *         a task's own state is what it has read so far. Where three meet and
 *         all orders are too many, those with a few switches are tried.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/core/channel/stepped.h"
#include "tests/support/fake_shard.h"
#include "tests/support/orders.h"

#define SEEN_MAX (1u << 22)
#define ITEMS_MAX 8
/* Where all orders are too many. */
#define SWITCHES_MAX 4

struct scenario {
	const char *name;
	uint32_t capacity;
	unsigned filled_count; /* items inside to begin with */
	unsigned switches_max; /* away from who could go on; 0: any number */
	torc_task_fn *actors[ACTORS_MAX];
};

static struct {
	const struct scenario *scenario;
	struct torc_channel *channel;
	unsigned switches;
	struct actor *last; /* who took the last step */
	bool is_old;        /* it goes where another has gone */

	uint64_t received[ITEMS_MAX];
	unsigned received_count, sent_count;

	struct orders orders;
	unsigned stuck_count, wrong_count, states_count;
	uint64_t *seen;
} world;

/* ---- who acts ---- */

static unsigned
my_index(void)
{
	return (unsigned)(me() - stepped.actors);
}

static int
send_one(void *arg)
{
	uint64_t item = 100 * (1 + my_index());

	(void)arg;
	world.sent_count += torc_channel_send(world.channel, &item) == 0;
	return 0;
}

static int
send_two(void *arg)
{
	uint64_t item = 100 * (1 + my_index()) + 1;

	send_one(arg);
	world.sent_count += torc_channel_send(world.channel, &item) == 0;
	return 0;
}

static void
keep(uint64_t item)
{
	assert_true(world.received_count < ITEMS_MAX);
	world.received[world.received_count++] = item;
}

static int
recv_one(void *arg)
{
	uint64_t item = 0;
	int ret = torc_channel_recv(world.channel, &item);

	(void)arg;
	assert_int_not_equal(ret, -EAGAIN);
	if (ret == 0)
		keep(item);
	return ret;
}

static int
recv_two(void *arg)
{
	recv_one(arg);
	recv_one(arg);
	return 0;
}

static int
recv_three(void *arg)
{
	recv_one(arg);
	return recv_two(arg);
}

static int
recv_to_the_end(void *arg)
{
	while (recv_one(arg) == 0)
		;
	return 0;
}

static int
close_it(void *arg)
{
	(void)arg;
	torc_channel_close(world.channel);
	return 0;
}

/* A wait that its own shard cancels, and then another try. */
static int
recv_after_a_cancel(void *arg)
{
	struct torc_channel_wait wait;

	torc_channel_recv_start(world.channel, &wait);
	step();
	torc_future_cancel(&wait.done);
	(void)torc_await(&wait.done);
	return recv_one(arg);
}

static int
send_and_cancel(void *arg)
{
	uint64_t item = 100 * (1 + my_index());
	struct torc_channel_wait wait;

	(void)arg;
	torc_channel_send_start(world.channel, &item, &wait);
	step();
	torc_future_cancel(&wait.done);
	world.sent_count += torc_await(&wait.done) == 0;
	return 0;
}

static int
send_by_reservation(void *arg)
{
	uint64_t item = 100 * (1 + my_index());

	(void)arg;
	if (torc_channel_reserve(world.channel) < 0)
		return 0;
	torc_channel_send_reserved(world.channel, &item);
	world.sent_count++;
	return 0;
}

static int
reserve_and_give_back(void *arg)
{
	(void)arg;
	if (torc_channel_reserve(world.channel) == 0)
		torc_channel_unreserve(world.channel);
	return 0;
}

/* Where there is room for all, so that nobody waits. */
static int
try_to_send_one(void *arg)
{
	uint64_t item = 100 * (1 + my_index());
	int ret = torc_channel_try_send(world.channel, &item);

	(void)arg;
	world.wrong_count += ret != 0;
	world.sent_count += ret == 0;
	return 0;
}

static int
reserve_and_cancel(void *arg)
{
	struct torc_channel_wait wait;

	(void)arg;
	torc_channel_reserve_start(world.channel, &wait);
	step();
	torc_future_cancel(&wait.done);
	if (torc_await(&wait.done) == 0)
		torc_channel_unreserve(world.channel);
	return 0;
}

/* ---- one order ---- */

static int
act(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	struct actor *actor = &stepped.actors[i];

	actor->task = torc_self();
	step();
	world.scenario->actors[i](NULL);
	flush_all();
	actor->is_done = true;
	actor->task = NULL;
	return 0;
}

static int
look_again(void *arg)
{
	struct actor *actor = &stepped.actors[LOOKER];

	(void)arg;
	actor->task = torc_self();
	while (!stepped.is_free) {
		struct torc_msg *msg = stepped.again;

		actor->is_idle =
			msg == NULL || stepped.steps == stepped.again_at;
		if (actor->is_idle) {
			step();
			continue;
		}
		stepped.again = NULL;
		msg->fn(msg);
	}
	actor->task = NULL;
	return 0;
}

static uint64_t
state_now(void)
{
	const struct torc_queue *queue = &world.channel->queue;
	uint64_t hash = mix(queue->tail, queue->head);

	for (uint64_t i = 0; i < queue->capacity; i++) {
		struct torc_slot *slot = torc__queue_slot(queue, i);
		uint64_t item;

		memcpy(&item, slot->item, sizeof(item));
		hash = mix(mix(hash, slot->stamp), item);
	}
	for (unsigned i = 0; i <= LOOKER; i++) {
		const struct actor *actor = &stepped.actors[i];

		hash = mix(hash, actor->history);
		hash = mix(hash, actor->is_stopped + 2u * actor->is_done);
		for (unsigned k = 0; k < actor->stores_count; k++)
			hash = mix(hash, actor->stores[k].value);
	}
	for (struct torc_link *link = world.channel->senders.next;
		link != &world.channel->senders; link = link->next) {
		const struct torc_channel_wait *wait = torc__container_of(
			link, struct torc_channel_wait, _link);
		uint64_t item = 0;

		if (!wait->_is_reserving)
			memcpy(&item, wait->_item, sizeof(item));
		hash = mix(hash, item);
	}
	hash = mix(hash,
		world.channel->reserved * 2 + world.channel->is_held_back);
	hash = mix(hash, stepped.owner * 4 + (stepped.again != NULL) * 2 +
				 (stepped.steps > stepped.again_at));
	if (world.scenario->switches_max != 0)
		hash = mix(mix(hash, world.switches),
			(uint64_t)(world.last - stepped.actors));
	return mix(hash, queue->receiver != NULL);
}

/* True when it was not seen before. */
static bool
is_new(uint64_t state)
{
	uint64_t at = state % SEEN_MAX;

	state |= 1;
	while (world.seen[at] != 0) {
		if (world.seen[at] == state)
			return false;
		at = (at + 1) % SEEN_MAX;
	}
	assert_true(++world.states_count < SEEN_MAX / 2);
	world.seen[at] = state;
	return true;
}

static unsigned
choose(unsigned count)
{
	/* A choice that was made before comes with a state that was seen. */
	if (orders_is_new(&world.orders)) {
		world.is_old = world.is_old || !is_new(state_now());
		count = world.is_old ? 1 : count;
	}
	return orders_choose(&world.orders, count);
}

static bool
can_step(const struct actor *actor)
{
	if (!actor->is_stopped || (actor->wants_lock && stepped.owner != 0))
		return false;
	/* To look again is of use only when something has changed. */
	return !actor->is_idle ||
	       (stepped.again != NULL && stepped.steps > stepped.again_at);
}

static void
run_the_woken(void)
{
	while (torc__shard->ready_head != NULL)
		assert_int_equal(torc_yield(), 0);
}

/* Who can take a step, then whose store can take effect. */
static unsigned
list_able(struct actor **able, unsigned *steps_count)
{
	unsigned count = 0;

	for (unsigned i = 0; i <= LOOKER; i++)
		if (can_step(&stepped.actors[i]))
			able[count++] = &stepped.actors[i];
	*steps_count = count;
	for (unsigned i = 0; i <= LOOKER; i++)
		if (stepped.actors[i].stores_count > 0)
			able[count++] = &stepped.actors[i];
	return count;
}

/* One step of somebody, or a store's effect; false: none is left. */
static bool
take_a_step(void)
{
	struct actor *able[2 * (LOOKER + 1)], *next;
	unsigned steps_count, chosen;
	unsigned count = list_able(able, &steps_count);
	bool can_go_on = can_step(world.last);

	if (count == 0)
		return false;
	if (can_go_on && world.scenario->switches_max != 0 &&
		world.switches == world.scenario->switches_max) {
		able[0] = world.last;
		steps_count = count = 1;
	}
	chosen = choose(count);
	next = able[chosen];
	world.switches +=
		can_go_on && (next != world.last || chosen >= steps_count);
	if (chosen < steps_count) {
		world.last = next;
		torc_future_complete(&next->go, 0);
		run_the_woken();
	} else {
		flush_one(next);
		stepped.steps++;
	}
	return true;
}

/* Everything that was sent is there, once, each sender's in its order. */
static bool
is_right(void)
{
	uint64_t last[ACTORS_MAX + 1] = { 0 };
	uint64_t item;

	while (torc_channel_try_recv(world.channel, &item) == 0)
		keep(item);
	for (unsigned i = 0; i < world.received_count; i++) {
		uint64_t from = world.received[i] / 100;

		if (from > ACTORS_MAX || world.received[i] < last[from])
			return false;
		last[from] = world.received[i] + 1;
	}
	return world.received_count ==
	       world.sent_count + world.scenario->filled_count;
}

/* Whoever is still asleep, although nobody can do anything, is stuck. */
static void
end_order(void)
{
	bool is_stuck = false;

	stepped.is_free = true;
	for (unsigned i = 0; i <= LOOKER; i++) {
		struct actor *actor = &stepped.actors[i];

		if (actor->is_stopped)
			torc_future_complete(&actor->go, 0);
		else if (actor->task != NULL) {
			is_stuck = true;
			torc_cancel(actor->task);
		}
	}
	run_the_woken();
	world.stuck_count += is_stuck;
	world.wrong_count += !is_right();
}

static void
run_one_order(void)
{
	memset(stepped.actors, 0, sizeof(stepped.actors));
	stepped.owner = stepped.steps = stepped.again_at = 0;
	orders_begin(&world.orders);
	world.switches = 0;
	world.last = &stepped.actors[0];
	stepped.again = NULL;
	stepped.is_free = world.is_old = false;
	world.received_count = world.sent_count = 0;
	assert_int_equal(torc_channel_create(&world.channel, sizeof(uint64_t),
				 world.scenario->capacity),
		0);
	for (uint64_t i = 0; i < world.scenario->filled_count; i++)
		assert_int_equal(torc_channel_try_send(world.channel, &i), 0);
	for (uintptr_t i = 0; i < ACTORS_MAX; i++)
		if (world.scenario->actors[i] != NULL)
			assert_int_equal(torc_spawn(NULL, act, (void *)i), 0);
	assert_int_equal(torc_spawn(NULL, look_again, NULL), 0);
	run_the_woken();
	while (take_a_step())
		;
	end_order();
	torc_channel_release(world.channel);
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

static const struct scenario scenarios[] = {
	{ "one sends to one who falls asleep", 1, 0, 0,
		{ send_one, recv_one } },
	{ "one sends more than there is room for", 1, 0, 0,
		{ send_two, recv_two } },
	{ "two send while there is room", 2, 0, 0,
		{ send_one, send_one, recv_two } },
	{ "one waits for room", 1, 1, 0, { send_one, recv_two } },
	{ "two wait for room", 1, 1, SWITCHES_MAX,
		{ send_one, send_one, recv_three } },
	{ "a close meets a send", 1, 0, 0,
		{ send_one, close_it, recv_to_the_end } },
	{ "a close meets one who waits for room", 1, 1, SWITCHES_MAX,
		{ send_one, close_it, recv_to_the_end } },
	{ "a cancel meets the item", 1, 0, 0,
		{ send_one, recv_after_a_cancel } },
	{ "a cancel meets the room", 1, 1, 0, { send_and_cancel, recv_one } },
	{ "a cancel lets the next one have the room", 1, 1, SWITCHES_MAX,
		{ send_and_cancel, send_one, recv_two } },
	{ "one reserves, sends, and another falls asleep", 1, 0, 0,
		{ send_by_reservation, recv_one } },
	{ "one waits to reserve", 1, 1, 0, { send_by_reservation, recv_two } },
	{ "a reservation meets a send", 1, 0, SWITCHES_MAX,
		{ send_by_reservation, send_one, recv_two } },
	{ "two reserve", 2, 1, SWITCHES_MAX,
		{ send_by_reservation, send_by_reservation, recv_three } },
	{ "room is given back to one who waits", 1, 0, SWITCHES_MAX,
		{ reserve_and_give_back, send_one, recv_one } },
	{ "a close meets a reservation", 1, 0, SWITCHES_MAX,
		{ send_by_reservation, close_it, recv_to_the_end } },
	{ "a close meets room that is given back", 1, 0, SWITCHES_MAX,
		{ reserve_and_give_back, close_it, recv_to_the_end } },
	{ "room that is given back is no reason not to send", 2, 0, 0,
		{ reserve_and_give_back, try_to_send_one } },
	{ "two give room back, and there was enough for a third", 3, 0,
		SWITCHES_MAX,
		{ reserve_and_give_back, try_to_send_one,
			reserve_and_give_back } },
	{ "a cancel meets the reservation", 1, 1, 0,
		{ reserve_and_cancel, recv_one } },
};

static void
no_order_loses_an_item_or_a_wake(void **state)
{
	static struct fake_shard f;

	(void)state;
	world.seen = malloc(SEEN_MAX * sizeof(*world.seen));
	fake_shard_open(&f);
	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		world.scenario = &scenarios[i];
		world.states_count = 0;
		memset(world.seen, 0, SEEN_MAX * sizeof(*world.seen));
		memset(&world.orders, 0, sizeof(world.orders));
		fake_shard_run(&f, run_all_orders, NULL);

		print_message("%s: %u orders, %u states\n",
			world.scenario->name, world.orders.count,
			world.states_count);
		assert_true(world.states_count > 100);
		assert_int_equal(world.stuck_count, 0);
		assert_int_equal(world.wrong_count, 0);
	}
	fake_shard_close(&f);
	free(world.seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_order_loses_an_item_or_a_wake),
	};

#ifdef TORC__TSAN
	/* There is one thread, and a task costs it 50 us. */
	puts("skipped: for the thread sanitizer there is nothing to see");
	return 77;
#endif
	return cmocka_run_group_tests_name(
		"core/channel order", tests, NULL, NULL);
}
