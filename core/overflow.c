/* SPDX-License-Identifier: MIT */
/*
 * A task that runs off its stack meets a guard page. Without this it would
 * be a plain segmentation fault; with it the task, its stack's size and the
 * option that raises it are named, and then the fault takes its course.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <torc/base/log.h>

#include "core/runtime_priv.h"
#include "core/shard_priv.h"

/* Also for the stall watcher's handler, which unwinds. */
#define SIGNAL_STACK_BYTES 65536
#define SIGNAL_STACK_BYTES_MIN 16384

static struct sigaction old_action;

static void
on_fault(int signo, siginfo_t *info, void *context)
{
	struct torc_shard *shard = torc__shard;

	(void)context;
	if (shard != NULL && shard->current != NULL &&
		torc__stack_is_guard(&shard->stacks, info->si_addr))
		torc_log(TORC_LOG_ERROR,
			"task %s overflowed its stack of %zu KiB: raise "
			"stack_bytes in struct torc_options",
			torc__task_name(shard->current),
			shard->stack_bytes / 1024);
	/* Back to whoever was here first; the fault happens again for it. */
	sigaction(signo, &old_action, NULL);
}

/*
 * Each time: whoever ran since the last torc_run() may have taken the signal
 * for itself. Shard 0 comes first and alone; the others find it done.
 */
static void
install(void)
{
	struct sigaction action = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction now;

	sigaction(SIGSEGV, NULL, &now);
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
		return;
	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &old_action);
}

int
torc__overflow_watch(struct torc_shard *shard)
{
	stack_t before;

	/* A sanitizer, or the program, may have a signal stack already. */
	if (sigaltstack(NULL, &before) == 0 &&
		!(before.ss_flags & SS_DISABLE) &&
		before.ss_size >= SIGNAL_STACK_BYTES_MIN) {
		install();
		return 0;
	}
	shard->signal_stack_before = before;
	shard->signal_stack = malloc(SIGNAL_STACK_BYTES);
	if (shard->signal_stack == NULL)
		return -ENOMEM;
	sigaltstack(&(stack_t){ .ss_sp = shard->signal_stack,
			    .ss_size = SIGNAL_STACK_BYTES },
		NULL);
	install();
	return 0;
}

void
torc__overflow_unwatch(struct torc_shard *shard)
{
	if (shard->signal_stack == NULL)
		return;
	sigaltstack(&shard->signal_stack_before, NULL);
	free(shard->signal_stack);
	shard->signal_stack = NULL;
}
