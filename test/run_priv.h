/* SPDX-License-Identifier: MIT */
#ifndef TORC_TEST_RUN_PRIV_H
#define TORC_TEST_RUN_PRIV_H

#include <torc/test/sim.h>

/* torc_sim_run(), adding to *result what it counts. */
int torc__sim_run_once(const struct torc_sim_options *options,
	const struct torc_options *runtime, torc_task_fn *fn, void *arg,
	struct torc_sim_result *result);

#endif /* TORC_TEST_RUN_PRIV_H */
