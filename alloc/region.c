/* SPDX-License-Identifier: MIT */
#include "alloc/region_priv.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/assert_priv.h"

#define PAGE_BYTES 4096

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static void *
map(size_t bytes, int flags)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

/* By more than is needed, whose two ends go back. */
void *
torc__region_map_aligned(size_t bytes, size_t align)
{
	size_t all_bytes = bytes + align - PAGE_BYTES, skip_bytes, rest_bytes;
	uint8_t *base = map(all_bytes, 0);

	torc_assert(align >= PAGE_BYTES && (align & (align - 1)) == 0);
	if (base == MAP_FAILED)
		return NULL;
	skip_bytes = -(uintptr_t)base & (align - 1);
	rest_bytes = all_bytes - skip_bytes - bytes;
	if (skip_bytes > 0)
		munmap(base, skip_bytes);
	if (rest_bytes > 0)
		munmap(base + skip_bytes + bytes, rest_bytes);
	return base + skip_bytes;
}

/* Where transparent ones are had for the asking. */
static void *
map_transparent(size_t bytes)
{
	void *base = torc__region_map_aligned(bytes, TORC__REGION_BYTES);

	if (base != NULL)
		madvise(base, bytes, MADV_HUGEPAGE);
	return base;
}

int
torc__region_map(struct torc_region *region, size_t bytes)
{
	void *base;

	torc_assert(bytes > 0 && bytes % TORC__REGION_BYTES == 0);
	base = map(bytes, MAP_HUGETLB);
	if (base == MAP_FAILED)
		base = map_transparent(bytes);
	if (base == NULL)
		return -ENOMEM;

	/* A child that a fork makes must not see buffers in flight change. */
	madvise(base, bytes, MADV_DONTFORK);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, base, bytes, "torc-region");
	*region = (struct torc_region){ .base = base, .bytes = bytes };
	return 0;
}

void
torc__region_unmap(struct torc_region *region)
{
	if (region->base != NULL)
		munmap(region->base, region->bytes);
	*region = (struct torc_region){ 0 };
}

void *
torc__region_cut(struct torc_region *region, size_t bytes, size_t align)
{
	size_t at = (region->used_bytes + align - 1) & ~(align - 1);

	torc_assert(align != 0 && (align & (align - 1)) == 0);
	if (at > region->bytes || bytes > region->bytes - at)
		return NULL;
	region->used_bytes = at + bytes;
	return region->base + at;
}
