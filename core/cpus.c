/* SPDX-License-Identifier: MIT */
#include "core/cpus_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <torc/base/log.h>

/* The first line of a small file; 0 when it is not there. */
static int
read_line(const char *path, char *line, int bytes)
{
	FILE *file = fopen(path, "re");
	int found;

	if (file == NULL)
		return 0;
	found = fgets(line, bytes, file) != NULL;
	fclose(file);
	return found;
}

/* CPUs' worth of quota, rounded up, or 0 for no limit. */
static unsigned
quota(void)
{
	long long max = 0, period = 0;
	char line[64];

	/* cgroup v2, then v1; inside a container both are the root's. */
	if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line))) {
		if (sscanf(line, "%lld %lld", &max, &period) != 2)
			return 0;
	} else {
		if (!read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line,
			    sizeof(line)) ||
			sscanf(line, "%lld", &max) != 1)
			return 0;
		if (!read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line,
			    sizeof(line)) ||
			sscanf(line, "%lld", &period) != 1)
			return 0;
	}
	if (max <= 0 || period <= 0)
		return 0;
	return (unsigned)((max + period - 1) / period);
}

unsigned
torc__cpus_usable(void)
{
	unsigned limit = quota(), count = 1;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		count = (unsigned)CPU_COUNT(&set);
	if (limit != 0 && limit < count)
		count = limit;
	return count > 0 ? count : 1;
}

void
torc__cpus_allowed(cpu_set_t *allowed)
{
	CPU_ZERO(allowed);
	if (sched_getaffinity(0, sizeof(*allowed), allowed) != 0)
		CPU_ZERO(allowed);
}

void
torc__cpus_pin(unsigned index, const cpu_set_t *allowed)
{
	unsigned seen = 0, count = (unsigned)CPU_COUNT(allowed);
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE && count > 0; cpu++) {
		if (!CPU_ISSET(cpu, allowed) || seen++ != index % count)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one))
			torc_log(TORC_LOG_WARN, "cannot pin shard %u to CPU %d",
				index, cpu);
		return;
	}
}
