/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is. A shard keeps its thread, and hands a baton on when it
 * waits; the one that goes on is drawn from the seed by its index, so that
 * the order in which threads were started or woken changes nothing. When
 * nobody can go on, time jumps.
 */
#include <stdlib.h>

#include <torc/base/log.h>

#include "uring/sim_world_priv.h"

/* After the end was asked for, so much more may happen. */
#define ENDING_STEPS 2000000

static bool
has_something(const struct torc_sim *sim, const struct torc_sim_ring *ring)
{
	return !ring->is_waiting || !torc__list_is_empty(&ring->ready) ||
	       torc__soft_of(ring->ring)->waiting_count > 0 ||
	       sim->now_ns >= ring->until_ns;
}

static const char *
reason(enum torc_sim_stuck_kind kind)
{
	switch (kind) {
	case TORC__SIM_FINE:
		break;
	case TORC__SIM_DEADLOCK:
		return "nothing will ever happen again, and tasks wait";
	case TORC__SIM_STEPS_OVER:
		return "more steps than the run may take: it never ends, or "
		       "raise steps_max";
	case TORC__SIM_TIME_OVER:
		return "more virtual time than the run may take: it never "
		       "ends, or raise time_max_ns";
	}
	return "";
}

void
torc__sim_stuck(struct torc_sim *sim, enum torc_sim_stuck_kind kind)
{
	if (sim->has_stuck || sim->config.on_stuck == NULL) {
		torc__sim_report(40);
		torc__panic("simulation, seed %llu: %s%s",
			(unsigned long long)sim->config.seed, reason(kind),
			sim->has_stuck ? "; not even its end ended" : "");
	}
	sim->has_stuck = true;
	sim->counts.stuck = kind;
	sim->config.steps_max = sim->counts.steps + ENDING_STEPS;
	sim->config.time_max_ns = UINT64_MAX;
	/* It rings a doorbell, which takes the lock. */
	pthread_mutex_unlock(&sim->lock);
	sim->config.on_stuck(kind);
	pthread_mutex_lock(&sim->lock);
}

/* Time goes on to the next thing that happens; false: there is none. */
static bool
jump(struct torc_sim *sim, uint64_t until_ns)
{
	uint64_t next_ns = torc__sim_event_next_ns(sim);

	if (until_ns < next_ns)
		next_ns = until_ns;
	if (next_ns == UINT64_MAX)
		return false;
	if (next_ns > sim->now_ns)
		__atomic_store_n(&sim->now_ns, next_ns, __ATOMIC_RELAXED);
	sim->counts.steps++;
	torc__sim_events_run(sim);
	return true;
}

void
torc__sim_check_budget(struct torc_sim *sim)
{
	if (sim->counts.steps > sim->config.steps_max)
		torc__sim_stuck(sim, TORC__SIM_STEPS_OVER);
	else if (sim->now_ns - sim->began_ns > sim->config.time_max_ns)
		torc__sim_stuck(sim, TORC__SIM_TIME_OVER);
}

/* One of those that can go on; NULL and the end of the next wait. */
static struct torc_sim_ring *
pick(struct torc_sim *sim, uint64_t *until_ns)
{
	struct torc_sim_ring *picked = NULL;
	uint64_t count = 0;

	*until_ns = UINT64_MAX;
	for (uint32_t i = 0; i < sim->scheduled_max; i++) {
		struct torc_sim_ring *ring = sim->rings[i];

		if (ring == NULL || !ring->is_scheduled)
			continue;
		if (!has_something(sim, ring)) {
			if (ring->until_ns < *until_ns)
				*until_ns = ring->until_ns;
			continue;
		}
		count++;
		if (count == 1 || torc__sim_draw_below(sim, count) == 0)
			picked = ring;
	}
	return picked;
}

static bool
is_any_scheduled(const struct torc_sim *sim)
{
	for (uint32_t i = 0; i < sim->scheduled_max; i++)
		if (sim->rings[i] != NULL && sim->rings[i]->is_scheduled)
			return true;
	return false;
}

/* Choose who runs next, and wake it. */
static void
hand_on(struct torc_sim *sim, const struct torc_sim_ring *from)
{
	struct torc_sim_ring *next = NULL;

	while (is_any_scheduled(sim)) {
		uint64_t until_ns;

		torc__sim_check_budget(sim);
		next = pick(sim, &until_ns);
		if (next != NULL)
			break;
		if (!jump(sim, until_ns))
			torc__sim_stuck(sim, TORC__SIM_DEADLOCK);
	}
	sim->running = next;
	if (next != NULL && next != from)
		pthread_cond_signal(&next->turn);
}

static void
await_turn(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	while (sim->running != ring)
		pthread_cond_wait(&ring->turn, &sim->lock);
}

/* A ring of no runtime, as tests have them: nobody else can go on. */
static void
wait_alone(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	while (!has_something(sim, ring)) {
		torc__sim_check_budget(sim);
		if (!jump(sim, ring->until_ns))
			torc__sim_stuck(sim, TORC__SIM_DEADLOCK);
	}
}

void
torc__sim_wait(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	ring->is_waiting = true;
	if (!ring->is_scheduled) {
		wait_alone(sim, ring);
	} else {
		hand_on(sim, ring);
		await_turn(sim, ring);
	}
	ring->is_waiting = false;
}

void
torc__sim_yield(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	torc__sim_check_budget(sim);
	if (!ring->is_scheduled || sim->rings_count < 2)
		return;
	hand_on(sim, ring);
	await_turn(sim, ring);
}

void
torc__sim_join(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	ring->is_scheduled = true;
	if (++sim->begun_count == sim->scheduled_max)
		hand_on(sim, ring);
	await_turn(sim, ring);
}

void
torc__sim_leave(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	if (!ring->is_scheduled)
		return;
	ring->is_scheduled = false;
	if (sim->running == ring)
		hand_on(sim, ring);
}
