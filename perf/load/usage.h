/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_USAGE_H
#define TORC_PERF_LOAD_USAGE_H

/*
 * usage - what torc-load says to people: help, and the last line before it
 * leaves early
 */

/* The whole of --help, on stdout. */
void load_usage_print(void);

/* A mistake on the command line: one line, exit status 2. */
void load_usage_leave(const char *format, ...)
	__attribute__((noreturn, cold, format(printf, 1, 2)));

/* Something that the machine or a peer refused, and why: exit status 1. */
void load_fail(int error, const char *format, ...)
	__attribute__((noreturn, cold, format(printf, 2, 3)));

#endif /* TORC_PERF_LOAD_USAGE_H */
