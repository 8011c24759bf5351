/* SPDX-License-Identifier: MIT */
/*
 * Which ports are open: scan HOST FIRST LAST
 *
 * A task per port, at most 200 at a time, each for a second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torc.h>

#define AT_ONCE 200

static const char *host;
static unsigned long first, last;
static struct torc_semaphore turns;
static unsigned open_count;

static void
look_at(unsigned port)
{
	struct torc_deadline second;
	struct torc_stream *conn;
	char text[300]; /* the longest name has 253 */

	snprintf(text, sizeof(text), "%.255s:%u", host, port);
	torc_deadline_begin(&second, TORC_S);
	if (torc_connect_to(&conn, text) == 0) {
		torc_close(conn);
		printf("%u\n", port);
		open_count++;
	}
	torc_deadline_end(&second);
}

static int
check(void *arg)
{
	look_at((unsigned)(uintptr_t)arg);
	torc_semaphore_release(&turns, 1);
	return 0;
}

static int
scan(void *unused)
{
	struct torc_group group;
	int ret = 0;

	(void)unused;
	torc_semaphore_init(&turns, AT_ONCE);
	torc_group_init(&group);
	for (uintptr_t port = first; ret == 0 && port <= last; port++) {
		ret = torc_semaphore_acquire(&turns, 1);
		if (ret == 0)
			ret = torc_group_spawn(&group, check, (void *)port);
	}
	if (ret == 0)
		ret = torc_group_join(&group);
	else
		torc_group_cancel_join(&group);
	fprintf(stderr, "scan: %u of %lu are open\n", open_count,
		last - first + 1);
	return ret;
}

/* 0: none. */
static unsigned long
port_of(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return *end == '\0' && port <= 65535 ? port : 0;
}

int
main(int argc, char **argv)
{
	struct torc_options options = { .shards = 1 };

	if (argc == 4) {
		host = argv[1];
		first = port_of(argv[2]);
		last = port_of(argv[3]);
	}
	if (first == 0 || last < first) {
		fputs("scan: ports are 1 to 65535, the lower one first: "
		      "scan HOST FIRST LAST\n",
			stderr);
		return 2;
	}
	return torc_run(&options, scan, NULL) != 0;
}
