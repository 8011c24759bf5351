/* SPDX-License-Identifier: MIT */
/* The machine around the ring: what forbids, and what slows down. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torc/core/runtime.h>

#include "alloc/region_priv.h"
#include "doctor/probes.h"

#define THP "/sys/kernel/mm/transparent_hugepage/enabled"
#define CLOCK "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* The region of a shard, see core/shard.c. */
#define PAGES_PER_SHARD 4

bool
read_line(const char *path, char *line, size_t bytes)
{
	FILE *file = fopen(path, "re");
	bool is_read;

	if (file == NULL)
		return false;
	is_read = fgets(line, (int)bytes, file) != NULL;
	fclose(file);
	if (is_read)
		line[strcspn(line, "\n")] = '\0';
	return is_read;
}

/* What smaps says of huge pages in the mapping that holds `address`. */
static unsigned long
huge_kib_at(const void *address)
{
	unsigned long low, high, kib, sum = 0;
	FILE *file = fopen("/proc/self/smaps", "re");
	bool is_ours = false;
	char line[256];

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
			is_ours = (uintptr_t)address >= low &&
				  (uintptr_t)address < high;
		else if (is_ours &&
			 (sscanf(line, "AnonHugePages: %lu", &kib) == 1 ||
				 sscanf(line, "Private_Hugetlb: %lu", &kib) ==
					 1))
			sum += kib;
	}
	fclose(file);
	return sum;
}

/* By having some, as a shard does: reserved ones, or the kernel's own idea. */
static void
probe_huge_pages(struct report *report)
{
	unsigned pages = torc_shards_usable() * PAGES_PER_SHARD;
	struct torc_region region = { 0 };
	unsigned long kib = 0;
	char line[96], change[96];

	if (!read_line(THP, line, sizeof(line)))
		snprintf(line, sizeof(line), "not in this kernel");
	if (torc__region_map(&region, TORC__REGION_BYTES) == 0) {
		memset(region.base, 1, region.bytes);
		kib = huge_kib_at(region.base);
		torc__region_unmap(&region);
	}
	snprintf(change, sizeof(change),
		"sysctl vm.nr_hugepages=%u, or transparent ones: madvise",
		pages);
	row_advise(
		report_add(report, "huge pages", kib > 0 ? ROW_YES : ROW_LESS,
			"%s", kib > 0 ? "yes" : "no"),
		"receive buffers lie in small pages: more TLB misses", change);
	report_add(report, "transparent huge pages", ROW_NOTE, "%s", line);
}

static void
probe_seccomp(struct report *report)
{
	static const char *const modes[] = { "off", "strict", "a filter" };
	FILE *file = fopen("/proc/self/status", "re");
	unsigned mode = 3;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Seccomp: %u", &mode) == 1)
			break;
	if (file != NULL)
		fclose(file);
	row_advise(report_add(report, "seccomp", ROW_NOTE, "%s",
			   mode < 3 ? modes[mode] : "not readable"),
		"",
		mode == 2 ? "if io_uring is refused: allow io_uring_setup, "
			    "io_uring_enter and io_uring_register in it"
			  : "");
}

static void
probe_sysctl(struct report *report)
{
	static const char *const meanings[] = { "0: for everybody",
		"1: for a group and root", "2: for nobody" };
	char line[32], group[32];
	unsigned long value;

	if (!read_line(
		    "/proc/sys/kernel/io_uring_disabled", line, sizeof(line))) {
		report_add(report, "io_uring_disabled", ROW_NOTE,
			"no such sysctl (Linux 6.6)");
		return;
	}
	value = strtoul(line, NULL, 10);
	row_advise(report_add(report, "io_uring_disabled",
			   value == 0 ? ROW_YES : ROW_LESS, "%s",
			   value <= 2 ? meanings[value] : line),
		value == 2 ? "the epoll engine" : "the epoll engine for others",
		"sysctl kernel.io_uring_disabled=0, or 1 and io_uring_group");
	if (value == 1 && read_line("/proc/sys/kernel/io_uring_group", group,
				  sizeof(group)))
		report_add(report, "io_uring_group", ROW_NOTE, "%s", group);
}

/* The others cost a system call for each look at the time. */
static void
probe_clock(struct report *report)
{
	static const char *const fast[] = { "tsc", "arch_sys_counter",
		"kvm-clock", "hyperv_clocksource_tsc_page" };
	bool is_fast = false;
	char line[64];

	if (!read_line(CLOCK, line, sizeof(line)))
		snprintf(line, sizeof(line), "not readable");
	for (unsigned i = 0; i < 4; i++)
		is_fast |= strcmp(line, fast[i]) == 0;
	row_advise(report_add(report, "clock source",
			   is_fast ? ROW_YES : ROW_LESS, "%s", line),
		"a system call for each look at the time",
		"clocksource=tsc on the kernel's command line, if the CPU's is "
		"constant");
}

void
probe_machine(struct report *report)
{
	report->group = "machine";
	probe_sysctl(report);
	probe_seccomp(report);
	probe_huge_pages(report);
	probe_clock(report);
}
