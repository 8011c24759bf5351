/* SPDX-License-Identifier: MIT */
#include "core/mask_priv.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "base/assert_priv.h"

/*
 * Their number alone: what the C library keeps for itself is no member of a
 * full set, and sigismember() says so.
 */
static bool
has(const sigset_t *set, int signo)
{
	return sigismember(set, signo) == 1;
}

void
torc__mask_block(struct torc_mask *mask, const sigset_t *set)
{
	sigset_t before;

	pthread_sigmask(SIG_BLOCK, set, &before);
	for (int signo = 1; signo < TORC__MASK_SIGNALS_MAX; signo++) {
		if (!has(set, signo) || mask->counts[signo]++ > 0)
			continue;
		if (has(&before, signo))
			sigdelset(&mask->own, signo);
		else
			sigaddset(&mask->own, signo);
	}
}

void
torc__mask_unblock(struct torc_mask *mask, const sigset_t *set)
{
	struct timespec none = { 0 };
	sigset_t last;

	sigemptyset(&last);
	for (int signo = 1; signo < TORC__MASK_SIGNALS_MAX; signo++) {
		if (!has(set, signo))
			continue;
		torc_assert(mask->counts[signo] > 0);
		if (--mask->counts[signo] == 0 && has(&mask->own, signo))
			sigaddset(&last, signo);
	}
	if (sigisemptyset(&last))
		return;
	while (sigtimedwait(&last, NULL, &none) > 0)
		continue;
	pthread_sigmask(SIG_UNBLOCK, &last, NULL);
}
