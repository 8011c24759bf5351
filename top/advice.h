/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_ADVICE_H
#define TORC_TOP_ADVICE_H

/*
 * advice - what the numbers say is wrong, why, and what to change
 */

#include "top/process.h"

struct advice {
	const char *id;  /* one word, for programs */
	int shard;       /* -1: the whole process */
	char cause[112]; /* half a sentence */
	const char *remedy;
};

typedef void advice_fn(const struct advice *advice, void *arg);

/*
 * Call fn for each finding: about the process, about each shard by its index,
 * and about the shards among each other.
 */
void advice_each(const struct process *process, advice_fn *fn, void *arg);

#endif /* TORC_TOP_ADVICE_H */
