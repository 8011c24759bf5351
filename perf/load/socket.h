/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_SOCKET_H
#define TORC_PERF_LOAD_SOCKET_H

/*
 * socket - non-blocking sockets to a server, and how many there may be
 *
 * A TCP connection to 127/8 leaves from address number `source` there: from
 * one alone, 28,000 connections would use up the ports. Number 0 is the one
 * that the kernel chooses, 127.0.0.1; some servers trust no other.
 *
 * Errors  load_socket_begin returns -errno. The others print one line and
 *         leave with 1.
 */

#include <stdint.h>

#include "perf/load/options.h"

enum {
	LOAD_SOURCES = 200,
	LOAD_SOURCE_CONNS = 20000, /* that one source has ports for */
};

/* Make room for `count` descriptors and a few more. */
void load_socket_limit(uint64_t count);

/* Connected when it returns; an attempt has 10 seconds. */
int load_socket_connect(const struct load_options *o,
	const struct load_address *to, unsigned source);

/* On its way to be connected. */
int load_socket_begin(const struct load_options *o,
	const struct load_address *to, unsigned source);

/* A UDP socket that talks to `to` alone. */
int load_socket_udp(const struct load_address *to);

#endif /* TORC_PERF_LOAD_SOCKET_H */
