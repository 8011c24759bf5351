/* SPDX-License-Identifier: MIT */
#include <torc/base/clock.h>

#include <time.h>

uint64_t
torc_clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TORC_S + (uint64_t)now.tv_nsec;
}
