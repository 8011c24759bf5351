/* SPDX-License-Identifier: MIT */
/*
 * Chance, all of it from the seed: xoshiro256**, filled by splitmix64. A
 * fault whose rate is 0 draws nothing.
 */
#include "uring/sim_world_priv.h"

static uint64_t
rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

uint64_t
torc__sim_draw(struct torc_sim *sim)
{
	uint64_t *state = sim->random;
	uint64_t drawn = rotate(state[1] * 5, 7) * 9;
	uint64_t shifted = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= shifted;
	state[3] = rotate(state[3], 45);
	return drawn;
}

uint64_t
torc__sim_draw_below(struct torc_sim *sim, uint64_t count)
{
	torc_assert(count > 0);
	return (uint64_t)(((unsigned __int128)torc__sim_draw(sim) * count) >>
			  64);
}

bool
torc__sim_strikes_slow(struct torc_sim *sim, enum torc_sim_fault_kind kind)
{
	if (torc__sim_draw(sim) >> 48 >= sim->config.rates[kind])
		return false;
	sim->counts.faults++;
	torc__sim_note(sim, TORC__SIM_FAULT, 0, kind, 0, 0, 0);
	return true;
}

const char *
torc__sim_fault_name(enum torc_sim_fault_kind kind)
{
	static const char *const names[] = {
#define X(name, text, what) text,
		TORC__SIM_FAULTS(X)
#undef X
	};

	return names[kind];
}

const char *
torc__sim_fault_what(enum torc_sim_fault_kind kind)
{
	static const char *const whats[] = {
#define X(name, text, what) what,
		TORC__SIM_FAULTS(X)
#undef X
	};

	return whats[kind];
}
