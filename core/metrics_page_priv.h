/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_METRICS_PAGE_PRIV_H
#define TORC_CORE_METRICS_PAGE_PRIV_H

/*
 * metrics page - every shard's numbers where another process can read them
 *
 *   head | slot of shard 0 | slot of shard 1 | ...
 *
 * An unnamed file in memory. Whoever may look into this process finds it as
 * /proc/PID/fd/N, a link to /memfd:torc-metrics, and reads it: nothing here
 * is asked, stopped or even aware. A shard tells its slot before each sleep,
 * and else in the first turn after 100 ms.
 *
 * A reader takes `sequence`, the slot, and `sequence` again, each with a read
 * of its own: the slot is of one moment when both are the same even number.
 *
 * Lifetime  open after shard 0, whose engine it names, and before the others;
 *           close after the last of them. A slot ends with the page.
 * Shard     Each writes its own slot; readers are other processes.
 * Errors    None: without memory or memfd_create(2) (3.17) there is no page,
 *           and a debug line.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <torc/core/metrics.h>

struct torc_shard;

#define TORC__METRICS_PAGE_NAME "torc-metrics"
#define TORC__METRICS_MAGIC UINT64_C(0x70616765746f7263)
/* One more whenever a head, a slot or struct torc_metrics changes. */
#define TORC__METRICS_VERSION 1
#define TORC__METRICS_TELL_NS UINT64_C(100000000)

struct torc_metrics_head {
	_Atomic uint64_t magic; /* written last: then the rest is there */
	uint32_t version;
	uint32_t slot_bytes;
	uint32_t shards_count;
	uint32_t pid; /* as the process knows itself */
	uint64_t began_ns;
	char engine[16];
	char program[32];
	uint64_t _reserved[6];
};

struct torc_metrics_slot {
	_Alignas(64) _Atomic uint64_t sequence; /* odd: being written */
	_Atomic uint64_t told_ns;               /* 0: not yet */
	_Atomic uint64_t awake_since_ns;        /* 0: asleep since told_ns */
	/* A struct torc_metrics. */
	_Atomic uint64_t words[sizeof(struct torc_metrics) / sizeof(uint64_t)];
};

_Static_assert(
	sizeof(struct torc_metrics_head) == 128, "slots begin on a cache line");

struct torc_metrics_page {
	struct torc_metrics_head *head; /* NULL: there is none */
	size_t bytes;
	int fd;
};

/* Where the slot of shard `index` begins, in bytes. */
static inline size_t
torc__metrics_slot_offset(uint32_t index)
{
	return sizeof(struct torc_metrics_head) +
	       (size_t)index * sizeof(struct torc_metrics_slot);
}

/* For `count` shards on the engine of this name. */
void torc__metrics_page_open(struct torc_metrics_page *page, unsigned count,
	const char *engine, uint64_t now_ns);
void torc__metrics_page_close(struct torc_metrics_page *page);

/* From now on this shard tells. On its own thread. */
void torc__metrics_page_join(
	const struct torc_metrics_page *page, struct torc_shard *shard);

/* Tell the slot, if there is one. `is_asleep`: it sleeps from now on. */
void torc__metrics_tell(
	struct torc_shard *shard, uint64_t now_ns, bool is_asleep);

/* It has woken; what it does follows with the next tell. One store. */
static inline void
torc__metrics_wake(struct torc_metrics_slot *slot, uint64_t now_ns)
{
	if (slot != NULL)
		atomic_store_explicit(
			&slot->awake_since_ns, now_ns, memory_order_relaxed);
}

#endif /* TORC_CORE_METRICS_PAGE_PRIV_H */
