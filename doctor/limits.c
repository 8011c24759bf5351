/* SPDX-License-Identifier: MIT */
/* What this user may have: locked memory, descriptors, CPUs. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <torc/core/runtime.h>

#include "core/cpus_priv.h"
#include "doctor/probes.h"
#include "uring/ring_priv.h"

/* More shards than this are not tried, only promised. */
#define RINGS_TRIED 16

/* Connections of a proxy take two each; these are for everything else. */
#define FDS_FOR_THE_REST 64
/* So few are a trap for a server. */
#define FDS_FEW 4096

/* How many rings of full size can be had at once, up to `max`. */
static unsigned
count_rings(unsigned max)
{
	static struct torc_ring rings[RINGS_TRIED];
	/* With flags of our own it does not fall back to a smaller one. */
	static const struct torc_ring_options options = {
		.setup_flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
	};
	unsigned count = 0;

	while (count < max && torc__ring_open(&rings[count],
				      &torc__engine_kernel, &options) == 0)
		count++;
	for (unsigned i = 0; i < count; i++)
		torc__ring_close(&rings[i]);
	return count;
}

static void
format_limit(char *text, size_t bytes, rlim_t limit, const char *unit)
{
	if (limit == RLIM_INFINITY)
		snprintf(text, bytes, "unlimited");
	else
		snprintf(
			text, bytes, "%llu%s", (unsigned long long)limit, unit);
}

static void
probe_memlock(struct report *report)
{
	unsigned shards = torc_shards_usable();
	unsigned max = shards < RINGS_TRIED ? shards : RINGS_TRIED;
	unsigned count = count_rings(max), tries = PROBE_TRIES;
	struct rlimit limit = { 0 };
	char text[32], change[128];

	while (count < max && is_worth_another_try(-ENOMEM, &tries)) {
		unsigned again = count_rings(max);

		if (again > count)
			count = again;
	}
	getrlimit(RLIMIT_MEMLOCK, &limit);
	format_limit(text, sizeof(text),
		limit.rlim_cur == RLIM_INFINITY ? limit.rlim_cur
						: limit.rlim_cur / 1024,
		" KiB");
	snprintf(change, sizeof(change),
		"ulimit -l %u (or LimitMEMLOCK=%uK): %u KiB per shard",
		shards * TORC__MEMLOCK_KIB, shards * TORC__MEMLOCK_KIB,
		TORC__MEMLOCK_KIB);
	row_advise(report_add(report, "locked memory",
			   count == max ? ROW_YES : ROW_LESS,
			   "%s: %u of %u rings", text, count, max),
		"rings of 512 completions in place of 4096: more re-arms "
		"under load",
		change);
}

static void
probe_descriptors(struct report *report)
{
	struct rlimit limit = { 0 };
	char soft[32], hard[32];

	getrlimit(RLIMIT_NOFILE, &limit);
	format_limit(soft, sizeof(soft), limit.rlim_cur, "");
	format_limit(hard, sizeof(hard), limit.rlim_max, "");
	row_advise(report_add(report, "descriptors",
			   limit.rlim_max < FDS_FEW ? ROW_LESS : ROW_YES,
			   "%s soft, %s hard", soft, hard),
		"torc-proxy takes the hard limit, and has others wait in the "
		"backlog",
		"ulimit -Hn, or LimitNOFILE= in the unit");
	if (limit.rlim_max != RLIM_INFINITY &&
		limit.rlim_max > FDS_FOR_THE_REST)
		report_add(report, "proxied connections", ROW_NOTE,
			"about %llu at once",
			(unsigned long long)(limit.rlim_max -
					     FDS_FOR_THE_REST) /
				2);
}

static void
probe_cpus(struct report *report)
{
	unsigned shards = torc_shards_usable(), allowed;
	char line[128];
	cpu_set_t set;

	torc__cpus_allowed(&set);
	allowed = (unsigned)CPU_COUNT(&set);
	report_add(report, "CPUs", ROW_NOTE, "%u allowed", allowed);
	if (!read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line)) &&
		!read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line,
			sizeof(line)))
		snprintf(line, sizeof(line), "not readable");
	if (strncmp(line, "max", 3) == 0 || line[0] == '-')
		snprintf(line, sizeof(line), "none");
	row_advise(
		report_add(report, "CPU quota",
			shards < allowed ? ROW_LESS : ROW_NOTE, "%.90s", line),
		shards < allowed ? "fewer shards than CPUs" : "",
		shards < allowed ? "cpu.max of the cgroup (CPUQuota=, --cpus)"
				 : "");
	report_add(report, "shards by default", ROW_NOTE, "%u", shards);
}

void
probe_limits(struct report *report, bool has_ring)
{
	report->group = "limits";
	if (has_ring)
		probe_memlock(report);
	probe_descriptors(report);
	probe_cpus(report);
}
