/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_ACCEPTOR_H
#define TORC_PERF_BASELINE_ACCEPTOR_H

/*
 * acceptor - the ring of a server whose connections need no care to accept
 *
 * One multishot accept, tried again every 100 ms after descriptors or memory
 * ran out, and the stop signal. The low three bits of user_data tell whose a
 * CQE is: below ACCEPTOR_TAG the program's own, from it on these.
 *
 * Errors  acceptor_open() leaves with one line.
 */

#include <stdbool.h>
#include <stdint.h>

#include "perf/baseline/ring.h"

#define ACCEPTOR_MASK 7u

enum acceptor_tag {
	ACCEPTOR_TAG = 4,
	ACCEPTOR_ACCEPT = ACCEPTOR_TAG,
	ACCEPTOR_RETRY,
	ACCEPTOR_STOP,
	ACCEPTOR_IGNORED, /* for whatever nobody waits for */
};

struct acceptor {
	const struct net_args *args;
	struct ring *ring;
	int listen_fd;
	bool stopping;
};

/* Listen on the open ring, watch for the stop signal, and say so. */
void acceptor_open(
	struct acceptor *a, struct ring *ring, const struct net_args *args);

/* A CQE that is not the program's. Returns a new connection, or -1. */
int acceptor_on_cqe(struct acceptor *a, const struct io_uring_cqe *cqe);

/* Turn until the stop signal, then give the ring back. */
static inline __attribute__((always_inline)) void
acceptor_serve(struct acceptor *a, ring_cqe_fn *on_cqe, void *server)
{
	while (!a->stopping) {
		ring_turn(&a->ring->io, a->args->name, on_cqe, server);
		ring_publish(a->ring);
	}
	ring_close(&a->ring->io);
}

#endif /* TORC_PERF_BASELINE_ACCEPTOR_H */
