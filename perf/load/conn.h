/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_CONN_H
#define TORC_PERF_LOAD_CONN_H

/*
 * conn - a TCP connection that sends the pattern and checks what returns
 *
 *   0 ... received ... sent ... asked     positions in its own pattern
 *
 * Lifetime  Opened once and never closed: the process ends with the run.
 * Errors    All of them end the run, see load_stop.
 */

#include "perf/load/load.h"

struct load_conn {
	struct load_watch watch;
	const struct load_address *to;
	uint64_t index;
	uint64_t offset;   /* of position 0 in the pattern */
	uint64_t asked;    /* bytes that shall have been sent by now */
	uint64_t sent;     /* of these, taken by the kernel */
	uint64_t received; /* and returned */
};

void load_conn_open(struct load *l, struct load_conn *c,
	const struct load_address *to, uint64_t index);

/* Send what was asked for, as far as the kernel takes it. */
void load_conn_send(struct load *l, struct load_conn *c);

/* Receive once, and check; false when there is no more to receive now. */
bool load_conn_receive(struct load *l, struct load_conn *c);

/* The server ended it, with `error` or 0. */
void load_conn_lost(struct load *l, const struct load_conn *c, int error)
	__attribute__((cold));

#endif /* TORC_PERF_LOAD_CONN_H */
