/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_PROCESS_H
#define TORC_TOP_PROCESS_H

/*
 * process - one that runs torc: found, looked at again and again, and gone
 *
 * Its folder below /proc is held open, so that another process which gets the
 * same number later is not taken for it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "top/page.h"
#include "top/rate.h"

enum process_result {
	PROCESS_FOUND,
	PROCESS_NONE,    /* there is no such process */
	PROCESS_DENIED,  /* it may not be looked at */
	PROCESS_NO_PAGE, /* it does not run torc */
	PROCESS_VERSION, /* another torc than this one */
	PROCESS_BROKEN,  /* its page makes no sense */
	PROCESS_NO_FD,   /* there is none to look with */
	PROCESS_NO_MEMORY
};

struct shard {
	struct reading before; /* that the rates begin with */
	struct reading now;
	struct rates rates;
};

struct process {
	struct process *next;
	pid_t pid;
	int folder_fd;
	struct page page;
	uint64_t looked_ns;
	uint64_t rss_bytes;
	char state; /* as in proc_pid_stat(5): R, S, T ... */
	struct shard shards[];
};

/* `version`: which it is, where the result is about that. */
enum process_result process_open(
	struct process **process, pid_t pid, uint32_t *version);
void process_close(struct process *process);

/* What it says now. False: it, or its runtime, has ended. */
bool process_look(struct process *process, uint64_t now_ns);

static inline bool
process_is_stopped(const struct process *process)
{
	return process->state == 'T' || process->state == 't';
}

#endif /* TORC_TOP_PROCESS_H */
