/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SPIN_PRIV_H
#define TORC_CORE_SPIN_PRIV_H

/*
 * spin - whether a thread that has nothing to do looks a while before it
 * sleeps
 *
 * It does when its recent waits were shorter than it would look: then a look
 * is likely to be enough. What it keeps for that is one average, `gap_ns`.
 */

#include <stdint.h>

#if defined(__x86_64__)
#define torc__spin_relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define torc__spin_relax() __asm__ volatile("yield")
#else
#define torc__spin_relax() ((void)0)
#endif

#define TORC__LOOKS_PER_CLOCK_READ 16

/* A wait longer than this counts as this much: quiet is soon forgotten. */
#define TORC__GAP_MAX_FACTOR 4
/* The average moves by a quarter of the distance per wait. */
#define TORC__GAP_SHIFT 2

/* The average after one more wait, of who looks for `spin_ns`. */
static inline uint64_t
torc__spin_gap(uint64_t gap_ns, uint64_t waited_ns, uint64_t spin_ns)
{
	uint64_t max_ns = TORC__GAP_MAX_FACTOR * spin_ns;

	if (waited_ns > max_ns)
		waited_ns = max_ns;
	return gap_ns - (gap_ns >> TORC__GAP_SHIFT) +
	       (waited_ns >> TORC__GAP_SHIFT);
}

#endif /* TORC_CORE_SPIN_PRIV_H */
