/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_DRIVERS_H
#define TORC_PERF_LOAD_DRIVERS_H

/*
 * drivers - the modes: each is a file of its name
 */

#include "perf/load/load.h"

extern const struct load_driver load_echo_driver;
extern const struct load_driver load_udp_driver;
extern const struct load_driver load_churn_driver;
extern const struct load_driver load_stream_driver;
extern const struct load_driver load_fanout_driver;

/* Holds idle connections instead of a run; returns the exit status. */
int load_idle_hold(const struct load_options *o);

#endif /* TORC_PERF_LOAD_DRIVERS_H */
