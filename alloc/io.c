/* SPDX-License-Identifier: MIT */
#include "alloc/io_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <torc/alloc/arena.h>

#include "base/assert_priv.h"
#include "base/sanitizer_priv.h"

/* Of the calling thread's shard: alloc/ knows nothing of shards. */
static __thread struct torc_io *current
	__attribute__((tls_model("initial-exec")));

static size_t
alignment_of(size_t bytes)
{
	if (bytes >= 4096)
		return 4096;
	return bytes >= 512 ? 512 : 64;
}

static struct torc_io *
current_io(void)
{
	if (torc_unlikely(current == NULL))
		torc__panic("torc_io_alloc outside a shard: only functions "
			    "that torc runs have memory of a ring");
	return current;
}

static size_t
whole_regions(size_t bytes)
{
	if (bytes == 0)
		bytes = TORC_IO_BYTES_DEFAULT;
	torc_assert(bytes <= TORC_IO_BYTES_LIMIT);
	return (bytes + TORC__REGION_BYTES - 1) & ~(TORC__REGION_BYTES - 1);
}

#if defined(TORC__ASAN) || defined(TORC__TSAN)

void
torc__io_open(struct torc_io *io, size_t bytes_max)
{
	*io = (struct torc_io){ .bytes_max = whole_regions(bytes_max) };
	current = io;
}

void
torc__io_close(struct torc_io *io, bool is_quiet)
{
	(void)io;
	(void)is_quiet;
	current = NULL;
}

void *
torc_io_alloc(size_t bytes)
{
	size_t align = alignment_of(bytes);
	void *block;

	torc_assert(bytes > 0);
	(void)current_io();
	return posix_memalign(&block, align, bytes) == 0 ? block : NULL;
}

void
torc_io_free(void *block)
{
	free(block);
}

#else

#include <jemalloc/jemalloc.h>

#include "base/list_priv.h"

/*
 * jemalloc asks these hooks for extents. Those of the region it never gives
 * back, and never purges: the kernel has pinned the pages, and would go on
 * with the old ones after a MADV_DONTNEED.
 */
struct torc_io_source {
	extent_hooks_t hooks;
	struct torc_io *io;
	unsigned arena;
};

static struct torc_io *
io_of(extent_hooks_t *hooks)
{
	return torc__container_of(hooks, struct torc_io_source, hooks)->io;
}

static void *
take_extent(extent_hooks_t *hooks, void *at, size_t bytes, size_t align,
	bool *zero, bool *commit, unsigned arena)
{
	void *extent;

	(void)arena;
	if (at != NULL)
		return NULL;
	extent = torc__region_cut(&io_of(hooks)->region, bytes, align);
	if (extent == NULL)
		extent = torc__region_map_aligned(bytes, align);
	/* Either is new: nothing of the region was given before. */
	*zero = true;
	*commit = true;
	return extent;
}

static bool
give_extent(extent_hooks_t *hooks, void *extent, size_t bytes, bool commit,
	unsigned arena)
{
	(void)commit;
	(void)arena;
	if (torc__io_holds(io_of(hooks), extent, bytes))
		return true; /* jemalloc keeps it for the next block */
	munmap(extent, bytes);
	return false;
}

static void
end_extent(extent_hooks_t *hooks, void *extent, size_t bytes, bool commit,
	unsigned arena)
{
	(void)give_extent(hooks, extent, bytes, commit, arena);
}

static bool
split_extent(extent_hooks_t *hooks, void *extent, size_t bytes, size_t first,
	size_t second, bool commit, unsigned arena)
{
	(void)hooks;
	(void)extent;
	(void)bytes;
	(void)first;
	(void)second;
	(void)commit;
	(void)arena;
	return false;
}

/* A block must not lie half inside: it would look like neither. */
static bool
merge_extents(extent_hooks_t *hooks, void *first, size_t first_bytes,
	void *second, size_t second_bytes, bool commit, unsigned arena)
{
	const struct torc_io *io = io_of(hooks);

	(void)commit;
	(void)arena;
	return torc__io_holds(io, first, first_bytes) !=
	       torc__io_holds(io, second, second_bytes);
}

static bool
control_arena(struct torc_io_source *source, const char *what, void *value,
	size_t bytes)
{
	char name[48];

	snprintf(name, sizeof(name), "arena.%u.%s", source->arena, what);
	return mallctl(name, NULL, NULL, value, bytes) == 0;
}

/*
 * The hooks only after its creation, so that jemalloc's own records lie
 * elsewhere. Without a limit it asks for more with each extent, until the
 * last half of the region is too small.
 */
static bool
open_arena(struct torc_io_source *source)
{
	extent_hooks_t *hooks = &source->hooks;
	size_t bytes = sizeof(source->arena), step_bytes = TORC__REGION_BYTES;

	if (mallctl("arenas.create", &source->arena, &bytes, NULL, 0) != 0)
		return false;
	if (control_arena(source, "extent_hooks", &hooks, sizeof(hooks)) &&
		control_arena(source, "retain_grow_limit", &step_bytes,
			sizeof(step_bytes)))
		return true;
	control_arena(source, "destroy", NULL, 0);
	return false;
}

static bool
open_source(struct torc_io *io)
{
	struct torc_io_source *source = torc_malloc(sizeof(*source));

	if (source == NULL)
		return false;
	*source = (struct torc_io_source){ .io = io,
		.hooks = { .alloc = take_extent,
			.dalloc = give_extent,
			.destroy = end_extent,
			.split = split_extent,
			.merge = merge_extents } };
	if (torc__region_map(&io->region, io->bytes_max) == 0 &&
		open_arena(source)) {
		io->source = source;
		return true;
	}
	torc__region_unmap(&io->region);
	torc_free(source);
	return false;
}

void
torc__io_open(struct torc_io *io, size_t bytes_max)
{
	*io = (struct torc_io){ .bytes_max = whole_regions(bytes_max) };
	current = io;
}

void
torc__io_close(struct torc_io *io, bool is_quiet)
{
	current = NULL;
	if (io->source == NULL || !is_quiet)
		return;
	control_arena(io->source, "destroy", NULL, 0);
	torc__region_unmap(&io->region);
	torc_free(io->source);
	io->source = NULL;
}

void *
torc_io_alloc(size_t bytes)
{
	struct torc_io *io = current_io();

	torc_assert(bytes > 0);
	if (torc_unlikely(io->source == NULL) && !open_source(io))
		return NULL;
	/* No cache of the thread's: any shard may free it. */
	return mallocx(bytes, MALLOCX_ALIGN(alignment_of(bytes)) |
				      MALLOCX_ARENA(io->source->arena) |
				      MALLOCX_TCACHE_NONE);
}

void
torc_io_free(void *block)
{
	if (block != NULL)
		dallocx(block, MALLOCX_TCACHE_NONE);
}

#endif
