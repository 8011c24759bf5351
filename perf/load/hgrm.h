/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_HGRM_H
#define TORC_PERF_LOAD_HGRM_H

/*
 * hgrm - all percentiles of a spread, as plotting programs read them
 *
 * The text form of HdrHistogram: five rows each time that the distance to
 * 100 % halves, values in microseconds. TotalCount is the rank of the value.
 */

#include <stdio.h>

struct load_spread;

void load_hgrm_write(FILE *file, const struct load_spread *s);

#endif /* TORC_PERF_LOAD_HGRM_H */
