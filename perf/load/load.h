/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_LOAD_H
#define TORC_PERF_LOAD_LOAD_H

/*
 * load - one run of the generator: its sockets, its time and its figures
 *
 * The generator never sleeps: a sleeping one would make the server pay for
 * waking it. When nothing has arrived it yields, so that a server on the
 * same CPU runs at once.
 *
 *   turn: ask epoll -> read the clock -> send what is due -> serve each
 *         ready socket, sending what becomes due between them -> mode
 *
 * Errors  What a server does wrong is counted and the first of it told; most
 *         of it ends the run, whose figures are printed all the same.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "perf/load/options.h"
#include "perf/load/pace.h"
#include "perf/load/pattern.h"
#include "perf/load/tally.h"

enum {
	LOAD_PACES_MAX = 2,
	LOAD_BLOCKS_MAX = 8,
};

/* Embedded, as the first field, in what owns the socket. */
struct load_watch {
	int fd;
	void (*ready)(struct load *l, struct load_watch *w, uint32_t events);
};

/* What a mode does in a run. */
struct load_driver {
	/* Open the connections and add the paces of an open loop. */
	void (*open)(struct load *l);
	/* In each turn, or NULL. */
	void (*turn)(struct load *l);
	/* Whether messages come back, and have a latency. */
	bool has_latency;
};

struct load {
	const struct load_options *options;
	const struct load_driver *driver;
	void *state; /* the driver's */
	int epoll_fd;
	unsigned opened; /* connections that stay */
	uint64_t now_ns; /* read when something happened last */
	uint64_t errors;
	bool is_stopped;
	struct load_window window;
	struct load_pattern pattern;
	uint64_t bytes;          /* one way, in the measured time */
	struct load_tally tally; /* of the target */
	struct load_tally direct;
	struct load_spread lateness; /* of the generator itself */
	struct load_pace paces[LOAD_PACES_MAX];
	unsigned paces_count;
	void *blocks[LOAD_BLOCKS_MAX]; /* of memory */
	unsigned blocks_count;
	char buf[LOAD_CHUNK_BYTES];
};

/* Zeroed memory that is kept until the process ends; or leaves with 1. */
void *load_alloc(struct load *l, size_t bytes);

/* Watch w->fd, and call w->ready with what epoll says. */
void load_watch_add(struct load *l, struct load_watch *w, uint32_t events);

/* Send `rate` messages per second by calling `fire` with `arg`. */
void load_pace_add(struct load *l,
	void (*fire)(struct load *l, void *arg, uint64_t due_ns), void *arg);

/* A message is due; ends the run when too many wait already. */
void load_wait_more(struct load *l, struct load_tally *t);

/* Serve what is ready, and send what is due, once. */
void load_turn(struct load *l);

/* Count an error; the first one is told, in one line. */
void load_error(struct load *l, const char *format, ...)
	__attribute__((cold, format(printf, 2, 3)));

/* No further turn: what happened leaves nothing to measure. */
void load_stop(struct load *l);

static inline uint64_t
load_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The socket could take a message that was due at `due_ns`, at this time. */
static inline void
load_late_add(struct load *l, uint64_t due_ns)
{
	if (load_window_holds(&l->window, due_ns))
		load_spread_add(&l->lateness, l->now_ns - due_ns);
}

#endif /* TORC_PERF_LOAD_LOAD_H */
