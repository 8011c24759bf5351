/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_OPTIONS_H
#define TORC_PERF_LOAD_OPTIONS_H

/*
 * options - what the load generator was asked for
 *
 * Errors  A wrong command line leaves with 2 and one line, anything the
 *         machine refuses with 1 and one line.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "perf/load/address.h"

enum load_mode {
	LOAD_ECHO,
	LOAD_UDP,
	LOAD_CHURN,
	LOAD_STREAM,
	LOAD_FANOUT,
	LOAD_IDLE,
	LOAD_MODES,
};

struct load_options {
	enum load_mode mode;
	uint64_t conns;
	uint64_t size;     /* bytes of a message */
	uint64_t pipeline; /* messages on their way per connection */
	uint64_t rate;     /* messages per second, or 0 for a closed loop */
	uint64_t measure_ns;
	uint64_t warmup_ns;
	uint64_t idle; /* connections beside the measured ones */
	uint64_t bulk;
	uint64_t stuck;
	uint64_t cpu; /* to run on, or LOAD_ANY_CPU */
	uint64_t pid; /* whose CPU time is reported, or 0 */
	clockid_t pid_clock;
	bool cubic;
	bool table; /* for reading instead of parsing */
	bool rows;  /* a line per second on stderr */
	const char *hgrm_path;
	const char *lateness_path;
	const char *csv_path;
	const char *message_path; /* what is sent instead of the pattern */
	uint64_t reply;           /* bytes that answer it, unchecked */
	struct load_address target;
	struct load_address direct; /* empty without --direct */
};

#define LOAD_ANY_CPU UINT64_MAX

/* In the order of enum load_mode. */
extern const char *const load_mode_names[LOAD_MODES];

/* Also moves the process to `cpu`; --help is answered here. */
void load_options_read(struct load_options *o, int argc, char **argv);

#endif /* TORC_PERF_LOAD_OPTIONS_H */
