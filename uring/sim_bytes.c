/* SPDX-License-Identifier: MIT */
/* What is in a simulated file: pages, and holes between them. */
#include <stdlib.h>
#include <string.h>

#include "uring/sim_disk_priv.h"

/* The place of the first page that is not before `index`. */
static uint32_t
find(const struct torc_sim_node *node, uint64_t index)
{
	uint32_t from = 0, to = node->pages_count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (node->pages[middle].index < index)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static const uint8_t *
page_at(const struct torc_sim_node *node, uint64_t index)
{
	uint32_t at = find(node, index);

	return at < node->pages_count && node->pages[at].index == index
		       ? node->pages[at].data
		       : NULL;
}

static bool
grow(struct torc_sim_node *node)
{
	uint32_t max = node->pages_max ? 2 * node->pages_max : 16;
	struct torc_sim_page *pages;

	if (node->pages_count < node->pages_max)
		return true;
	pages = realloc(node->pages, max * sizeof(*pages));
	if (pages == NULL)
		return false;
	node->pages = pages;
	node->pages_max = max;
	return true;
}

/* NULL: the disk is full. */
static uint8_t *
make_page(struct torc_sim *sim, struct torc_sim_node *node, uint64_t index)
{
	uint32_t at = find(node, index);
	uint8_t *data;

	if (at < node->pages_count && node->pages[at].index == index)
		return node->pages[at].data;
	if (sim->disk_pages >= sim->config.disk_bytes / TORC__SIM_PAGE_BYTES ||
		!grow(node))
		return NULL;
	data = calloc(1, TORC__SIM_PAGE_BYTES);
	if (data == NULL)
		return NULL;
	memmove(&node->pages[at + 1], &node->pages[at],
		(node->pages_count - at) * sizeof(node->pages[0]));
	node->pages[at] = (struct torc_sim_page){ index, data };
	node->pages_count++;
	sim->disk_pages++;
	return data;
}

/* How much of `bytes` lies in the page of `offset`. */
static uint32_t
part(uint64_t offset, uint32_t bytes)
{
	uint32_t left = TORC__SIM_PAGE_BYTES -
			(uint32_t)(offset % TORC__SIM_PAGE_BYTES);

	return bytes < left ? bytes : left;
}

uint32_t
torc__sim_node_read(const struct torc_sim_node *node, uint64_t offset,
	void *data, uint32_t bytes)
{
	uint32_t done = 0;

	if (offset >= node->bytes)
		return 0;
	if (bytes > node->bytes - offset)
		bytes = (uint32_t)(node->bytes - offset);
	while (done < bytes) {
		uint64_t at = offset + done;
		uint32_t now = part(at, bytes - done);
		const uint8_t *page = page_at(node, at / TORC__SIM_PAGE_BYTES);

		if (page != NULL)
			memcpy((uint8_t *)data + done,
				page + at % TORC__SIM_PAGE_BYTES, now);
		else
			memset((uint8_t *)data + done, 0, now);
		done += now;
	}
	return bytes;
}

uint32_t
torc__sim_node_write(struct torc_sim *sim, struct torc_sim_node *node,
	uint64_t offset, const void *data, uint32_t bytes)
{
	uint32_t done = 0;

	while (done < bytes) {
		uint64_t at = offset + done;
		uint32_t now = part(at, bytes - done);
		uint8_t *page = make_page(sim, node, at / TORC__SIM_PAGE_BYTES);

		if (page == NULL)
			break;
		memcpy(page + at % TORC__SIM_PAGE_BYTES,
			(const uint8_t *)data + done, now);
		done += now;
	}
	if (done > 0 && offset + done > node->bytes)
		node->bytes = offset + done;
	return done;
}

void
torc__sim_node_cut(
	struct torc_sim *sim, struct torc_sim_node *node, uint64_t bytes)
{
	uint32_t rest = (uint32_t)(bytes % TORC__SIM_PAGE_BYTES);
	uint64_t pages = bytes / TORC__SIM_PAGE_BYTES + (rest != 0);
	uint32_t at = find(node, pages);

	for (uint32_t i = at; i < node->pages_count; i++)
		free(node->pages[i].data);
	sim->disk_pages -= node->pages_count - at;
	node->pages_count = at;
	/* What lies behind the end must not come back when it grows. */
	if (rest != 0 && at > 0 && node->pages[at - 1].index == pages - 1)
		memset(node->pages[at - 1].data + rest, 0,
			TORC__SIM_PAGE_BYTES - rest);
	node->bytes = bytes;
}
