/* SPDX-License-Identifier: MIT */
#ifndef TORC_PROXY_BALANCE_H
#define TORC_PROXY_BALANCE_H

/*
 * balance - which backend a connection goes to
 *
 * Round robin per shard. A backend that cannot be reached costs the
 * connection a try, and the log one line when that begins and one when it
 * is over.
 *
 * Shard  One balance per shard; nothing is shared.
 */

#include <stdbool.h>

#include "proxy/config.h"

struct balance {
	const struct config *config;
	unsigned next;
	bool is_down[BACKENDS_MAX]; /* the last try failed */
};

void balance_init(
	struct balance *balance, const struct config *config, unsigned shard);

/* Where this connection's tries begin; try n is the n-th after it. */
unsigned balance_pick(struct balance *balance);

/* How a try ended: 0 or -errno. */
void balance_tried(struct balance *balance, unsigned backend, int result);

#endif /* TORC_PROXY_BALANCE_H */
