/* SPDX-License-Identifier: MIT */
#include "perf/load/rows.h"

enum {
	ROW_NS = 1000000000,
	TEXT_BYTES = 32,
};

struct row {
	uint64_t requests;
	double rps;
	uint64_t errors;
	char p50_us[TEXT_BYTES];
	char p99_us[TEXT_BYTES];
	char max_us[TEXT_BYTES];
	char late_p99_us[TEXT_BYTES];
};

void
load_rows_begin(struct load_rows *r, const struct load *l, FILE *csv)
{
	*r = (struct load_rows){
		.csv = csv,
		.begin_ns = l->now_ns,
		.next_ns = l->now_ns + ROW_NS,
		.errors = l->errors,
	};
	if (csv)
		fprintf(csv, "second,requests,rps,p50_us,p99_us,max_us,errors,"
			     "late_p99_us\n");
}

static void
quantile_text(char *text, const struct torc_histogram *h, double q)
{
	if (torc_histogram_count(h) == 0)
		snprintf(text, TEXT_BYTES, "-");
	else
		snprintf(text, TEXT_BYTES, "%.1f",
			(double)torc_histogram_quantile(h, q) / 1e3);
}

static void
row_fill(struct row *row, const struct load_rows *r, const struct load *l)
{
	double seconds = (double)(l->now_ns - r->begin_ns) / 1e9;

	row->requests = l->tally.finished - r->finished;
	row->rps = seconds > 0 ? (double)row->requests / seconds : 0;
	row->errors = l->errors - r->errors;
	quantile_text(row->p50_us, &l->tally.latency.row, 0.5);
	quantile_text(row->p99_us, &l->tally.latency.row, 0.99);
	quantile_text(row->max_us, &l->tally.latency.row, 1);
	quantile_text(row->late_p99_us, &l->lateness.row, 0.99);
}

static void
row_print(
	FILE *file, const char *format, uint64_t second, const struct row *row)
{
	fprintf(file, format, (unsigned long long)second,
		(unsigned long long)row->requests, row->rps, row->p50_us,
		row->p99_us, row->max_us, (unsigned long long)row->errors,
		row->late_p99_us);
}

void
load_rows_end(struct load_rows *r, struct load *l)
{
	struct row row;

	row_fill(&row, r, l);
	r->count++;
	if (r->csv)
		row_print(r->csv, "%llu,%llu,%.1f,%s,%s,%s,%llu,%s\n", r->count,
			&row);
	if (l->options->rows)
		row_print(stderr,
			"second %llu: %llu requests, %.1f/s, p50 %s us, "
			"p99 %s us, max %s us, errors %llu, late p99 %s us\n",
			r->count, &row);
	load_rows_merge(l);
	r->begin_ns = l->now_ns;
	r->next_ns += ROW_NS;
	r->finished = l->tally.finished;
	r->errors = l->errors;
}

void
load_rows_merge(struct load *l)
{
	load_spread_end_row(&l->tally.latency);
	load_spread_end_row(&l->direct.latency);
	load_spread_end_row(&l->lateness);
}
