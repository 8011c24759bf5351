/* SPDX-License-Identifier: MIT */
#include "perf/load/hgrm.h"

#include "perf/load/tally.h"

enum {
	ROWS_PER_HALVING = 5,
	SUB_BUCKETS = 32,
};

/* The rank at share `q`, rounded up as the histogram does it. */
static uint64_t
rank_of(double q, uint64_t count)
{
	double rank = q * (double)count;
	uint64_t whole = (uint64_t)rank;

	whole += (double)whole < rank;
	return whole ? whole : 1;
}

static void
row_write(FILE *file, const struct load_spread *s, double q)
{
	fprintf(file, "%12.3f %14.12f %10llu %14.2f\n",
		(double)torc_histogram_quantile(&s->all, q) / 1e3, q,
		(unsigned long long)rank_of(q, torc_histogram_count(&s->all)),
		1 / (1 - q));
}

static void
rows_write(FILE *file, const struct load_spread *s)
{
	uint64_t count = torc_histogram_count(&s->all);

	if (count == 0)
		return;
	for (double begin = 0, width = 0.5; width * (double)count >= 0.5;
		begin += width, width /= 2)
		for (int i = 0; i < ROWS_PER_HALVING; i++)
			row_write(
				file, s, begin + width * i / ROWS_PER_HALVING);
	fprintf(file, "%12.3f %14.12f %10llu %14s\n",
		(double)torc_histogram_max(&s->all) / 1e3, 1.0,
		(unsigned long long)count, "inf");
}

void
load_hgrm_write(FILE *file, const struct load_spread *s)
{
	fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile",
		"TotalCount", "1/(1-Percentile)");
	rows_write(file, s);
	fprintf(file, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
		load_spread_mean(s) / 1e3, load_spread_deviation(s) / 1e3);
	fprintf(file, "#[Max     = %12.3f, Total count    = %12llu]\n",
		(double)torc_histogram_max(&s->all) / 1e3,
		(unsigned long long)torc_histogram_count(&s->all));
	fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n",
		TORC_HISTOGRAM_BUCKETS / SUB_BUCKETS, SUB_BUCKETS);
}
