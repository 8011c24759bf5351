/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_FIXED_PRIV_H
#define TORC_CORE_IO_FIXED_PRIV_H

/*
 * fixed - the memory of torc_io_alloc() as the ring's registered buffer
 *
 * It is registered by the first operation that uses it: locked memory is
 * scarce, and most programs never read a file from it. Where the kernel
 * refuses, one line says so and what to set, and operations go on as for any
 * other memory.
 */

#include "core/shard_priv.h"

/* As IORING_OP_READ_FIXED and its kin want it. */
#define TORC__FIXED_INDEX 0

bool torc__fixed_register(struct torc_shard *shard);

/*
 * Whether an operation on this memory may name it as the fixed buffer.
 * Cost: two compares for memory that is not.
 */
static inline bool
torc__fixed_holds(struct torc_shard *shard, const void *memory, size_t bytes)
{
	if (!torc__io_holds(&shard->io, memory, bytes))
		return false;
	return shard->io.is_tried ? shard->io.is_fixed
				  : torc__fixed_register(shard);
}

#endif /* TORC_CORE_IO_FIXED_PRIV_H */
