/* SPDX-License-Identifier: MIT */
#include "base/list_priv.h"
#include "perf/gbench.h"

#define BATCH 64
#define MEMBERS 16

/*
 * Question      What does it cost to be on a list: of a shard's tasks, of its
 *               sockets, of a wheel's slot?
 * Unit          The first of 16 members is removed and put at the end.
 * Change mind   4 ns: arrays of indices would then be worth their limits.
 */
static void
rotate(struct torc_bench *b)
{
	struct torc_link head, links[MEMBERS] = { 0 };

	torc__list_init(&head);
	for (int i = 0; i < MEMBERS; i++)
		torc__list_push_back(&head, &links[i]);
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			struct torc_link *link = torc__list_pop_front(&head);

			torc_bench_keep(link);
			torc__list_push_back(&head, link);
		}
}
TORC_BENCH(rotate)
