/* SPDX-License-Identifier: MIT */
#include <torc/core/timer.h>

#include <stddef.h>

#include <torc/base/probe.h>

#include "core/timer_priv.h"

#define SLOTS_ALL (TORC_WHEEL_LEVELS * TORC_WHEEL_SLOTS)
#define SLOT_MASK (TORC_WHEEL_SLOTS - 1)
#define TICK_NS ((uint64_t)1 << TORC_TICK_BITS)
#define TICK_LAST (UINT64_MAX >> TORC_TICK_BITS)
#define DEAL_PER_FIRE 2

_Static_assert(TORC_TICK_BITS + TORC_WHEEL_LEVELS * TORC_WHEEL_SLOT_BITS == 64,
	"the levels cover every deadline");
_Static_assert(sizeof(struct torc_wheel) <= 10 * 1024,
	"a wheel is small enough to embed");

/* The first tick that begins at or after the deadline. */
static inline uint64_t
deadline_tick(uint64_t deadline_ns)
{
	return (deadline_ns >> TORC_TICK_BITS) +
	       ((deadline_ns & (TICK_NS - 1)) != 0);
}

void
torc__wheel_init(struct torc_wheel *wheel, uint64_t now_ns)
{
	uint64_t tick = now_ns >> TORC_TICK_BITS;

	*wheel = (struct torc_wheel){ .tick = tick, .now_tick = tick };
	torc__list_init(&wheel->due);
	torc__list_init(&wheel->dealing);
	torc__list_init(&wheel->late);
	torc__list_init(&wheel->late_ready);
	torc__list_init(&wheel->never);
	for (size_t i = 0; i < SLOTS_ALL; i++)
		torc__list_init(&wheel->slots[i]);
}

/* Put a timer of a tick after the wheel's where it belongs. */
static inline void
slot_push(struct torc_wheel *wheel, struct torc_link *link, uint64_t tick)
{
	unsigned top_bit = 63 - (unsigned)__builtin_clzll(tick ^ wheel->tick);
	unsigned level = top_bit / TORC_WHEEL_SLOT_BITS;
	unsigned slot = (tick >> (level * TORC_WHEEL_SLOT_BITS)) & SLOT_MASK;

	wheel->occupied[level] |= (uint64_t)1 << slot;
	torc__list_push_back(
		&wheel->slots[level * TORC_WHEEL_SLOTS + slot], link);
}

/* Take a timer off its list; an emptied slot loses its bit. */
static inline void
unlink_timer(struct torc_wheel *wheel, struct torc_timer *timer)
{
	struct torc_link *next = timer->_link.next;

	if (next == timer->_link.prev) {
		/* Alone: next is the head, perhaps that of a slot. */
		size_t offset = (uintptr_t)next - (uintptr_t)wheel->slots;
		size_t index = offset / sizeof(*next);

		if (index < SLOTS_ALL)
			wheel->occupied[index / TORC_WHEEL_SLOTS] &=
				~((uint64_t)1 << index % TORC_WHEEL_SLOTS);
	}
	torc__list_remove(&timer->_link);
	wheel->timers_count--;
}

void
torc__wheel_arm(struct torc_wheel *wheel, struct torc_timer *timer,
	uint64_t deadline_ns)
{
	uint64_t tick = deadline_tick(deadline_ns);

	torc_assert(timer->fn != NULL);
	if (torc__timer_is_armed(timer))
		unlink_timer(wheel, timer);

	timer->_deadline_ns = deadline_ns;
	wheel->timers_count++;
	if (torc_unlikely(tick <= wheel->now_tick))
		torc__list_push_back(&wheel->late, &timer->_link);
	else if (torc_unlikely(tick > TICK_LAST))
		torc__list_push_back(&wheel->never, &timer->_link);
	else
		slot_push(wheel, &timer->_link, tick);
}

void
torc__wheel_disarm(struct torc_wheel *wheel, struct torc_timer *timer)
{
	if (torc__timer_is_armed(timer))
		unlink_timer(wheel, timer);
}

/* The first tick of the earliest occupied slot; its level in *level. */
static uint64_t
earliest_slot(const struct torc_wheel *wheel, unsigned *level)
{
	for (unsigned i = 0; i < TORC_WHEEL_LEVELS; i++) {
		unsigned shift = i * TORC_WHEEL_SLOT_BITS;

		if (wheel->occupied[i] == 0)
			continue;

		uint64_t digit = (uint64_t)__builtin_ctzll(wheel->occupied[i]);
		uint64_t above = wheel->tick >> shift >> TORC_WHEEL_SLOT_BITS;

		*level = i;
		return (above << TORC_WHEEL_SLOT_BITS | digit) << shift;
	}
	return UINT64_MAX;
}

/* Go on to the earliest slot: fire its timers, or deal them out. */
static void
slot_enter(struct torc_wheel *wheel, uint64_t tick, unsigned level)
{
	unsigned digit = (tick >> (level * TORC_WHEEL_SLOT_BITS)) & SLOT_MASK;
	struct torc_link *slot =
		&wheel->slots[level * TORC_WHEEL_SLOTS + digit];

	wheel->tick = tick;
	wheel->occupied[level] &= ~((uint64_t)1 << digit);
	torc__list_splice(level == 0 ? &wheel->due : &wheel->dealing, slot);
}

/* Returns how much of the allowance is left. */
static uint64_t
deal(struct torc_wheel *wheel, uint64_t allowance)
{
	struct torc_link *link;

	while (allowance > 0 &&
		(link = torc__list_pop_front(&wheel->dealing)) != NULL) {
		struct torc_timer *timer =
			torc__container_of(link, struct torc_timer, _link);
		uint64_t tick = deadline_tick(timer->_deadline_ns);

		if (tick == wheel->tick)
			torc__list_push_back(&wheel->due, link);
		else
			slot_push(wheel, link, tick);
		allowance--;
	}
	return allowance;
}

/*
 * Fill `due` with what comes next. False when there is nothing up to
 * now_tick, or when the allowance is used up.
 */
static bool
collect(struct torc_wheel *wheel, uint64_t *allowance)
{
	while (torc__list_is_empty(&wheel->due)) {
		unsigned level = 0;
		uint64_t tick;

		*allowance = deal(wheel, *allowance);
		if (!torc__list_is_empty(&wheel->dealing))
			return !torc__list_is_empty(&wheel->due);
		if (!torc__list_is_empty(&wheel->due))
			return true;

		tick = earliest_slot(wheel, &level);
		if (tick > wheel->late_tick &&
			!torc__list_is_empty(&wheel->late_ready)) {
			torc__list_splice(&wheel->due, &wheel->late_ready);
		} else if (tick > wheel->now_tick) {
			wheel->tick = wheel->now_tick;
			return false;
		} else {
			slot_enter(wheel, tick, level);
		}
	}
	return true;
}

unsigned
torc__wheel_advance(
	struct torc_wheel *wheel, uint64_t now_ns, unsigned fire_max)
{
	uint64_t allowance = (uint64_t)fire_max * DEAL_PER_FIRE;
	uint64_t now_tick = now_ns >> TORC_TICK_BITS;
	unsigned fired = 0;

	torc_audit(torc__wheel_is_valid(wheel));

	/*
	 * Timers that were armed too late take their turn after all that
	 * was due by then and before what became due since. Any that an
	 * earlier call did not come to keep that call's place, and the new
	 * ones share it: neither kind of timer can starve the other.
	 */
	if (torc__list_is_empty(&wheel->late_ready))
		wheel->late_tick = wheel->now_tick;
	torc__list_splice(&wheel->late_ready, &wheel->late);
	if (now_tick > wheel->now_tick)
		wheel->now_tick = now_tick;

	while (fired < fire_max && collect(wheel, &allowance)) {
		struct torc_link *link = wheel->due.next;
		struct torc_timer *timer =
			torc__container_of(link, struct torc_timer, _link);

		torc__list_remove(link);
		wheel->timers_count--;
		fired++;
		TORC_PROBE_EMIT("torc", "timer__fire", TORC_PROBE_3,
			TORC_PROBE_ARG(timer), TORC_PROBE_FIELD(timer->fn),
			TORC_PROBE_FIELD(timer->_deadline_ns));
		timer->fn(timer);
	}
	return fired;
}

uint64_t
torc__wheel_next_ns(const struct torc_wheel *wheel)
{
	unsigned level = 0;
	uint64_t tick;

	if (!torc__list_is_empty(&wheel->due) ||
		!torc__list_is_empty(&wheel->dealing) ||
		!torc__list_is_empty(&wheel->late) ||
		!torc__list_is_empty(&wheel->late_ready))
		return wheel->tick << TORC_TICK_BITS;

	tick = earliest_slot(wheel, &level);
	return tick == UINT64_MAX ? UINT64_MAX : tick << TORC_TICK_BITS;
}

/* Counts the members of a list; UINT64_MAX when its links disagree. */
static uint64_t
list_count(const struct torc_link *head)
{
	const struct torc_link *link = head;
	uint64_t count = 0;

	while (link->next->prev == link) {
		link = link->next;
		if (link == head)
			return count;
		count++;
	}
	return UINT64_MAX;
}

static bool
slot_is_valid(const struct torc_wheel *wheel, unsigned level, unsigned digit)
{
	const struct torc_link *slot =
		&wheel->slots[level * TORC_WHEEL_SLOTS + digit];
	unsigned shift = level * TORC_WHEEL_SLOT_BITS;
	bool is_marked = wheel->occupied[level] >> digit & 1;

	if (is_marked == torc__list_is_empty(slot))
		return false;

	for (struct torc_link *link = slot->next; link != slot;
		link = link->next) {
		const struct torc_timer *timer =
			torc__container_of(link, struct torc_timer, _link);
		uint64_t tick = deadline_tick(timer->_deadline_ns);

		/* Differs from the wheel in this digit, in none above. */
		if ((tick ^ wheel->tick) >> shift >= TORC_WHEEL_SLOTS ||
			(tick >> shift & SLOT_MASK) != digit ||
			tick <= wheel->tick)
			return false;
	}
	return true;
}

bool
torc__wheel_is_valid(const struct torc_wheel *wheel)
{
	uint64_t count = list_count(&wheel->due) + list_count(&wheel->dealing) +
			 list_count(&wheel->late) +
			 list_count(&wheel->late_ready) +
			 list_count(&wheel->never);

	for (unsigned i = 0; i < SLOTS_ALL; i++) {
		count += list_count(&wheel->slots[i]);
		if (!slot_is_valid(
			    wheel, i / TORC_WHEEL_SLOTS, i % TORC_WHEEL_SLOTS))
			return false;
	}
	return wheel->tick <= wheel->now_tick && count == wheel->timers_count;
}
