/* SPDX-License-Identifier: MIT */
#include "perf/load/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	TEXT_BYTES = 32,
	COLUMNS = 36, /* of a line of the table */
};

struct printer {
	bool is_table;
	bool has_begun;
};

/* One figure; in a table the key is read as words: p50_us is "p50 us". */
static void field(struct printer *p, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
field(struct printer *p, const char *key, const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!p->is_table) {
		printf("%s%s=%s", p->has_begun ? " " : "", key, text);
		p->has_begun = true;
		return;
	}
	for (const char *c = key; *c; c++)
		putchar(*c == '_' ? ' ' : *c);
	printf("%*s\n", COLUMNS - (int)strlen(key), text);
}

/* A figure that a run may be without. */
static void
maybe(struct printer *p, const char *key, bool is_known, int decimals,
	double value)
{
	if (is_known)
		field(p, key, "%.*f", decimals, value);
	else
		field(p, key, "-");
}

static void
quantile(struct printer *p, const char *key, const struct load_spread *s,
	double q, bool is_known)
{
	maybe(p, key, is_known && torc_histogram_count(&s->all) > 0, 1,
		(double)torc_histogram_quantile(&s->all, q) / 1e3);
}

static void
counts_print(struct printer *p, const struct load *l, double seconds)
{
	const struct load_options *o = l->options;
	uint64_t requests =
		o->rate ? torc_histogram_count(&l->tally.latency.all)
			: l->tally.finished;

	field(p, "mode", "%s", load_mode_names[o->mode]);
	field(p, "conns", "%llu", (unsigned long long)o->conns);
	field(p, "size", "%llu", (unsigned long long)o->size);
	field(p, "seconds", "%.3f", seconds);
	field(p, "requests", "%llu", (unsigned long long)requests);
	field(p, "rps", "%.1f",
		seconds > 0 ? (double)l->tally.finished / seconds : 0);
	field(p, "offered_rps", "%llu", (unsigned long long)o->rate);
}

static void
latency_print(struct printer *p, const struct load *l)
{
	const struct load_spread *s = &l->tally.latency;
	bool is_known = l->driver->has_latency;

	maybe(p, "mean_us", is_known && torc_histogram_count(&s->all) > 0, 1,
		load_spread_mean(s) / 1e3);
	quantile(p, "p50_us", s, 0.5, is_known);
	quantile(p, "p90_us", s, 0.9, is_known);
	quantile(p, "p99_us", s, 0.99, is_known);
	quantile(p, "p999_us", s, 0.999, is_known);
	quantile(p, "max_us", s, 1, is_known);
}

static void
cost_print(struct printer *p, const struct load *l, double cpu_s)
{
	uint64_t finished = l->tally.finished;
	uint64_t bytes =
		l->driver->has_latency ? finished * l->options->size : l->bytes;

	field(p, "errors", "%llu", (unsigned long long)l->errors);
	field(p, "lost", "%llu", (unsigned long long)l->tally.lost);
	field(p, "bytes", "%llu", (unsigned long long)bytes);
	maybe(p, "cpu_s", cpu_s >= 0, 6, cpu_s);
	maybe(p, "cpu_us_per_request", cpu_s >= 0 && finished, 3,
		cpu_s * 1e6 / (double)finished);
	maybe(p, "cpu_s_per_gb", cpu_s >= 0 && bytes, 4,
		cpu_s * 1e9 / (double)bytes);
}

void
load_report_print(const struct load *l, const struct load_result *r)
{
	struct printer p = { .is_table = l->options->table };
	const struct load_spread *direct = &l->direct.latency;
	bool is_open = l->options->rate > 0;
	bool has_direct = l->options->direct.text != NULL;

	counts_print(&p, l, r->seconds);
	latency_print(&p, l);
	cost_print(&p, l, r->cpu_s);
	quantile(&p, "late_p50_us", &l->lateness, 0.5, is_open);
	quantile(&p, "late_p99_us", &l->lateness, 0.99, is_open);
	quantile(&p, "late_max_us", &l->lateness, 1, is_open);
	quantile(&p, "direct_p50_us", direct, 0.5, has_direct);
	quantile(&p, "direct_p90_us", direct, 0.9, has_direct);
	quantile(&p, "direct_p99_us", direct, 0.99, has_direct);
	quantile(&p, "direct_p999_us", direct, 0.999, has_direct);
	if (!p.is_table)
		putchar('\n');
}
