/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_PROCESS_PRIV_H
#define TORC_CORE_IO_PROCESS_PRIV_H

/*
 * birth - what happens between two threads of life: clone and exec
 *
 * Lifetime  The caller's, from the fields' setting to the end of the call.
 * Shard     None: torc__process_birth() blocks, and runs on any thread.
 */

#include <torc/core/io/process.h>

/* P_PIDFD is not in the headers of every C library that torc is built with. */
#define TORC__WAIT_PIDFD ((idtype_t)3)

struct torc_birth {
	const struct torc_process_options *options;
	int fds[3]; /* of the child's 0, 1, 2; -1: see options */

	/* Result. */
	pid_t pid;
	int pidfd;
};

/* For torc_blocking(): `arg` is a struct torc_birth. 0 or -errno. */
int torc__process_birth(void *arg);

/*
 * Between the two it may be closed by another task and is still there. True:
 * it was, and must not be touched any more.
 */
void torc__process_hold(struct torc_process *process);
bool torc__process_let_go(struct torc_process *process);

#endif /* TORC_CORE_IO_PROCESS_PRIV_H */
