/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_SIGNAL_H
#define TORC_CORE_IO_SIGNAL_H

/*
 * signal - signals as values that a task awaits
 *
 *   torc_interrupt_wait()     until Ctrl-C, or until asked to end: one call
 *   torc_signals_open()       any signals, for as long as wanted
 *
 * Once      What the kernel has queued is delivered once, in its order: the
 *           lowest number first. Signals below SIGRTMIN do not count: ten
 *           SIGUSR1 that come faster than they are taken may be one. Those
 *           from SIGRTMIN on are queued one by one (RLIMIT_SIGPENDING; who
 *           sends with sigqueue(3) is told when that is full), each with its
 *           value, and none is lost here.
 * One taker of a signal: opening one that is open already says -EBUSY. Who
 *           has several to tell passes it on, by a notify or a broadcast.
 * Refused   -EINVAL: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT and
 *           SIGSYS, which a thread causes itself; SIGPROF and SIGURG, which a
 *           profiler and the stall watcher aim at one thread. No thread of
 *           torc's blocks them, so that one sent to the process would strike
 *           in another. And SIGKILL and SIGSTOP, which nobody catches.
 * SIGCHLD   Children of process.h are no reason to catch it: torc_process_wait
 *           needs no signal. Who does catch it waits for the children by their
 *           numbers: wait(2) for any child takes the status of torc's.
 * Lifetime  torc_signals_open() to torc_signals_close(). In between the
 *           signals of the set are blocked on shard 0's thread and no
 *           handler runs; afterwards they strike as before, and what came
 *           and was not taken is gone. Shards other than 0, and threads of
 *           the blocking pool, block all but those nine from the start, so a
 *           process with no thread besides torc's gets every signal here.
 * Shard     Shard 0.
 * Errors    -errno; -ECANCELED, -ETIMEDOUT.
 */

#include <signal.h>
#include <stdint.h>
#include <sys/select.h> /* sigset_t, which signal.h hides in strict C11 */
#include <sys/types.h>

#include <torc/core/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_signals;

/* Begin to catch the signals of `set`. 0; -EBUSY, -EINVAL: above; -errno. */
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

/* What the kernel says of a signal, in part by who sent it: sigaction(2). */
struct torc_signal_info {
	int signo;
	int code;   /* SI_USER: kill(2); SI_QUEUE; CLD_EXITED ... */
	pid_t pid;  /* who sent it, or which child it is about */
	uid_t uid;  /* whose process that is */
	int value;  /* of sigqueue(3), as an int */
	int status; /* of that child: its exit code or signal */
};

/* About the signal that was delivered last; zeroes before the first. */
void torc_signal_info(
	const struct torc_signals *signals, struct torc_signal_info *info);

/* Never waits. NULL is allowed. */
void torc_signals_close(struct torc_signals *signals);

/*
 * Wait until the user presses Ctrl-C (SIGINT) or somebody asks the process to
 * end (SIGTERM). Only while this waits are the two caught: the next one, when
 * the clean-up takes too long, ends the process as it would without torc. Some
 * send two at once (timeout(1) one to its child and one to the whole group):
 * who must finish all the same takes both by torc_signals_open() until then.
 *
 * Returns  SIGINT or SIGTERM; -EBUSY when another task waits for one of them;
 *          -errno.
 */
int torc_interrupt_wait(void) __attribute__((warn_unused_result));

struct torc_interrupt {
	struct torc_future done; /* value: as torc_interrupt_wait() returns */

	/* Runtime only. */
	struct torc_signals *_signals;
	struct torc_future _caught;
};

/* Start only. */
void torc_interrupt_start(struct torc_interrupt *interrupt);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_SIGNAL_H */
