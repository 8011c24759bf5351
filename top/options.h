/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_OPTIONS_H
#define TORC_TOP_OPTIONS_H

/*
 * options - what the command line asks for
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct options {
	bool is_batch; /* no screen: one sample after the other */
	bool is_json;
	unsigned long samples_max; /* 0: until it is told to leave */
	uint64_t delay_ns;
	char **pids; /* as text; none: all there are */
	int pids_count;
};

/* Of this program. */
extern const char options_version[];

/* -1 to go on, else the exit status; whatever was to be said has been. */
int options_parse(struct options *options, int argc, char **argv);

/* 0: it is no process's number. */
pid_t options_pid(const char *text);

#endif /* TORC_TOP_OPTIONS_H */
