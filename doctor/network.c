/* SPDX-License-Identifier: MIT */
/* The network below the sockets. */
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor/probes.h"

/* What a listener asks for by default. */
#define BACKLOG 4096

void
probe_network(struct report *report)
{
	char line[64];

	report->group = "network";
	if (read_line("/proc/sys/net/core/somaxconn", line, sizeof(line)))
		row_advise(
			report_add(report, "somaxconn",
				strtoul(line, NULL, 10) >= BACKLOG ? ROW_YES
								   : ROW_LESS,
				"%s", line),
			"a shorter queue of clients that nobody accepted yet",
			"sysctl net.core.somaxconn=4096");
	if (read_line("/proc/sys/net/ipv4/tcp_congestion_control", line,
		    sizeof(line)))
		report_add(report, "congestion control", ROW_NOTE, "%s", line);
}

static unsigned
count_queues(const char *name, const char *prefix)
{
	char path[128];
	const struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", name);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += strncmp(entry->d_name, prefix, 3) == 0;
	closedir(dir);
	return count;
}

/* 1, 0, or -1 when the driver does not say. */
static int
get_offload(const char *name, uint32_t command)
{
	struct ethtool_value value = { .cmd = command };
	struct ifreq request = { .ifr_data = (void *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	ret = ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	return ret < 0 ? -1 : value.data != 0;
}

static void
probe_offloads(struct report *report, const char *name)
{
	static const struct {
		const char *feature;
		uint32_t command;
		const char *instead;
		const char *option;
	} offloads[] = {
		{ "receive checksums", ETHTOOL_GRXCSUM,
			"the kernel adds up every byte", "rx" },
		{ "send checksums", ETHTOOL_GTXCSUM,
			"the kernel adds up every byte", "tx" },
		{ "segmentation (TSO)", ETHTOOL_GTSO,
			"the kernel cuts large sends", "tso" },
		{ "segmentation (GSO)", ETHTOOL_GGSO,
			"large sends are cut early", "gso" },
		{ "merging (GRO)", ETHTOOL_GGRO, "more and smaller receives",
			"gro" },
	};

	for (unsigned i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++) {
		int value = get_offload(name, offloads[i].command);
		char change[64];

		if (value < 0) {
			report_add(report, offloads[i].feature, ROW_NOTE,
				"the driver does not say");
			continue;
		}
		snprintf(change, sizeof(change), "ethtool -K %s %s on", name,
			offloads[i].option);
		report_has(report, offloads[i].feature, value,
			offloads[i].instead, change);
	}
}

int
probe_nic(struct report *report, const char *name)
{
	char path[128], line[64];

	if (strlen(name) >= IFNAMSIZ || strchr(name, '/') != NULL ||
		if_nametoindex(name) == 0)
		return -ENODEV;
	report->group = "interface";
	report_add(report, "name", ROW_NOTE, "%s", name);
	report_add(report, "receive queues", ROW_NOTE, "%u",
		count_queues(name, "rx-"));
	report_add(report, "send queues", ROW_NOTE, "%u",
		count_queues(name, "tx-"));
	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", name);
	if (read_line(path, line, sizeof(line)))
		report_add(report, "MTU", ROW_NOTE, "%s", line);
	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", name);
	if (read_line(path, line, sizeof(line)) && line[0] != '-')
		report_add(report, "speed", ROW_NOTE, "%s Mbit/s", line);
	else
		report_add(report, "speed", ROW_NOTE, "not known");
	probe_offloads(report, name);
	return 0;
}
