/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_ROOM_PRIV_H
#define TORC_CORE_IO_ROOM_PRIV_H

/*
 * room - each time that a socket may have become writable
 *
 * For sends that must not wait in the kernel: a Unix datagram that finds its
 * receiver full is copied before that is noticed, and when Linux (6.18 at
 * least) tries it again by itself it sends what is left of it, which is an
 * empty one. So such a send is asked not to wait, and begins anew after one
 * of these events, of which the first comes at once. For sockets that are
 * connected: the others count as writable all the time.
 *
 * Lifetime  The caller's memory, from open to close, which waits for the
 *           terminal CQE.
 * Shard     One, from a task.
 */

#include "core/shard_priv.h"

struct torc_room {
	struct torc_op op;
	struct torc_shard *shard;
	struct torc_future *waiter;
	int fd;
	bool has_changed;
	bool is_closing;
};

void torc__room_open(struct torc_room *room, struct torc_shard *shard, int fd);

/* 0 at the next event; -ECANCELED, -ETIMEDOUT. */
int torc__room_wait(struct torc_room *room);

void torc__room_close(struct torc_room *room);

#endif /* TORC_CORE_IO_ROOM_PRIV_H */
