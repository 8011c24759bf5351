/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_ROWS_H
#define TORC_PERF_LOAD_ROWS_H

/*
 * rows - what happened in each measured second
 *
 * Each second has a histogram of its own, which is merged into that of the
 * run when the second ends: a few microseconds, once.
 */

#include <stdint.h>
#include <stdio.h>

#include "perf/load/load.h"

struct load_rows {
	FILE *csv;         /* or NULL */
	uint64_t next_ns;  /* when the row ends */
	uint64_t begin_ns; /* when it began */
	uint64_t count;    /* rows that ended */
	uint64_t finished; /* the tally, when it began */
	uint64_t errors;
};

/* The first row begins now. */
void load_rows_begin(struct load_rows *r, const struct load *l, FILE *csv);

/* The row ends now, whole or not, and the next begins. */
void load_rows_end(struct load_rows *r, struct load *l);

/* Take what was added since to the figures of the run, without a row. */
void load_rows_merge(struct load *l);

#endif /* TORC_PERF_LOAD_ROWS_H */
