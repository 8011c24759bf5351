/* SPDX-License-Identifier: MIT */
#include "proxy/balance.h"

#include <string.h>

void
balance_init(
	struct balance *balance, const struct config *config, unsigned shard)
{
	/* Shards begin at different backends. */
	*balance = (struct balance){ .config = config,
		.next = shard % config->backends_count };
}

unsigned
balance_pick(struct balance *balance)
{
	unsigned picked = balance->next;

	balance->next = (picked + 1) % balance->config->backends_count;
	return picked;
}

void
balance_tried(struct balance *balance, unsigned backend, int result)
{
	const char *name = balance->config->backend_texts[backend];
	bool is_down = result < 0;

	if (is_down == balance->is_down[backend])
		return;
	balance->is_down[backend] = is_down;
	if (is_down)
		torc_log(TORC_LOG_WARN, "backend %s cannot be reached: %s",
			name, strerror(-result));
	else
		torc_log(TORC_LOG_INFO, "backend %s is reached again", name);
}
