/* SPDX-License-Identifier: MIT */
/*
 * Where tasks begin that any shard may run: onto the shelf of the shard that
 * is likely to get to them first, and from there to one that is idle sooner.
 */
#include "core/place_priv.h"

#include <errno.h>
#include <stddef.h>

#include <torc/alloc/arena.h>
#include <torc/base/clock.h>

#include "core/gate_priv.h"
#include "core/remote_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

/* Tasks that begin in one turn of a shard that has no other. */
#define BEGUN_MAX 16
/* Half of what lies on a shelf is taken, up to so much. */
#define TAKEN_MAX 32

/* What a shard that is idle makes a task wait, more or less. */
#define WAKE_NS TORC_US
/* So that the sum of it stays a number. */
#define WAIT_MAX_NS (UINT64_C(1) << 40)
/* In a simulation no time passes while a task runs. */
#define SIMULATED_TASK_NS TORC_US

_Static_assert(offsetof(struct torc_placed, _seed) == 0,
	"what begins a detached seed frees the whole");

/* Where the next look at all shards begins; whether there was one. */
static atomic_uint look_next;
static atomic_bool is_announced;

static struct torc_placed *
placed_of(struct torc_link *link)
{
	return torc__container_of(link, struct torc_placed, _link);
}

/* It comes and looks at all shelves. */
static bool
nudge(struct torc_shard *shard)
{
	/* Pairs with the store in on_nudge(). */
	if (atomic_exchange(&shard->shelf.remote.is_nudged, true))
		return false;
	torc__shard_post_remote(shard, &shard->shelf.remote.nudge);
	return true;
}

static void
on_nudge(struct torc_msg *msg)
{
	struct torc_shelf *shelf =
		torc__container_of(msg, struct torc_shelf, remote.nudge);
	struct torc_shard *shard = torc__shard;

	shelf->is_used = true;
	/* Before it is free to be sent again, and we look at the shelves. */
	atomic_store(&shelf->remote.busy_since_ns, shard->now_ns | 1);
	atomic_store(&shelf->remote.is_nudged, false);
}

void
torc__place_reset(void)
{
	atomic_store(&look_next, 0);
	atomic_store(&is_announced, false);
}

void
torc__place_open(struct torc_shard *shard)
{
	struct torc_shelf *shelf = &shard->shelf;

	shelf->remote.nudge.fn = on_nudge;
	shelf->began_ns = shard->now_ns;
	/* Busy, until it says otherwise: it may never have turned by then. */
	atomic_store(&shelf->remote.busy_since_ns, shard->now_ns | 1);
	pthread_mutex_init(&shelf->remote.lock, NULL);
	torc__list_init(&shelf->remote.placed);
}

void
torc__place_close(struct torc_shard *shard)
{
	/* Without a list it was never opened. */
	if (shard->shelf.remote.placed.next != NULL)
		pthread_mutex_destroy(&shard->shelf.remote.lock);
}

unsigned
torc__place_count(const struct torc_shard *shard)
{
	return atomic_load(&shard->shelf.remote.count);
}

/* Wake one that sleeps, so that it takes what `from` does not get to. */
static void
nudge_idle(const struct torc_shard *from)
{
	unsigned count = torc_shard_count();

	for (unsigned i = 1; i < count; i++) {
		struct torc_shard *shard =
			torc__runtime_shard((from->index + i) % count);

		/* Pairs with the store in torc__place_may_rest_slow(). */
		if (atomic_load(&shard->shelf.remote.busy_since_ns) == 0 &&
			nudge(shard))
			return;
	}
}

/* How long a task that is put there now would wait, about. */
static uint64_t
load_ns(struct torc_shard *shard, uint64_t now_ns)
{
	struct torc_shelf *shelf = &shard->shelf;
	uint64_t since_ns = atomic_load_explicit(
		&shelf->remote.busy_since_ns, memory_order_relaxed);
	uint64_t wait_ns = atomic_load_explicit(
		&shelf->remote.turn_ns, memory_order_relaxed);
	uint64_t count = atomic_load_explicit(
		&shelf->remote.count, memory_order_relaxed);

	if (since_ns == 0)
		wait_ns = 0;
	else if (now_ns > since_ns && now_ns - since_ns > wait_ns)
		wait_ns = now_ns - since_ns;
	if (wait_ns > WAIT_MAX_NS)
		wait_ns = WAIT_MAX_NS;
	return (wait_ns + WAKE_NS) * (count + 1);
}

static struct torc_shard *
choose(void)
{
	uint64_t now_ns = torc__shard == NULL
				  ? torc_clock_ns()
				  : torc__ring_now_ns(&torc__shard->ring);
	unsigned count = torc_shard_count();
	/* Of equals another one each time. */
	unsigned first =
		atomic_fetch_add_explicit(&look_next, 1, memory_order_relaxed);
	struct torc_shard *best = NULL;
	uint64_t best_ns = 0;

	for (unsigned i = 0; i < count; i++) {
		struct torc_shard *shard =
			torc__runtime_shard((first + i) % count);
		uint64_t ns = load_ns(shard, now_ns);

		if (best == NULL || ns < best_ns) {
			best = shard;
			best_ns = ns;
		}
	}
	return best;
}

static void
put(struct torc_shelf *shelf, struct torc_placed *placed)
{
	pthread_mutex_lock(&shelf->remote.lock);
	__atomic_store_n(&placed->_shelf, shelf, __ATOMIC_RELEASE);
	torc__list_push_back(&shelf->remote.placed, &placed->_link);
	/* Pairs with the loads in torc__place_may_rest_slow() and steal(). */
	atomic_fetch_add(&shelf->remote.count, 1);
	pthread_mutex_unlock(&shelf->remote.lock);
}

void
torc__place_put(struct torc_placed *placed)
{
	struct torc_shard *shard = choose();

	if (torc__shard != NULL)
		torc__shard->ring.has_worked = true;
	put(&shard->shelf, placed);
	/* The first time nobody has said yet whether he is idle. */
	if (!atomic_load_explicit(&is_announced, memory_order_relaxed) &&
		!atomic_exchange(&is_announced, true)) {
		for (unsigned i = 0; i < torc_shard_count(); i++)
			(void)nudge(torc__runtime_shard(i));
		return;
	}
	/* Pairs with the store in torc__place_may_rest_slow(). */
	if (atomic_load(&shard->shelf.remote.busy_since_ns) == 0)
		(void)nudge(shard);
	else
		nudge_idle(shard);
}

static struct torc_placed *
take_first(struct torc_shard *shard, unsigned *left)
{
	struct torc_shelf *shelf = &shard->shelf;
	struct torc_placed *placed = NULL;
	struct torc_link *link;

	pthread_mutex_lock(&shelf->remote.lock);
	link = torc__list_pop_front(&shelf->remote.placed);
	if (link != NULL) {
		*left = atomic_fetch_sub(&shelf->remote.count, 1) - 1;
		placed = placed_of(link);
		placed->_shard = shard;
		/* Pairs with the load in torc__place_take_back(): then it reads
		 * _shard. */
		__atomic_store_n(&placed->_shelf, NULL, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&shelf->remote.lock);
	return placed;
}

static uint64_t
simulated_turn_ns(const struct torc_shard *shard)
{
	uint64_t ns = 0;

	for (const struct torc_task *task = shard->ready_head; task != NULL;
		task = task->ready_next)
		ns += SIMULATED_TASK_NS;
	return ns;
}

/* Once per turn, when its shard looks at the shelf. */
static void
publish(struct torc_shard *shard)
{
	struct torc_shelf *shelf = &shard->shelf;
	uint64_t turn_ns = shard->now_ns - shelf->began_ns;

	if (shard->ring.engine->is_simulated)
		turn_ns = simulated_turn_ns(shard);
	else if (shelf->has_rested)
		/* Most of it was the wait; what was before it fades. */
		turn_ns = atomic_load_explicit(&shelf->remote.turn_ns,
				  memory_order_relaxed) /
			  2;
	shelf->has_rested = false;
	shelf->began_ns = shard->now_ns;
	shelf->begun_count = 0;
	/* Hints for load_ns(), which needs no order. */
	atomic_store_explicit(
		&shelf->remote.turn_ns, turn_ns, memory_order_relaxed);
	atomic_store_explicit(&shelf->remote.busy_since_ns, shard->now_ns | 1,
		memory_order_relaxed);
}

bool
torc__place_begin(struct torc_shard *shard)
{
	struct torc_shelf *shelf = &shard->shelf;
	struct torc_placed *placed;
	uint64_t turn = torc__pulse_turns(&shard->pulse);
	unsigned left = 0;

	if (turn != shelf->turn) {
		shelf->turn = turn;
		publish(shard);
	}
	if (shelf->begun_count == BEGUN_MAX ||
		atomic_load_explicit(
			&shelf->remote.count, memory_order_relaxed) == 0)
		return false;
	placed = take_first(shard, &left);
	if (placed == NULL)
		return false;
	shelf->begun_count++;
	if (torc__seed_begin(&placed->_seed) < 0)
		torc__seed_refuse(&placed->_seed);
	/* The one that begins may keep the others waiting. */
	if (left > 0)
		nudge_idle(shard);
	return shard->ready_head != NULL;
}

/* Two shelves, always in the same order. */
static void
lock_both(struct torc_shard *a, struct torc_shard *b)
{
	struct torc_shard *first = a->index < b->index ? a : b;
	struct torc_shard *second = first == a ? b : a;

	pthread_mutex_lock(&first->shelf.remote.lock);
	pthread_mutex_lock(&second->shelf.remote.lock);
}

/* Half of what `from` has, the oldest; how many. */
static unsigned
move_half(struct torc_shelf *to, struct torc_shelf *from)
{
	unsigned count = (atomic_load(&from->remote.count) + 1) / 2;

	if (count > TAKEN_MAX)
		count = TAKEN_MAX;
	for (unsigned i = 0; i < count; i++) {
		struct torc_link *link = from->remote.placed.next;

		torc__list_remove(link);
		torc__list_push_back(&to->remote.placed, link);
		__atomic_store_n(
			&placed_of(link)->_shelf, to, __ATOMIC_RELEASE);
	}
	atomic_fetch_sub(&from->remote.count, count);
	atomic_fetch_add(&to->remote.count, count);
	return count;
}

static bool
steal(struct torc_shard *shard)
{
	unsigned count = torc_shard_count();

	for (unsigned i = 1; i < count; i++) {
		struct torc_shard *from =
			torc__runtime_shard((shard->index + i) % count);
		unsigned moved;

		/* Pairs with the addition in put(). */
		if (atomic_load(&from->shelf.remote.count) == 0)
			continue;
		lock_both(shard, from);
		moved = move_half(&shard->shelf, &from->shelf);
		pthread_mutex_unlock(&from->shelf.remote.lock);
		pthread_mutex_unlock(&shard->shelf.remote.lock);
		if (moved > 0)
			return true;
	}
	return false;
}

bool
torc__place_may_rest_slow(struct torc_shard *shard)
{
	struct torc_shelf *shelf = &shard->shelf;

	/*
	 * First say so, then look: torc__place_put() and nudge_idle() do it
	 * the other way round.
	 */
	atomic_store(&shelf->remote.busy_since_ns, 0);
	if (atomic_load(&shelf->remote.count) == 0 &&
		(shard->is_ending || !steal(shard)))
		return shelf->has_rested = true;
	atomic_store(&shelf->remote.busy_since_ns, shard->now_ns | 1);
	return false;
}

bool
torc__place_take_back(struct torc_placed *placed)
{
	struct torc_shelf *shelf;
	bool is_there = false;

	/* Pairs with the stores in take_first() and move_half(). */
	while (!is_there && (shelf = __atomic_load_n(&placed->_shelf,
				     __ATOMIC_ACQUIRE)) != NULL) {
		pthread_mutex_lock(&shelf->remote.lock);
		/* Whoever moved it on may be taking it from there now. */
		is_there = __atomic_load_n(&placed->_shelf, __ATOMIC_RELAXED) ==
			   shelf;
		if (is_there) {
			torc__list_remove(&placed->_link);
			atomic_fetch_sub(&shelf->remote.count, 1);
		}
		pthread_mutex_unlock(&shelf->remote.lock);
	}
	return is_there;
}

void
torc__place_wake_slow(struct torc_shard *shard)
{
	/* Pairs with the loads in torc__place_put() and nudge_idle(). */
	atomic_store(&shard->shelf.remote.busy_since_ns,
		torc__ring_now_ns(&shard->ring) | 1);
}

int
torc_spawn_any(torc_task_fn *fn, void *arg)
{
	struct torc_placed *placed;
	int ret = 0;

	torc_assert(fn != NULL);
	if (!torc__gate_enter(TORC__GATE_WORK))
		return -ESHUTDOWN;
	placed = torc_malloc(sizeof(*placed));
	if (placed == NULL) {
		ret = -ENOMEM;
	} else {
		*placed = (struct torc_placed){ ._seed = { ._fn = fn,
							._arg = arg } };
		torc__place_put(placed);
	}
	torc__gate_leave(TORC__GATE_WORK);
	return ret;
}
