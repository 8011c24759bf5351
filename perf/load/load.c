/* SPDX-License-Identifier: MIT */
#include "perf/load/load.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "perf/load/usage.h"

enum {
	EVENTS_MAX = 256,
	WAITING_MAX = 8 << 20, /* 64 MiB of times */
	YIELD_NS_MIN = 5000,   /* no yield when a message is due sooner */
};

void *
load_alloc(struct load *l, size_t bytes)
{
	void *block = calloc(1, bytes);

	if (!block)
		load_fail(ENOMEM, "no memory for the connections");
	l->blocks[l->blocks_count++] = block;
	return block;
}

void
load_watch_add(struct load *l, struct load_watch *w, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) < 0)
		load_fail(errno, "cannot watch a connection");
}

void
load_pace_add(struct load *l,
	void (*fire)(struct load *l, void *arg, uint64_t due_ns), void *arg)
{
	struct load_pace *p = &l->paces[l->paces_count++];

	p->fire = fire;
	p->arg = arg;
}

void
load_wait_more(struct load *l, struct load_tally *t)
{
	if (++t->waiting < WAITING_MAX)
		return;
	load_error(l,
		"%d messages wait for an answer: the server is too slow for "
		"--rate %llu; lower it",
		WAITING_MAX, (unsigned long long)l->options->rate);
	load_stop(l);
}

void
load_error(struct load *l, const char *format, ...)
{
	va_list args;

	if (l->errors++ > 0)
		return;
	fputs("torc-load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void
load_stop(struct load *l)
{
	l->is_stopped = true;
}

static void
paces_run(struct load *l)
{
	for (unsigned i = 0; i < l->paces_count; i++)
		load_pace_run(&l->paces[i], l);
}

static bool
is_due_soon(const struct load *l)
{
	for (unsigned i = 0; i < l->paces_count; i++)
		if (l->paces[i].next_ns < l->now_ns + YIELD_NS_MIN)
			return true;
	return false;
}

void
load_turn(struct load *l)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(l->epoll_fd, events, EVENTS_MAX, 0);

	l->now_ns = load_now_ns();
	paces_run(l);
	if (count <= 0 && !is_due_soon(l))
		sched_yield();
	for (int i = 0; i < count && !l->is_stopped; i++) {
		struct load_watch *w = events[i].data.ptr;

		w->ready(l, w, events[i].events);
		paces_run(l);
	}
	if (l->driver->turn && !l->is_stopped)
		l->driver->turn(l);
}
