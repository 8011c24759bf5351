/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_PACE_H
#define TORC_PERF_LOAD_PACE_H

/*
 * pace - when the messages of an open loop are due
 *
 * The gaps are exponential, as of many clients that know nothing of each
 * other: evenly spaced messages never meet and would hide every queue. They
 * come from a fixed seed, the same in each run, and depend on nothing that
 * the server does.
 */

#include <stdint.h>

struct load;

struct load_pace {
	uint64_t next_ns; /* when the next message is due */
	uint64_t due;     /* messages that were, in the measured time */
	uint64_t unsent;  /* of these, those that load_pace_end passed over */
	/* A message that was due at `due_ns` shall be sent, now. */
	void (*fire)(struct load *l, void *arg, uint64_t due_ns);
	void *arg;
	/* Runtime only. */
	uint64_t _random;
	uint64_t _begin_ns;
	double _gap_ns; /* on average */
	double _at_ns;  /* after the begin, with the part below 1 ns */
};

/* `rate` messages per second from now on; `seed` tells paces apart. */
void load_pace_begin(
	struct load_pace *p, uint64_t rate, uint64_t seed, uint64_t now_ns);

/* Send what is due by now, but let answers be read every few messages. */
void load_pace_run(struct load_pace *p, struct load *l);

/* No more is sent: count what was due until `end_ns`, and is too late. */
void load_pace_end(struct load_pace *p, uint64_t end_ns);

#endif /* TORC_PERF_LOAD_PACE_H */
