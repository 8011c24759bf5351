/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_CHANCE_H
#define TORC_TESTS_CORE_IO_CHANCE_H

/* chance - what a simulated test leaves to its seed */

#include <torc/core/sleep.h>
#include <torc/test/sim.h>

/* Let it run, or cancel it at any moment. 0 or -errno. */
static inline int
end_by_chance(struct torc_future *done)
{
	int ret = 0;

	if (torc_sim_random(3) == 0) {
		ret = torc_sleep(torc_sim_random(200 * TORC_US));
		torc_future_cancel(done);
	}
	(void)torc_await(done);
	return ret;
}

#endif /* TORC_TESTS_CORE_IO_CHANCE_H */
