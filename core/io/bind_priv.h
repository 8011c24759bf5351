/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_BIND_PRIV_H
#define TORC_CORE_IO_BIND_PRIV_H

/*
 * bind - the bound sockets of a process, several shards to an address
 *
 * With SO_REUSEPORT alone, a second process of the same user would listen
 * too and quietly take half of the connections. So the first shard that
 * binds an address does so without it, and only then opens the address for
 * the others of this process, which are found in a table under a lock.
 *
 * Shard   Any. The lock is held for a few system calls that do not wait.
 * Errors  -errno.
 */

#include <torc/core/io/address.h>

#include "uring/ring_priv.h"

/*
 * A bound socket for `address`, listening unless it is one of datagrams, or
 * -errno. `actual` receives the address with the port that the kernel chose.
 * Call torc__bind_close() when it is done with.
 */
int torc__bind_open(struct torc_ring *ring, const struct torc_address *address,
	int backlog, struct torc_address *actual);

/*
 * Close such a socket, which no op names any more. The last one of an
 * address removes a Unix path.
 */
void torc__bind_close(
	struct torc_ring *ring, const struct torc_address *actual, int fd);

#endif /* TORC_CORE_IO_BIND_PRIV_H */
