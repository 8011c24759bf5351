/* SPDX-License-Identifier: MIT */
#include "tests/contract/watchdog.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Scripts use others. */
#define SIGNAL SIGVTALRM
#define LIMIT_S 60

static timer_t timer;
static bool has_timer;
static struct sigaction before;
static const struct contract *watched;

/* In a signal handler: write() and _exit() are all that may be called. */
static void
say(const char *text)
{
	ssize_t written = write(STDOUT_FILENO, text, strlen(text));

	(void)written;
}

static void
bite(int signo)
{
	(void)signo;
	say("\n");
	say(watched->config->name);
	say(": ");
	say(watched->script->name);
	say(": did not end within a minute; an engine that does not return "
	    "from a wait\n");
	_exit(1);
}

void
watchdog_start(void)
{
	struct sigaction action = { .sa_handler = bite };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGNAL };

	has_timer = timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
	if (has_timer)
		sigaction(SIGNAL, &action, &before);
}

void
watchdog_feed(const struct contract *c)
{
	struct itimerspec limit = { .it_value.tv_sec = LIMIT_S };

	watched = c;
	if (has_timer)
		timer_settime(timer, 0, &limit, NULL);
}

void
watchdog_stop(void)
{
	if (!has_timer)
		return;
	timer_delete(timer);
	sigaction(SIGNAL, &before, NULL);
	has_timer = false;
}
