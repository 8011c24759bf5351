/* SPDX-License-Identifier: MIT */
#include "core/gate_priv.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/assert_priv.h"

/* The top bit says open; the rest counts who is inside. */
#define OPEN (UINT32_C(1) << 31)

/* Written by every thread that comes in: a cache line each. */
static struct {
	_Alignas(64) _Atomic uint32_t state;
} remote[TORC__GATES];

static atomic_uint run;

unsigned
torc__gate_run(void)
{
	/* Changes only while no shard runs. */
	return atomic_load_explicit(&run, memory_order_relaxed);
}

void
torc__gate_open(void)
{
	atomic_fetch_add_explicit(&run, 1, memory_order_relaxed);
	/* What the shards are is visible to whoever sees the bit. */
	for (int i = 0; i < TORC__GATES; i++)
		atomic_fetch_or(&remote[i].state, OPEN);
}

/* Pairs with the addition in torc__gate_enter(): one sees the other. */
static void
shut(enum torc_gate gate)
{
	atomic_fetch_and(&remote[gate].state, ~OPEN);
	/* Each is inside for one message. */
	while (atomic_load(&remote[gate].state) != 0)
		sched_yield();
}

void
torc__gate_end(void)
{
	shut(TORC__GATE_WORK);
}

void
torc__gate_close(void)
{
	shut(TORC__GATE_WORK);
	shut(TORC__GATE_WAKE);
}

bool
torc__gate_enter(enum torc_gate gate)
{
	/* A look first, so that the refused do not keep shut() waiting. */
	if (!(atomic_load(&remote[gate].state) & OPEN))
		return false;
	if (atomic_fetch_add(&remote[gate].state, 1) & OPEN)
		return true;
	atomic_fetch_sub(&remote[gate].state, 1);
	return false;
}

void
torc__gate_leave(enum torc_gate gate)
{
	/* Pairs with the load in shut(): the message was left before. */
	uint32_t before = atomic_fetch_sub(&remote[gate].state, 1);

	torc_assert((before & ~OPEN) > 0);
}
