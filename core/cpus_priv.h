/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CPUS_PRIV_H
#define TORC_CORE_CPUS_PRIV_H

/*
 * cpus - which CPUs this process may use, and how many of them it is worth
 *
 * Errors  Where something cannot be read, it does not limit.
 */

#include <sched.h>

/*
 * How many shards to run: the CPUs of the affinity mask, but no more than
 * the cgroup's CPU quota pays for, rounded up. At least 1.
 */
unsigned torc__cpus_usable(void);

/* Where the calling thread may run; empty when that cannot be read. */
void torc__cpus_allowed(cpu_set_t *allowed);

/*
 * Pin the calling thread to the index-th of `allowed` (modulo their count).
 * They are asked for once, before any thread is pinned: a thread starts with
 * what the one that made it has left.
 */
void torc__cpus_pin(unsigned index, const cpu_set_t *allowed);

#endif /* TORC_CORE_CPUS_PRIV_H */
