/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_UDP_FIXTURE_H
#define TORC_TESTS_CORE_IO_UDP_FIXTURE_H

/*
 * udp_fixture - datagram sockets, and where they are
 */

#include "core/io/udp_priv.h"
#include "tests/core/io/fixture.h"

#define UDP "udp:127.0.0.1:0"

static inline struct torc_udp *
bind_at(const char *text, struct torc_address *actual)
{
	struct torc_address address = address_of(text);
	struct torc_udp *udp;

	must_be(torc_udp_bind(&udp, &address), 0);
	must_be(torc_udp_address(udp, actual), 0);
	return udp;
}

#endif /* TORC_TESTS_CORE_IO_UDP_FIXTURE_H */
