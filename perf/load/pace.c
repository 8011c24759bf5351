/* SPDX-License-Identifier: MIT */
#include "perf/load/pace.h"

#include "perf/load/load.h"

enum {
	BURST_MAX = 32,
};

/* splitmix64: a counter and a mixer, good enough for gaps. */
static double
uniform(uint64_t *random)
{
	uint64_t mixed = *random += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return (double)((mixed ^ mixed >> 31) >> 11) * 0x1p-53;
}

/*
 * Exponential with mean 1 by von Neumann's comparisons, which need no
 * logarithm: a falling run of odd length that begins at x has the
 * probability e^-x, and each run of even length adds 1.
 */
static double
exponential(uint64_t *random)
{
	for (double whole = 0;; whole++) {
		double first = uniform(random), last = first;
		double next = uniform(random);
		unsigned run = 1;

		while (next < last) {
			last = next;
			next = uniform(random);
			run++;
		}
		if (run % 2)
			return whole + first;
	}
}

static void
advance(struct load_pace *p)
{
	p->_at_ns += exponential(&p->_random) * p->_gap_ns;
	p->next_ns = p->_begin_ns + (uint64_t)p->_at_ns;
}

void
load_pace_begin(
	struct load_pace *p, uint64_t rate, uint64_t seed, uint64_t now_ns)
{
	p->_random = seed;
	p->_begin_ns = now_ns;
	p->_gap_ns = 1e9 / (double)rate;
	advance(p);
}

void
load_pace_run(struct load_pace *p, struct load *l)
{
	for (unsigned i = 0; i < BURST_MAX; i++) {
		uint64_t due_ns = p->next_ns;

		if (due_ns > l->now_ns || due_ns >= l->window.end_ns ||
			l->is_stopped)
			return;
		p->due += load_window_holds(&l->window, due_ns);
		advance(p);
		p->fire(l, p->arg, due_ns);
		l->now_ns = load_now_ns();
	}
}

void
load_pace_end(struct load_pace *p, uint64_t end_ns)
{
	for (; p->next_ns < end_ns; advance(p))
		p->unsent++;
	p->due += p->unsent;
}
