/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_ADDRESS_PRIV_H
#define TORC_CORE_IO_ADDRESS_PRIV_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include <torc/core/io/address.h>

#define TORC__HOST_BYTES_MAX 254 /* a name in DNS has at most 253 */

/* HOST:PORT whose host has to be looked up. */
struct torc_address_name {
	char host[TORC__HOST_BYTES_MAX + 1];
	uint16_t port;
};

/* Where datagrams go, and no connection can be made. */
static inline bool
torc__address_is_datagram(const struct torc_address *address)
{
	return address->type == TORC_UDP || address->type == TORC_UNIX_DGRAM;
}

/*
 * torc_address_parse() that looks nothing up. Returns 1 for a name: it is in
 * *name then, and of *out only the type is set. `why` is not NULL.
 */
int torc__address_parse_numeric(struct torc_address *out,
	struct torc_address_name *name, const char *text, const char **why);

/* getaddrinfo(3), which blocks. 0 or -errno; freeaddrinfo() after 0. */
int torc__address_lookup(
	const char *host, struct addrinfo **list, const char **why);

/* All of *out but its type. False: a family that is none of ours. */
bool torc__address_set(
	struct torc_address *out, const struct addrinfo *info, uint16_t port);

#endif /* TORC_CORE_IO_ADDRESS_PRIV_H */
