/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_MASK_PRIV_H
#define TORC_CORE_MASK_PRIV_H

/*
 * mask - the signals that must not strike a shard's thread for a while
 *
 * Several parts of torc may want the same signal blocked, and end in any
 * order: each is counted. A signal that was blocked before is left alone.
 *
 * Lifetime  Zeroed memory is an empty one.
 * Shard     The thread whose mask it is.
 */

#include <signal.h>
#include <stdint.h>

#define TORC__MASK_SIGNALS_MAX 65

struct torc_mask {
	uint32_t counts[TORC__MASK_SIGNALS_MAX];
	sigset_t own; /* blocked by us; valid where a count is not 0 */
};

/* Block the signals of `set`, until as many unblocks. */
void torc__mask_block(struct torc_mask *mask, const sigset_t *set);

/* What is pending of those that may strike again is dropped before. */
void torc__mask_unblock(struct torc_mask *mask, const sigset_t *set);

#endif /* TORC_CORE_MASK_PRIV_H */
