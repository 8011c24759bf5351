/* SPDX-License-Identifier: MIT */
#include "perf/load/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: torc-load [--conns N] [--size BYTES] [--seconds S] "
	"[--warmup S] [--pipeline N] [--cpu N] [--pid PID] [--cubic] "
	"[--table] HOST:PORT";

static void leave(const char *what, const char *text)
	__attribute__((noreturn, cold));

static void
leave(const char *what, const char *text)
{
	fprintf(stderr, "torc-load: %s '%s'; %s\n", what, text, usage_text);
	exit(2);
}

void
load_fail(const char *what, int error)
{
	fprintf(stderr, "torc-load: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint64_t
number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < min ||
		value > max)
		leave("not a number that fits here:", text);
	return value;
}

static uint64_t
seconds_ns(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= 86400))
		leave("not a time in seconds:", text);
	return (uint64_t)(value * 1e9);
}

static void
option_read(struct load_options *o, int option)
{
	switch (option) {
	case 'n':
		o->conns = (unsigned)number(optarg, 1, 1u << 20);
		break;
	case 's':
		o->size = number(optarg, 1, 1u << 30);
		break;
	case 't':
		o->measure_ns = seconds_ns(optarg);
		break;
	case 'w':
		o->warmup_ns = seconds_ns(optarg);
		break;
	case 'p':
		o->pipeline = (unsigned)number(optarg, 1, 1u << 16);
		break;
	case 'c':
		o->cpu = (int)number(optarg, 0, CPU_SETSIZE - 1);
		break;
	case 'i':
		o->pid = (pid_t)number(optarg, 1, INT32_MAX);
		break;
	case 'q':
		o->cubic = true;
		break;
	case 'T':
		o->table = true;
		break;
	}
}

static void
target_read(struct load_options *o, const char *text)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	const char *colon = strrchr(text, ':');
	struct addrinfo *found;
	char host[256] = "";

	o->target = text;
	if (colon && colon != text && colon - text < (long)sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	if (host[0] == '[' && colon[-1] == ']') {
		host[colon - text - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (!host[0] || !colon[1] ||
		getaddrinfo(host, colon + 1, &hints, &found) != 0)
		leave("not a reachable HOST:PORT:", text);
	memcpy(&o->sa, found->ai_addr, found->ai_addrlen);
	o->sa_bytes = found->ai_addrlen;
	freeaddrinfo(found);
}

static void
cpu_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		load_fail("cannot run on the CPU of --cpu", errno);
}

void
load_options_read(struct load_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "conns", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "warmup", required_argument, NULL, 'w' },
		{ "pipeline", required_argument, NULL, 'p' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "pid", required_argument, NULL, 'i' },
		{ "cubic", no_argument, NULL, 'q' },
		{ "table", no_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 },
	};
	int option, error;

	*o = (struct load_options){
		.conns = 64,
		.pipeline = 1,
		.size = 64,
		.cpu = -1,
		.measure_ns = 5000000000,
		.warmup_ns = 1000000000,
	};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			leave("wrong option", argv[optind - 1]);
		option_read(o, option);
	}
	if (argc - optind != 1)
		leave("one address is needed, not",
			argc > optind ? argv[optind + 1] : "");
	target_read(o, argv[optind]);
	if (o->cpu >= 0)
		cpu_pin(o->cpu);
	error = o->pid ? clock_getcpuclockid(o->pid, &o->pid_clock) : 0;
	if (error)
		load_fail("no process has the id of --pid", error);
}

int
load_connect(const struct load_options *o)
{
	int fd = socket(o->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		load_fail("cannot make a socket", errno);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		load_fail("cannot set TCP_NODELAY", errno);
	if (o->cubic &&
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
		load_fail("cannot set TCP_CONGESTION to cubic", errno);
	if (connect(fd, (const struct sockaddr *)&o->sa, o->sa_bytes) < 0)
		load_fail(o->target, errno);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		load_fail("cannot make a socket non-blocking", errno);
	return fd;
}
