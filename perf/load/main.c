/* SPDX-License-Identifier: MIT */
/*
 * torc-load - a load generator that favours nobody
 *
 * Plain C over sockets that are polled and never slept on, and not on torc,
 * so that what is measured is the server. --help tells what it can do;
 * load.h how it goes round.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "perf/load/drivers.h"
#include "perf/load/hgrm.h"
#include "perf/load/run.h"
#include "perf/load/socket.h"
#include "perf/load/usage.h"

static const struct load_driver *
driver_of(enum load_mode mode)
{
	static const struct load_driver *const drivers[LOAD_MODES] = {
		[LOAD_ECHO] = &load_echo_driver,
		[LOAD_UDP] = &load_udp_driver,
		[LOAD_CHURN] = &load_churn_driver,
		[LOAD_STREAM] = &load_stream_driver,
		[LOAD_FANOUT] = &load_fanout_driver,
	};

	return drivers[mode];
}

/* Before the run, so that its figures are not lost to a wrong path. */
static FILE *
file_open(const char *path)
{
	FILE *file = path ? fopen(path, "we") : NULL;

	if (path && !file)
		load_fail(errno, "cannot write to %s", path);
	return file;
}

static void
file_close(FILE *file, const char *path)
{
	if (file && (ferror(file) | fclose(file)))
		load_fail(EIO, "not all could be written to %s", path);
}

static void
hgrm_end(FILE *file, const char *path, const struct load_spread *s)
{
	if (file)
		load_hgrm_write(file, s);
	file_close(file, path);
}

static void
load_init(struct load *l, struct load_options *o)
{
	if (o->message_path) {
		load_pattern_read(&l->pattern, o->message_path);
		o->size = l->pattern.period;
	} else {
		load_pattern_make(&l->pattern);
	}
	l->options = o;
	l->driver = driver_of(o->mode);
	l->window.is_open = o->rate > 0;
	l->window.end_ns = UINT64_MAX;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		load_fail(errno, "cannot start");
}

int
main(int argc, char **argv)
{
	static struct load l;
	struct load_options o;
	struct load_result result;
	FILE *csv, *hgrm, *lateness;

	load_options_read(&o, argc, argv);
	load_socket_limit(o.conns * (o.direct.text ? 2 : 1) + o.idle + o.bulk +
			  o.stuck + 1);
	if (o.mode == LOAD_IDLE)
		return load_idle_hold(&o);
	load_init(&l, &o);
	csv = file_open(o.csv_path);
	hgrm = file_open(o.hgrm_path);
	lateness = file_open(o.lateness_path);
	l.driver->open(&l);
	load_run(&l, &result, csv);
	load_report_print(&l, &result);
	file_close(csv, o.csv_path);
	hgrm_end(hgrm, o.hgrm_path, &l.tally.latency);
	hgrm_end(lateness, o.lateness_path, &l.lateness);
	return l.errors > 0;
}
