/* SPDX-License-Identifier: MIT */
#ifndef TORC_ALLOC_IO_PRIV_H
#define TORC_ALLOC_IO_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include <torc/alloc/io.h>

#include "alloc/region_priv.h"

struct torc_io_source;

struct torc_io {
	struct torc_region region;     /* mapped by the first allocation */
	struct torc_io_source *source; /* what jemalloc takes from */
	size_t bytes_max;              /* of the region */

	/* The ring's: whether the region is its fixed buffer 0. */
	bool is_tried;
	bool is_fixed;
};

/*
 * Let torc_io_alloc() on the calling thread take from `io`, so much of it from
 * the region: 0 means the default. Maps nothing.
 */
void torc__io_open(struct torc_io *io, size_t bytes_max);

/*
 * On the same thread. All blocks go with it, unless operations are in flight
 * (`is_quiet` is false): then everything is left behind on purpose.
 */
void torc__io_close(struct torc_io *io, bool is_quiet);

/* Whether a block lies in the region. Cost: two compares. */
static inline bool
torc__io_holds(const struct torc_io *io, const void *block, size_t bytes)
{
	size_t at = (uintptr_t)block - (uintptr_t)io->region.base;

	return at < io->region.bytes && bytes <= io->region.bytes - at;
}

#endif /* TORC_ALLOC_IO_PRIV_H */
