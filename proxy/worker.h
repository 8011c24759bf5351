/* SPDX-License-Identifier: MIT */
#ifndef TORC_PROXY_WORKER_H
#define TORC_PROXY_WORKER_H

/*
 * worker - one shard's part of the proxy: accept, connect, relay, drain
 *
 *   LISTENING --accept--> a task connects --> a relay, without a task
 *       | worker_drain
 *   DRAINING: no more accepts; relays finish, at most drain_ns
 *       | done, time is up, or cancelled
 *   ENDED: what is left is reset
 *
 * Shard   Each function acts on the worker of the shard that calls it, so
 *         all of them are run by torc_run_on_shards().
 */

#include <stdatomic.h>

#include "proxy/config.h"

struct worker;

/* What the shards share. */
struct proxy {
	const struct config *config;
	struct worker **workers; /* by shard index */
	atomic_uint connections; /* of all shards */
};

/* Listen. 0 or -errno, not logged. */
int worker_open(void *proxy);

/* Serve until drained. 0. */
int worker_run(void *proxy);

/* Stop accepting; worker_run() returns when the rest is done. 0. */
int worker_drain(void *proxy);

#endif /* TORC_PROXY_WORKER_H */
