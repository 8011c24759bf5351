/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_SIGNAL_H
#define TORC_CORE_IO_SIGNAL_H

/*
 * signal - signals as values that a task awaits
 *
 * Lifetime  torc_signals_open() to torc_signals_close(). In between the
 *           signals of the set are blocked on shard 0's thread and no
 *           handler runs; afterwards the old mask is back and signals that
 *           nobody waited for are gone. Shards other than
 *           0 block all signals from the start, so a process with no thread
 *           besides torc's gets every signal here.
 * Shard     Shard 0.
 * Errors    -errno.
 */

#include <signal.h>

#include <torc/core/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_signals;

/* Begin to catch the signals of `set`. 0 or -errno. */
int torc_signals_open(struct torc_signals **signals, const sigset_t *set)
	__attribute__((warn_unused_result));

/* Wait for the next one. Returns its number; -errno. */
int torc_signal_next(struct torc_signals *signals)
	__attribute__((warn_unused_result));

/*
 * Start only: ready with the number of the next signal, or -errno. One at a
 * time; cancelling it loses none.
 */
void torc_signal_start(
	struct torc_signals *signals, struct torc_future *future);

/* Never waits. NULL is allowed. */
void torc_signals_close(struct torc_signals *signals);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_SIGNAL_H */
