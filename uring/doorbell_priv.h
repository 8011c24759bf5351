/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_DOORBELL_PRIV_H
#define TORC_URING_DOORBELL_PRIV_H

/*
 * doorbell - wakes a ring that waits in the kernel, from any thread
 *
 * A message to the ring, which any thread may send (Linux 6.13). Where that is
 * missing or fails, an engine's event (an eventfd) with a read always pending
 * on the ring. Either is a system call: who rings decides whether it is needed
 * (core/inbox).
 *
 * Lifetime  open to close on the ring's thread. No ring after close: the
 *           runtime joins all senders first.
 */

#include <stdint.h>

#include "base/list_priv.h"
#include "uring/op_priv.h"

struct torc_doorbell {
	struct torc_op op;
	struct torc_ring *ring;
	const struct torc_engine *engine; /* outlives the ring */
	uint64_t count;                   /* the kernel writes it */
	int fd;
	int message_fd; /* below 0: there is none */
	bool is_closing;
};

/* 0 or -errno. */
int torc__doorbell_open(struct torc_doorbell *bell, struct torc_ring *ring);

/*
 * Begin to close: the pending read is cancelled. Call
 * torc__doorbell_close() once torc__op_is_idle(&bell->op), or when that did
 * not come in time: the event is then left to the read.
 */
void torc__doorbell_cancel(struct torc_doorbell *bell);
void torc__doorbell_close(struct torc_doorbell *bell);

/* Any thread. The ring's wait ends, now or as soon as it begins. */
void torc__doorbell_ring_remote(struct torc_doorbell *bell);

#endif /* TORC_URING_DOORBELL_PRIV_H */
