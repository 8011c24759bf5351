/* SPDX-License-Identifier: MIT */
#include "perf/load/run.h"

#include <errno.h>

#include "perf/load/rows.h"
#include "perf/load/usage.h"

enum {
	DRAIN_NS = 1000000000,
};

/* The share of what was due that still passes for keeping up. */
#define KEPT_UP_MIN 0.98

/* In seconds, or below 0 when there is no such process any more. */
static double
cpu_read(const struct load_options *o)
{
	struct timespec spent;

	if (o->pid == 0 || clock_gettime(o->pid_clock, &spent) < 0)
		return -1;
	return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

static void
warm_up(struct load *l)
{
	const struct load_options *o = l->options;
	uint64_t end_ns;

	l->now_ns = load_now_ns();
	end_ns = l->now_ns + o->warmup_ns;
	for (unsigned i = 0; i < l->paces_count; i++)
		load_pace_begin(&l->paces[i], o->rate, i, l->now_ns);
	while (l->now_ns < end_ns && !l->is_stopped)
		load_turn(l);
}

static void
measure(struct load *l, struct load_result *r, FILE *csv)
{
	struct load_window *w = &l->window;
	double cpu_s = cpu_read(l->options), cpu_end_s;
	struct load_rows rows;

	l->now_ns = load_now_ns();
	w->begin_ns = l->now_ns;
	w->end_ns = w->begin_ns + l->options->measure_ns;
	w->phase = LOAD_MEASURE;
	load_rows_begin(&rows, l, csv);
	while (l->now_ns < w->end_ns && !l->is_stopped) {
		load_turn(l);
		if (l->now_ns >= rows.next_ns)
			load_rows_end(&rows, l);
	}
	cpu_end_s = cpu_read(l->options);
	r->seconds = (double)(l->now_ns - w->begin_ns) / 1e9;
	r->cpu_s = cpu_end_s < 0 ? -1 : cpu_end_s - cpu_s;
	if (l->now_ns > rows.begin_ns)
		load_rows_end(&rows, l);
}

static bool
is_waiting(const struct load *l)
{
	for (unsigned i = 0; i < l->paces_count; i++)
		if (l->paces[i].next_ns < l->window.end_ns)
			return true;
	return l->tally.waiting + l->direct.waiting > 0;
}

static void
drain(struct load *l)
{
	uint64_t end_ns = l->now_ns + DRAIN_NS;

	l->window.phase = LOAD_DRAIN;
	while (is_waiting(l) && l->now_ns < end_ns && !l->is_stopped)
		load_turn(l);
	load_rows_merge(l);
	load_pace_end(&l->paces[0], l->window.end_ns);
	/* Of what was due, all that did not come back. */
	l->tally.lost =
		l->paces[0].due - torc_histogram_count(&l->tally.latency.all);
}

static void
judge_rate(const struct load *l, const struct load_result *r)
{
	const struct load_pace *p = &l->paces[0];

	if ((double)l->tally.finished >= KEPT_UP_MIN * (double)p->due)
		return;
	fprintf(stderr,
		"torc-load: %s did not keep up with --rate %llu: %.0f of %.0f "
		"messages/s came back in time, %llu not at all\n",
		p->unsent ? "this generator" : l->options->target.text,
		(unsigned long long)l->options->rate,
		(double)l->tally.finished / r->seconds,
		(double)p->due / r->seconds, (unsigned long long)l->tally.lost);
}

/* What the figures alone would not tell. */
static void
judge(struct load *l, const struct load_result *r)
{
	const struct load_options *o = l->options;
	bool was_asked = !o->rate || l->paces[0].due > 0;

	if (o->pid && r->cpu_s < 0)
		load_error(l, "the process of --pid has ended");
	if (l->errors == 0 && was_asked && l->tally.finished == 0)
		load_error(l, "no answer from %s in %.1f s", o->target.text,
			r->seconds);
	if (l->errors == 0)
		judge_rate(l, r);
}

void
load_run(struct load *l, struct load_result *r, FILE *csv)
{
	*r = (struct load_result){ .cpu_s = -1 };
	if (l->options->pid && cpu_read(l->options) < 0)
		load_fail(errno, "cannot read the CPU time of --pid");
	warm_up(l);
	if (!l->is_stopped) {
		measure(l, r, csv);
		if (l->options->rate && !l->is_stopped)
			drain(l);
		judge(l, r);
	}
	load_rows_merge(l);
}
