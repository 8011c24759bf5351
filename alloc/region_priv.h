/* SPDX-License-Identifier: MIT */
#ifndef TORC_ALLOC_REGION_PRIV_H
#define TORC_ALLOC_REGION_PRIV_H

/*
 * region - the one mapping of a shard that its I/O happens in
 *
 * The provided buffer ring and its first buffers are cut from it, so that
 * what every message touches lies in one huge page. Pieces are never given
 * back one by one.
 *
 * Lifetime  torc__region_map() to torc__region_unmap(). Unmap only when the
 *           ring has nothing in flight; otherwise leak it on purpose.
 * Shard     Its owner's only.
 */

#include <stddef.h>
#include <stdint.h>

/* One huge page, of which a region is a multiple. */
#define TORC__REGION_BYTES ((size_t)2 << 20)

struct torc_region {
	uint8_t *base;
	size_t bytes;
	size_t used_bytes;
};

/*
 * 0 or -ENOMEM. Reserved huge pages, or transparent ones where the kernel
 * gives them to who asks; else small ones.
 */
int torc__region_map(struct torc_region *region, size_t bytes);
void torc__region_unmap(struct torc_region *region);

/*
 * A mapping of its own, of whole pages, at a multiple of `align` (a power of
 * two, a page or more); NULL without memory. munmap() ends it.
 */
void *torc__region_map_aligned(size_t bytes, size_t align);

/* `bytes` aligned to `align` (a power of two), or NULL when none are left. */
void *torc__region_cut(struct torc_region *region, size_t bytes, size_t align);

#endif /* TORC_ALLOC_REGION_PRIV_H */
