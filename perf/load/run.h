/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_RUN_H
#define TORC_PERF_LOAD_RUN_H

/*
 * run - the phases of a load: warm-up, measured seconds, drain
 *
 * The drain is of open loops only: what was due in the measured seconds is
 * waited for, up to a second, and lost after that.
 */

#include <stdio.h>

#include "perf/load/load.h"
#include "perf/load/report.h"

/* All phases, after the driver has opened its connections. */
void load_run(struct load *l, struct load_result *r, FILE *csv);

#endif /* TORC_PERF_LOAD_RUN_H */
