/* SPDX-License-Identifier: MIT */
/*
 * idle - connections that are held, and on which nothing moves
 *
 * This mode does sleep: what is looked at is the memory of the server.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf/load/drivers.h"
#include "perf/load/socket.h"
#include "perf/load/usage.h"

static void
nothing(int signal_number)
{
	(void)signal_number;
}

/* SIGTERM, from now on, is kept until the wait below lets it in. */
static void
term_hold(sigset_t *before)
{
	struct sigaction action = { .sa_handler = nothing };
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	if (sigaction(SIGTERM, &action, NULL) < 0 ||
		sigprocmask(SIG_BLOCK, &term, before) < 0)
		load_fail(errno, "cannot wait for SIGTERM");
	sigdelset(before, SIGTERM);
}

static void
wait_for_end(const sigset_t *mask)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char buf[4096];

	while (ppoll(&input, 1, NULL, mask) > 0)
		if (read(STDIN_FILENO, buf, sizeof(buf)) <= 0)
			return;
}

/* How many the server has ended meanwhile. */
static uint64_t
count_ended(const int *fds, uint64_t count)
{
	uint64_t ended = 0;
	char byte;

	for (uint64_t i = 0; i < count; i++) {
		ssize_t res = recv(fds[i], &byte, 1, MSG_PEEK);

		ended += res == 0 || (res < 0 && errno != EAGAIN);
	}
	return ended;
}

int
load_idle_hold(const struct load_options *o)
{
	int *fds = calloc(o->conns, sizeof(*fds));
	uint64_t ended;
	sigset_t mask;

	if (!fds)
		load_fail(ENOMEM, "no memory for the connections");
	for (uint64_t i = 0; i < o->conns; i++)
		fds[i] = load_socket_connect(
			o, &o->target, (unsigned)i / LOAD_SOURCE_CONNS);
	term_hold(&mask);
	printf("ready conns=%llu\n", (unsigned long long)o->conns);
	fflush(stdout);
	wait_for_end(&mask);
	ended = count_ended(fds, o->conns);
	for (uint64_t i = 0; i < o->conns; i++)
		close(fds[i]);
	free(fds);
	if (ended == 0)
		return 0;
	fprintf(stderr,
		"torc-load: closed by the server %s: %llu of %llu idle "
		"connections\n",
		o->target.text, (unsigned long long)ended,
		(unsigned long long)o->conns);
	return 1;
}
