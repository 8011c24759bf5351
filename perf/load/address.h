/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_ADDRESS_H
#define TORC_PERF_LOAD_ADDRESS_H

/*
 * address - a HOST:PORT as it was given, and as the kernel takes it
 *
 * Errors  load_address_read: false, when nothing of that name is found.
 */

#include <stdbool.h>
#include <sys/socket.h>

struct load_address {
	const char *text; /* the caller's, or NULL in an empty one */
	struct sockaddr_storage sa;
	socklen_t sa_bytes;
};

/* HOST is a name, an IPv4 address or an IPv6 address in brackets. */
bool load_address_read(struct load_address *a, const char *text);

/* Whether it is in 127/8, where any source address may be chosen. */
bool load_address_is_loopback(const struct load_address *a);

#endif /* TORC_PERF_LOAD_ADDRESS_H */
