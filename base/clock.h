/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_CLOCK_H
#define TORC_BASE_CLOCK_H

/*
 * clock - now, and the units of time
 *
 * Every point in time and every span in torc is a uint64_t of nanoseconds
 * on CLOCK_MONOTONIC: it never jumps when the wall clock is set and it
 * stands still while the machine is suspended.
 *
 * Core      Any thread. No system call where the vDSO serves the clock.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TORC_US ((uint64_t)1000)
#define TORC_MS (TORC_US * 1000)
#define TORC_S (TORC_MS * 1000)

/* Nanoseconds since some point before this process started. */
uint64_t torc_clock_ns(void);

#ifdef __cplusplus
}
#endif

#endif /* TORC_BASE_CLOCK_H */
