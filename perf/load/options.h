/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_OPTIONS_H
#define TORC_PERF_LOAD_OPTIONS_H

/*
 * options - what the load generator was asked for, and how it connects
 *
 * Errors  A wrong command line leaves with 2 and one line, anything the
 *         machine refuses with 1 and one line.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

struct load_options {
	unsigned conns;
	unsigned pipeline; /* messages on their way per connection */
	uint64_t size;     /* bytes of a message */
	uint64_t measure_ns;
	uint64_t warmup_ns;
	int cpu;   /* to run on, or -1 */
	pid_t pid; /* whose CPU time is reported, or 0 */
	clockid_t pid_clock;
	bool cubic;
	bool table; /* for reading instead of parsing */
	const char *target;
	struct sockaddr_storage sa;
	socklen_t sa_bytes;
};

/* Also moves the process to `cpu`. */
void load_options_read(struct load_options *o, int argc, char **argv);

/* A connected, non-blocking socket. */
int load_connect(const struct load_options *o);

/* Print one line and leave with 1. */
void load_fail(const char *what, int error) __attribute__((noreturn, cold));

#endif /* TORC_PERF_LOAD_OPTIONS_H */
