/* SPDX-License-Identifier: MIT */
#include "perf/load/tally.h"

void
load_spread_end_row(struct load_spread *s)
{
	torc_histogram_merge(&s->all, &s->row);
	torc_histogram_reset(&s->row);
}

double
load_spread_mean(const struct load_spread *s)
{
	uint64_t count = torc_histogram_count(&s->all);

	return count ? s->sum / (double)count : 0;
}

/* Newton's method, from above: saves linking the mathematics library. */
static double
square_root(double value)
{
	double root = value > 1 ? value : 1, next = (root + value / root) / 2;

	while (next < root) {
		root = next;
		next = (root + value / root) / 2;
	}
	return root;
}

double
load_spread_deviation(const struct load_spread *s)
{
	double mean = load_spread_mean(s);
	uint64_t count = torc_histogram_count(&s->all);
	double variance = count ? s->squares / (double)count - mean * mean : 0;

	return variance > 0 ? square_root(variance) : 0;
}
