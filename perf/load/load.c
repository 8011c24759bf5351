/* SPDX-License-Identifier: MIT */
/*
 * torc-load - a closed loop of messages against an echo service
 *
 * Each connection sends a message, waits until all of it is back, checks
 * every byte and sends the next; --pipeline keeps several on their way. A
 * closed loop measures cost and throughput: its latency is that of a loaded
 * system which the load itself slows down, not that of a given rate.
 *
 * The generator never sleeps: a sleeping one would make the server pay for
 * waking it. When nothing has arrived it yields, so that a backend on the
 * same CPU runs at once.
 *
 * What is sent is a position in an endless pattern, and what returns must
 * be the same position: a byte lost, doubled or taken from a neighbour
 * shows, and no copy of a message is kept.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <torc/base/histogram.h>

#include "perf/load/options.h"

enum {
	EVENTS_MAX = 256,
	READ_BYTES = 64 * 1024,
	PATTERN_BYTES = 4093, /* prime: no message size divides it */
};

struct conn {
	int fd;
	bool failed;
	uint64_t asked;    /* bytes that shall have been sent by now */
	uint64_t sent;     /* of these, taken by the kernel */
	uint64_t received; /* and returned */
	uint64_t started;  /* messages */
	uint64_t finished;
	uint64_t offset;    /* of byte 0 in the pattern: differs per conn */
	uint64_t *start_ns; /* by message modulo pipeline */
};

struct load {
	const struct load_options *options;
	int epoll_fd;
	struct conn *conns;
	uint64_t errors;
	bool measuring;
	uint64_t requests;
	double seconds;
	double cpu_s; /* of the server, over the same time */
	struct torc_histogram latency;
	char pattern[PATTERN_BYTES + READ_BYTES];
	char buf[READ_BYTES];
};

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		load_fail("cannot read the CPU time of --pid", errno);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
conn_fail(struct load *l, struct conn *c, const char *what, int error)
{
	if (l->errors++ == 0)
		fprintf(stderr, "torc-load: %s%s%s\n", what, error ? ": " : "",
			error ? strerror(error) : "");
	c->failed = true;
	close(c->fd);
}

static void
conn_send(struct load *l, struct conn *c)
{
	while (c->sent < c->asked) {
		uint64_t at = (c->offset + c->sent) % PATTERN_BYTES;
		uint64_t left = c->asked - c->sent;
		size_t bytes = left < READ_BYTES ? left : READ_BYTES;
		ssize_t res = send(c->fd, l->pattern + at, bytes, MSG_NOSIGNAL);

		if (res < 0) {
			if (errno != EAGAIN)
				conn_fail(l, c, "send", errno);
			return;
		}
		c->sent += (uint64_t)res;
		if ((size_t)res < bytes)
			return;
	}
}

/* Start as many messages as the pipeline has room for, in one send. */
static void
conn_start(struct load *l, struct conn *c, uint64_t now)
{
	unsigned pipeline = l->options->pipeline;

	while (c->started - c->finished < pipeline) {
		c->start_ns[c->started++ % pipeline] = now;
		c->asked += l->options->size;
	}
	conn_send(l, c);
}

static void
conn_finish(struct load *l, struct conn *c, uint64_t now)
{
	unsigned pipeline = l->options->pipeline;

	while (c->received >= (c->finished + 1) * l->options->size) {
		uint64_t start = c->start_ns[c->finished++ % pipeline];

		if (!l->measuring)
			continue;
		l->requests++;
		torc_histogram_add(&l->latency, now - start);
	}
}

/* False when there is no more to read now. */
static bool
conn_read(struct load *l, struct conn *c)
{
	uint64_t at = (c->offset + c->received) % PATTERN_BYTES;
	ssize_t got = recv(c->fd, l->buf, READ_BYTES, 0);

	if (got < 0) {
		if (errno != EAGAIN)
			conn_fail(l, c, "receive", errno);
		return false;
	}
	if (got == 0)
		conn_fail(l, c, "closed by the server", 0);
	else if ((uint64_t)got > c->sent - c->received ||
		 memcmp(l->buf, l->pattern + at, (size_t)got) != 0)
		conn_fail(l, c, "what came back is not what was sent", 0);
	if (c->failed)
		return false;
	c->received += (uint64_t)got;
	return got == READ_BYTES;
}

static void
conn_serve(struct load *l, struct conn *c, uint32_t events)
{
	uint64_t now;
	bool more = true;

	if (events & ~(uint32_t)EPOLLOUT)
		while (more)
			more = conn_read(l, c);
	if (c->failed)
		return;
	now = now_ns(CLOCK_MONOTONIC);
	conn_finish(l, c, now);
	conn_start(l, c, now);
}

static void
conn_open(struct load *l, struct conn *c, unsigned index)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = c,
	};

	*c = (struct conn){
		.fd = load_connect(l->options),
		.offset = (uint64_t)index * 97,
		.start_ns = calloc(l->options->pipeline, sizeof(uint64_t)),
	};
	if (c->start_ns == NULL)
		load_fail("no memory", ENOMEM);
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
		load_fail("cannot watch a connection", errno);
}

static void
turn(struct load *l)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(l->epoll_fd, events, EVENTS_MAX, 0);

	if (count <= 0)
		sched_yield();
	for (int i = 0; i < count; i++)
		conn_serve(l, events[i].data.ptr, events[i].events);
}

static void
run_until(struct load *l, uint64_t end)
{
	while (now_ns(CLOCK_MONOTONIC) < end && l->errors == 0)
		turn(l);
}

static void
run(struct load *l)
{
	const struct load_options *o = l->options;
	uint64_t begin, cpu_begin = 0;

	run_until(l, now_ns(CLOCK_MONOTONIC) + o->warmup_ns);
	if (o->pid)
		cpu_begin = now_ns(o->pid_clock);
	begin = now_ns(CLOCK_MONOTONIC);
	l->measuring = true;
	run_until(l, begin + o->measure_ns);
	if (o->pid && l->errors == 0)
		l->cpu_s = (double)(now_ns(o->pid_clock) - cpu_begin) / 1e9;
	l->seconds = (double)(now_ns(CLOCK_MONOTONIC) - begin) / 1e9;
}

static void
print(const struct load *l)
{
	const struct load_options *o = l->options;
	const char *form = "requests=%llu rps=%.0f p50_us=%.1f p99_us=%.1f "
			   "p999_us=%.1f errors=%llu cpu_us_per_request=%s\n";
	char cpu[32] = "-";

	if (o->pid && l->requests)
		snprintf(cpu, sizeof(cpu), "%.3f",
			l->cpu_s * 1e6 / (double)l->requests);
	if (o->table)
		form = "requests         %llu\nrequests/s       %.0f\n"
		       "p50 us           %.1f\np99 us           %.1f\n"
		       "p99.9 us         %.1f\nerrors           %llu\n"
		       "CPU us/request   %s\n";
	printf(form, (unsigned long long)l->requests,
		(double)l->requests / l->seconds,
		(double)torc_histogram_quantile(&l->latency, 0.5) / 1e3,
		(double)torc_histogram_quantile(&l->latency, 0.99) / 1e3,
		(double)torc_histogram_quantile(&l->latency, 0.999) / 1e3,
		(unsigned long long)l->errors, cpu);
}

int
main(int argc, char **argv)
{
	static struct load l;
	struct load_options options;

	load_options_read(&options, argc, argv);
	l.options = &options;
	for (size_t i = 0; i < sizeof(l.pattern); i++)
		l.pattern[i] = (char)((i % PATTERN_BYTES) * 2654435761u >> 13);
	l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l.conns = calloc(options.conns, sizeof(*l.conns));
	if (l.epoll_fd < 0 || l.conns == NULL)
		load_fail("cannot start", errno);
	for (unsigned i = 0; i < options.conns; i++)
		conn_open(&l, &l.conns[i], i);
	run(&l);
	print(&l);
	return l.errors > 0;
}
