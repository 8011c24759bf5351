/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_REPORT_H
#define TORC_PERF_LOAD_REPORT_H

/*
 * report - the figures of a run, as one line to parse or a table to read
 */

#include "perf/load/load.h"

/* What the run measured beside what is in struct load. */
struct load_result {
	double seconds;
	double cpu_s; /* of --pid; below 0 when not known */
};

void load_report_print(const struct load *l, const struct load_result *r);

#endif /* TORC_PERF_LOAD_REPORT_H */
