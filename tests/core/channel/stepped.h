/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_CHANNEL_STEPPED_H
#define TORC_TESTS_CORE_CHANNEL_STEPPED_H

/*
 * stepped - channel.c with atomics and locks that stop before they act
 *
 * Each actor is a task, which stops until the test completes its `go`. What a
 * store releases is kept in the actor's `stores`, as in a store buffer: it
 * takes effect when the test says so, or with the next locked instruction of
 * the same actor. `history` is what the actor has read so far, and so, but for
 * where it stands, all of its own state.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <torc/alloc/arena.h>

#include "core/channel/wait_priv.h"
#include "core/shard_priv.h"
#include "tests/test.h"

#define ACTORS_MAX 4
#define STORES_MAX 4

/* A loop of its own, for a receiver that must look again. */
#define LOOKER ACTORS_MAX

struct store {
	_Atomic uint64_t *where;
	uint64_t value;
};

struct actor {
	struct torc_task *task;
	struct torc_future go; /* pending while it stops before a step */
	bool is_stopped;
	bool is_idle; /* the looker, with nothing to look for */
	bool is_done;
	bool wants_lock;
	uint64_t history; /* what it has read, mixed */
	struct store stores[STORES_MAX];
	unsigned stores_count;
};

static struct {
	struct actor actors[ACTORS_MAX + 1];
	unsigned owner; /* of the lock, + 1; 0: nobody */
	struct torc_msg *again;
	unsigned steps, again_at;
	bool is_free; /* no more stops: the order is over */
} stepped;

static uint64_t load_stepped(const _Atomic uint64_t *p);
static void store_stepped(_Atomic uint64_t *p, uint64_t value);
static uint64_t exchange_stepped(_Atomic uint64_t *p, uint64_t value);
static uint64_t or_stepped(_Atomic uint64_t *p, uint64_t bits);
static uint64_t and_stepped(_Atomic uint64_t *p, uint64_t bits);
static bool compare_exchange_stepped(
	_Atomic uint64_t *p, uint64_t *old, uint64_t value);
static void lock_stepped(void);
static void unlock_stepped(void);
static void look_later(struct torc_msg *msg);
static void flush_all(void);

#pragma push_macro("atomic_init")
#pragma push_macro("atomic_load_explicit")
#pragma push_macro("atomic_store_explicit")
#pragma push_macro("atomic_exchange_explicit")
#pragma push_macro("atomic_fetch_or_explicit")
#pragma push_macro("atomic_fetch_and_explicit")
#pragma push_macro("atomic_compare_exchange_weak_explicit")
#undef atomic_init
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_weak_explicit
#define atomic_init(p, v) (*(p) = (v))
#define atomic_load_explicit(p, order) load_stepped(p)
#define atomic_store_explicit(p, v, order) store_stepped(p, v)
#define atomic_exchange_explicit(p, v, order) exchange_stepped(p, v)
#define atomic_fetch_or_explicit(p, v, order) or_stepped(p, v)
#define atomic_fetch_and_explicit(p, v, order) and_stepped(p, v)
#define atomic_compare_exchange_weak_explicit(p, old, v, won, lost) \
	compare_exchange_stepped(p, old, v)
#define pthread_mutex_lock(lock) lock_stepped()
#define pthread_mutex_unlock(lock) unlock_stepped()
#define torc__shard_post_remote(shard, msg) look_later(msg)
/* A message is pushed by a locked instruction. */
#define torc__wait_wake(wait, value) (flush_all(), torc__wait_wake(wait, value))
#define torc__wakes_send(wakes) (flush_all(), torc__wakes_send(wakes))
#include "core/channel/channel.c"
#include "core/channel/reserve.c"
#undef pthread_mutex_lock
#undef pthread_mutex_unlock
#undef torc__shard_post_remote
#undef torc__wait_wake
#undef torc__wakes_send
#pragma pop_macro("atomic_init")
#pragma pop_macro("atomic_load_explicit")
#pragma pop_macro("atomic_store_explicit")
#pragma pop_macro("atomic_exchange_explicit")
#pragma pop_macro("atomic_fetch_or_explicit")
#pragma pop_macro("atomic_fetch_and_explicit")
#pragma pop_macro("atomic_compare_exchange_weak_explicit")

static struct actor *
me(void)
{
	for (unsigned i = 0; i <= LOOKER; i++)
		if (stepped.actors[i].task == torc_self())
			return &stepped.actors[i];
	return NULL;
}

static uint64_t
mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static void
step(void)
{
	struct actor *actor = me();

	if (stepped.is_free || actor == NULL)
		return;
	torc_future_init(&actor->go, NULL, NULL);
	actor->is_stopped = true;
	torc_await(&actor->go);
	actor->is_stopped = false;
	actor->history = mix(actor->history, 1);
	stepped.steps++;
}

static void
note_read(uint64_t value)
{
	struct actor *actor = me();

	if (actor != NULL)
		actor->history = mix(actor->history, value);
}

static void
flush_one(struct actor *actor)
{
	*actor->stores[0].where = actor->stores[0].value;
	actor->stores_count--;
	memmove(&actor->stores[0], &actor->stores[1],
		actor->stores_count * sizeof(actor->stores[0]));
}

static void
flush_all(void)
{
	struct actor *actor = me();

	while (actor != NULL && actor->stores_count > 0)
		flush_one(actor);
}

static uint64_t
load_stepped(const _Atomic uint64_t *p)
{
	struct actor *actor = me();
	uint64_t value;

	step();
	value = *p;
	for (unsigned i = 0; actor != NULL && i < actor->stores_count; i++)
		if (actor->stores[i].where == p)
			value = actor->stores[i].value;
	note_read(value);
	return value;
}

static void
store_stepped(_Atomic uint64_t *p, uint64_t value)
{
	struct actor *actor = me();

	step();
	if (stepped.is_free || actor == NULL) {
		*p = value;
		return;
	}
	assert_true(actor->stores_count < STORES_MAX);
	actor->stores[actor->stores_count++] = (struct store){ p, value };
	note_read(1);
}

static void
locked_step(void)
{
	step();
	flush_all();
}

/* Keep these bits, then set those. */
static uint64_t
change_bits(_Atomic uint64_t *p, uint64_t kept, uint64_t set)
{
	uint64_t before;

	locked_step();
	before = *p;
	*p = (before & kept) | set;
	note_read(before);
	return before;
}

static uint64_t
exchange_stepped(_Atomic uint64_t *p, uint64_t value)
{
	return change_bits(p, 0, value);
}

static uint64_t
or_stepped(_Atomic uint64_t *p, uint64_t bits)
{
	return change_bits(p, UINT64_MAX, bits);
}

static uint64_t
and_stepped(_Atomic uint64_t *p, uint64_t bits)
{
	return change_bits(p, bits, 0);
}

static bool
compare_exchange_stepped(_Atomic uint64_t *p, uint64_t *old, uint64_t value)
{
	uint64_t before;
	bool is_won;

	locked_step();
	before = *p;
	is_won = before == *old;
	if (is_won)
		*p = value;
	*old = before;
	note_read(before);
	return is_won;
}

static void
lock_stepped(void)
{
	struct actor *actor = me();

	if (actor == NULL)
		return;
	actor->wants_lock = true;
	locked_step();
	actor->wants_lock = false;
	if (!stepped.is_free)
		assert_int_equal(stepped.owner, 0);
	stepped.owner = (unsigned)(actor - stepped.actors) + 1;
	note_read(2);
}

static void
unlock_stepped(void)
{
	if (me() == NULL)
		return;
	locked_step();
	stepped.owner = 0;
	note_read(3);
}

static void
look_later(struct torc_msg *msg)
{
	stepped.again = msg;
	stepped.again_at = stepped.steps;
}

#endif /* TORC_TESTS_CORE_CHANNEL_STEPPED_H */
