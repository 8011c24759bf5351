/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_PATTERN_H
#define TORC_PERF_LOAD_PATTERN_H

/*
 * pattern - the endless content that is sent, and checked when it returns
 *
 * A byte is known by its position alone, so that no copy of a message is
 * kept. The period is a prime that no message size divides: a byte lost,
 * doubled or taken from a neighbour, who begins elsewhere, shows.
 *
 * With --message the period is that message, and nothing is checked.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	LOAD_CHUNK_BYTES = 64 * 1024, /* the most in one send or receive */
};

struct load_pattern {
	uint64_t period;
	const char *data; /* period + LOAD_CHUNK_BYTES of it */
	bool is_checked;
};

void load_pattern_make(struct load_pattern *p);

/* Leaves with 1 when the file can't be read or is empty. */
void load_pattern_read(struct load_pattern *p, const char *path);

/* LOAD_CHUNK_BYTES of content from `position` on. */
static inline const char *
load_pattern_at(const struct load_pattern *p, uint64_t position)
{
	return p->data + position % p->period;
}

static inline bool
load_pattern_holds(const struct load_pattern *p, uint64_t position,
	const char *data, size_t bytes)
{
	return !p->is_checked ||
	       memcmp(data, load_pattern_at(p, position), bytes) == 0;
}

/* Where connection or message `index` begins. */
static inline uint64_t
load_pattern_offset(const struct load_pattern *p, uint64_t index)
{
	return p->is_checked ? index * 97 : 0;
}

#endif /* TORC_PERF_LOAD_PATTERN_H */
