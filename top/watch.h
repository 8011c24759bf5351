/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_WATCH_H
#define TORC_TOP_WATCH_H

/*
 * watch - the processes that are looked at: those that were named, or all
 * that can be found, also those that begin later
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "top/process.h"

struct watch {
	struct process *first; /* in the order in which they were found */
	uint64_t found_ns;     /* when /proc was last searched; 0: never */
	bool is_out_of_fds;    /* it could not be searched as a whole */
};

/* False: it cannot be watched, and stderr says why. */
bool watch_add(struct watch *watch, pid_t pid);

/* Add what runs torc now; false: there is none at all. */
bool watch_find(struct watch *watch, uint64_t now_ns);

/* Look at all of them; what has ended is told, and watched no longer. */
typedef void watch_ended_fn(const struct process *process, void *arg);
void watch_look(
	struct watch *watch, uint64_t now_ns, watch_ended_fn *ended, void *arg);

void watch_close(struct watch *watch);

#endif /* TORC_TOP_WATCH_H */
