/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_RATE_H
#define TORC_TOP_RATE_H

/*
 * rate - what a shard did between two looks, per second
 */

#include <stdbool.h>
#include <stdint.h>

#include "top/page.h"

/* A shard that is awake and has told nothing for so long does not turn. */
#define RATE_STUCK_NS UINT64_C(500000000)

/* A slot, and the time that it stands for. */
struct reading {
	uint64_t at_ns; /* 0: nothing was told yet */
	bool is_asleep;
	uint64_t stuck_ns; /* 0: it turns, or it sleeps */
	struct torc_metrics metrics;
};

struct rates {
	double seconds; /* between the two; 0: there is no rate yet */
	/* Shares of that time, from 0 to 1; all three make 1. */
	double busy;
	double looking;
	double asleep;
	/* Per second. */
	double turns;
	double sleeps;
	double enters;
	double sqes;
	double cqes;
	double messages;
	double spawned;
	double buffers_lack;
};

/* What the slot says at `now_ns`, until when a sleeper has slept. */
struct reading reading_of(const struct slot *slot, uint64_t now_ns);

/* When no time has passed from one to the other, *rates is as before. */
void rates_between(struct rates *rates, const struct reading *before,
	const struct reading *after);

#endif /* TORC_TOP_RATE_H */
