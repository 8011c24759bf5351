/* SPDX-License-Identifier: MIT */
/*
 * Virtual time: a heap of events. Those at the same time happen in the order
 * in which they were armed, so that nothing depends on addresses.
 */
#include <stdlib.h>

#include "uring/sim_world_priv.h"

static bool
is_before(const struct torc_sim_event *a, const struct torc_sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void
place(struct torc_sim *sim, uint32_t slot, struct torc_sim_event *event)
{
	sim->events[slot - 1] = event;
	event->slot = slot;
}

static void
rise(struct torc_sim *sim, struct torc_sim_event *event, uint32_t slot)
{
	while (slot > 1 && is_before(event, sim->events[slot / 2 - 1])) {
		place(sim, slot, sim->events[slot / 2 - 1]);
		slot /= 2;
	}
	place(sim, slot, event);
}

static void
sink(struct torc_sim *sim, struct torc_sim_event *event, uint32_t slot)
{
	for (;;) {
		uint32_t child = 2 * slot;

		if (child > sim->events_count)
			break;
		if (child < sim->events_count &&
			is_before(sim->events[child], sim->events[child - 1]))
			child++;
		if (!is_before(sim->events[child - 1], event))
			break;
		place(sim, slot, sim->events[child - 1]);
		slot = child;
	}
	place(sim, slot, event);
}

void
torc__sim_event_arm(
	struct torc_sim *sim, struct torc_sim_event *event, uint64_t at_ns)
{
	torc__sim_event_disarm(sim, event);
	if (sim->events_count == sim->events_max) {
		uint32_t max = sim->events_max ? 2 * sim->events_max : 256;
		struct torc_sim_event **events = realloc(
			sim->events, max * sizeof(struct torc_sim_event *));

		if (events == NULL)
			torc__panic(
				"out of memory for %u simulated events", max);
		sim->events = events;
		sim->events_max = max;
	}
	event->at_ns = at_ns;
	event->order = ++sim->events_order;
	rise(sim, event, ++sim->events_count);
}

void
torc__sim_event_disarm(struct torc_sim *sim, struct torc_sim_event *event)
{
	uint32_t slot = event->slot;
	struct torc_sim_event *last;

	if (slot == 0)
		return;
	event->slot = 0;
	last = sim->events[--sim->events_count];
	if (last == event)
		return;
	if (slot > 1 && is_before(last, sim->events[slot / 2 - 1]))
		rise(sim, last, slot);
	else
		sink(sim, last, slot);
}

bool
torc__sim_events_run(struct torc_sim *sim)
{
	bool is_any = false;

	while (sim->events_count > 0 && sim->events[0]->at_ns <= sim->now_ns) {
		struct torc_sim_event *event = sim->events[0];

		torc__sim_event_disarm(sim, event);
		event->fn(sim, event);
		is_any = true;
	}
	return is_any;
}

uint64_t
torc__sim_event_next_ns(const struct torc_sim *sim)
{
	return sim->events_count > 0 ? sim->events[0]->at_ns : UINT64_MAX;
}
