/* SPDX-License-Identifier: MIT */
/* The paths of base and alloc. */
#include <torc/base/histogram.h>
#include <torc/base/log.h>

#include "alloc/arena_priv.h"
#include "alloc/stack_priv.h"
#include "base/list_priv.h"
#include "core/shard_priv.h"
#include "perf/paths/path.h"

#define PATH_MODULE "base"

/* A member goes to the end of a list of three and comes from its front. */
static void
list_push_pop(uint32_t n)
{
	struct torc_link head, links[3] = { 0 };

	torc__list_init(&head);
	for (int i = 0; i < 3; i++)
		torc__list_push_back(&head, &links[i]);
	path_begin();
	for (; n > 0; n--) {
		struct torc_link *link = torc__list_pop_front(&head);

		path_keep(link);
		torc__list_push_back(&head, link);
	}
	path_end();
}
PATH(list_push_pop)

static void
histogram_add(uint32_t n)
{
	static struct torc_histogram histogram;
	uint64_t value = 1;

	path_begin();
	for (; n > 0; n--) {
		torc_histogram_add(&histogram, value);
		value = (value * 5) & 0xfffff;
	}
	path_end();
	path_keep(torc_histogram_count(&histogram));
}
PATH(histogram_add)

/* A line that the level drops. */
static void
log_off(uint32_t n)
{
	torc_log_level_set(TORC_LOG_INFO);
	path_begin();
	for (; n > 0; n--)
		torc_log(TORC_LOG_DEBUG, "pass %u", n);
	path_end();
}
PATH(log_off)

#undef PATH_MODULE
#define PATH_MODULE "alloc"

static void
malloc_free(uint32_t n, size_t bytes)
{
	path_begin();
	for (; n > 0; n--) {
		void *block = torc_malloc(bytes);

		path_keep(block);
		torc_free(block);
	}
	path_end();
}

static void
malloc_free_64(uint32_t n)
{
	malloc_free(n, 64);
}
PATH_TASK(malloc_free_64)

static void
malloc_free_4096(uint32_t n)
{
	malloc_free(n, 4096);
}
PATH_TASK(malloc_free_4096)

static void
stack_get_put(uint32_t n)
{
	struct torc_stacks *pool = &torc__shard->stacks;

	path_begin();
	for (; n > 0; n--) {
		void *top = torc__stack_get(pool);

		path_keep(top);
		torc__stack_put(pool, top);
	}
	path_end();
}
PATH_TASK(stack_get_put)
