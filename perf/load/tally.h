/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_TALLY_H
#define TORC_PERF_LOAD_TALLY_H

/*
 * tally - which messages count, and how long they took
 *
 *      warm-up      |      measured      |  drain, open loop only
 *   begin_ns unset  begin_ns         end_ns              + 1 s at most
 *
 * In a closed loop a message counts when it ends in the measured time. In an
 * open loop it counts when it was due there: one that a stopped server
 * answers in the drain still does, else a stop at the end would not show.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/base/histogram.h>

enum load_phase {
	LOAD_WARMUP,
	LOAD_MEASURE,
	LOAD_DRAIN,
};

struct load_window {
	enum load_phase phase;
	bool is_open; /* the loop */
	uint64_t begin_ns;
	uint64_t end_ns; /* UINT64_MAX until it is known */
};

/* Values, of this second and of all the ones before. */
struct load_spread {
	double sum;
	double squares;
	struct torc_histogram row;
	struct torc_histogram all;
};

struct load_tally {
	uint64_t finished; /* messages that ended in the measured time */
	uint64_t lost;
	uint64_t waiting; /* open loop: due and not ended */
	struct load_spread latency;
};

/* The second is over: what it held goes to all the others. */
void load_spread_end_row(struct load_spread *s);

/* Of all rows that ended, in the unit of the values. */
double load_spread_mean(const struct load_spread *s);
double load_spread_deviation(const struct load_spread *s);

static inline void
load_spread_add(struct load_spread *s, uint64_t value)
{
	s->sum += (double)value;
	s->squares += (double)value * (double)value;
	torc_histogram_add(&s->row, value);
}

static inline bool
load_window_holds(const struct load_window *w, uint64_t ns)
{
	return w->phase != LOAD_WARMUP && ns >= w->begin_ns && ns < w->end_ns;
}

/* Whether a message that was due at `due_ns` and ends now counts. */
static inline bool
load_window_counts(const struct load_window *w, uint64_t due_ns)
{
	return w->is_open ? load_window_holds(w, due_ns)
			  : w->phase == LOAD_MEASURE;
}

/* A message that began, or was due, at `due_ns` has ended well. */
static inline void
load_tally_finish(struct load_tally *t, const struct load_window *w,
	uint64_t due_ns, uint64_t now_ns)
{
	t->finished += w->phase == LOAD_MEASURE;
	t->waiting -= w->is_open;
	if (load_window_counts(w, due_ns))
		load_spread_add(&t->latency, now_ns - due_ns);
}

/* One will not come back. */
static inline void
load_tally_lose(
	struct load_tally *t, const struct load_window *w, uint64_t due_ns)
{
	t->waiting -= w->is_open;
	t->lost += load_window_counts(w, due_ns);
}

#endif /* TORC_PERF_LOAD_TALLY_H */
