/* SPDX-License-Identifier: MIT */
/*
 * Two threads add to one number without a lock, on purpose: ThreadSanitizer
 * has to say so, or else no other test under it means anything. See
 * xfail_test.sh.
 */
#include <pthread.h>
#include <stddef.h>

static unsigned counter;

static void *
count(void *unused)
{
	for (unsigned i = 0; i < 100000; i++)
		counter += i;
	return unused;
}

int
main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, count, NULL) != 0)
		return 0; /* not the failure that is asked for */
	(void)count(NULL);
	(void)pthread_join(thread, NULL);
	return 0;
}
