/* SPDX-License-Identifier: MIT */
#include "perf/load/options.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "perf/load/usage.h"

const char *const load_mode_names[LOAD_MODES] = {
	[LOAD_ECHO] = "echo",
	[LOAD_UDP] = "udp",
	[LOAD_CHURN] = "churn",
	[LOAD_STREAM] = "stream",
	[LOAD_FANOUT] = "fanout",
	[LOAD_IDLE] = "idle",
};

enum kind {
	NUMBER,
	SECONDS,
	TEXT,
	ADDRESS,
	FLAG,
	HELP,
};

enum {
	ECHO = 1 << LOAD_ECHO,
	UDP = 1 << LOAD_UDP,
	CHURN = 1 << LOAD_CHURN,
	PACED = ECHO | UDP | CHURN,
	MEASURED = PACED | 1 << LOAD_STREAM | 1 << LOAD_FANOUT,
	ANY = MEASURED | 1 << LOAD_IDLE,
	OPTIONS_MAX = 32,
};

struct spec {
	const char *name;
	enum kind kind;
	unsigned modes; /* that it has a meaning for */
	size_t at;      /* of its field */
	uint64_t min;
	uint64_t max;
};

#define AT(field) offsetof(struct load_options, field)

static const struct spec specs[] = {
	{ "conns", NUMBER, ANY, AT(conns), 1, 1u << 20 },
	{ "size", NUMBER, MEASURED, AT(size), 1, 1u << 30 },
	{ "pipeline", NUMBER, ECHO | UDP, AT(pipeline), 1, 1u << 16 },
	{ "rate", NUMBER, PACED, AT(rate), 1, 10000000 },
	{ "seconds", SECONDS, MEASURED, AT(measure_ns), 1000000, 0 },
	{ "warmup", SECONDS, MEASURED, AT(warmup_ns), 0, 0 },
	{ "direct", ADDRESS, ECHO, AT(direct), 0, 0 },
	{ "idle", NUMBER, ECHO, AT(idle), 0, 1u << 20 },
	{ "bulk", NUMBER, ECHO, AT(bulk), 0, 1u << 16 },
	{ "stuck", NUMBER, ECHO, AT(stuck), 0, 1u << 16 },
	{ "message", TEXT, ECHO, AT(message_path), 0, 0 },
	{ "reply", NUMBER, ECHO, AT(reply), 1, 1u << 30 },
	{ "cpu", NUMBER, ANY, AT(cpu), 0, CPU_SETSIZE - 1 },
	{ "pid", NUMBER, MEASURED, AT(pid), 1, INT32_MAX },
	{ "hgrm", TEXT, PACED | 1 << LOAD_FANOUT, AT(hgrm_path), 0, 0 },
	{ "lateness", TEXT, PACED, AT(lateness_path), 0, 0 },
	{ "csv", TEXT, MEASURED, AT(csv_path), 0, 0 },
	{ "cubic", FLAG, ANY & ~UDP, AT(cubic), 0, 0 },
	{ "table", FLAG, MEASURED, AT(table), 0, 0 },
	{ "rows", FLAG, MEASURED, AT(rows), 0, 0 },
	{ "help", HELP, ANY, 0, 0, 0 },
};

#define SPECS (sizeof(specs) / sizeof(specs[0]))

_Static_assert(SPECS < OPTIONS_MAX, "one bit says that an option was given");

static uint64_t
number(const struct spec *s, const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < s->min ||
		value > s->max)
		load_usage_leave("--%s takes a number from %llu to %llu, "
				 "not '%s'",
			s->name, (unsigned long long)s->min,
			(unsigned long long)s->max, text);
	return value;
}

static uint64_t
seconds_ns(const struct spec *s, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value <= 86400) ||
		!(value * 1e9 >= (double)s->min))
		load_usage_leave("--%s takes seconds, %s and at most 86400, "
				 "not '%s'",
			s->name, s->min ? "at least 0.001" : "0 or more", text);
	return (uint64_t)(value * 1e9);
}

static void
address_read(struct load_address *a, const char *text)
{
	if (!load_address_read(a, text))
		load_usage_leave("'%s' is not a reachable HOST:PORT", text);
}

static void
option_read(struct load_options *o, const struct spec *s, const char *text)
{
	void *field = (char *)o + s->at;

	switch (s->kind) {
	case NUMBER:
		*(uint64_t *)field = number(s, text);
		break;
	case SECONDS:
		*(uint64_t *)field = seconds_ns(s, text);
		break;
	case TEXT:
		*(const char **)field = text;
		break;
	case ADDRESS:
		address_read(field, text);
		break;
	case FLAG:
		*(bool *)field = true;
		break;
	case HELP:
		load_usage_print();
		exit(0);
	}
}

/* Returns a bit for each option that was given. */
static uint32_t
options_scan(struct load_options *o, int argc, char **argv)
{
	struct option options[SPECS + 1] = { { 0 } };
	uint32_t given = 0;
	int index;

	for (size_t i = 0; i < SPECS; i++)
		options[i] = (struct option){
			.name = specs[i].name,
			.has_arg = specs[i].kind < FLAG,
			.val = (int)i,
		};
	opterr = 0;
	while ((index = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (index == ':')
			load_usage_leave(
				"'%s' needs a value", argv[optind - 1]);
		if (index == '?' || index >= (int)SPECS)
			load_usage_leave(
				"'%s' is not an option", argv[optind - 1]);
		option_read(o, &specs[index], optarg);
		given |= 1u << index;
	}
	return given;
}

static enum load_mode
mode_read(const char *text)
{
	enum load_mode mode = LOAD_ECHO;

	while (mode < LOAD_MODES && strcmp(text, load_mode_names[mode]) != 0)
		mode++;
	if (mode == LOAD_MODES)
		load_usage_leave("'%s' is not a mode; choose echo, udp, churn, "
				 "stream, fanout or idle",
			text);
	return mode;
}

static void
options_check(const struct load_options *o, uint32_t given)
{
	for (size_t i = 0; i < SPECS; i++)
		if (given & 1u << i && !(specs[i].modes & 1u << o->mode))
			load_usage_leave("--%s has no meaning for %s",
				specs[i].name, load_mode_names[o->mode]);
	if (o->mode == LOAD_UDP && (o->size < 8 || o->size > 65507))
		load_usage_leave("--size of udp is from 8 to 65507");
	if (o->rate && o->pipeline > 1)
		load_usage_leave("--pipeline is for the closed loop; leave it "
				 "out with --rate");
	if (o->lateness_path && !o->rate)
		load_usage_leave("--lateness needs --rate: a closed loop is "
				 "never late");
	if (!o->message_path != !o->reply)
		load_usage_leave("--message and --reply go together");
	if (o->message_path && o->bulk + o->stuck)
		load_usage_leave("--bulk and --stuck send the pattern, not a "
				 "--message");
}

static void
cpu_pin(uint64_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		load_fail(errno, "cannot run on the CPU of --cpu");
}

void
load_options_read(struct load_options *o, int argc, char **argv)
{
	uint32_t given;
	int error;

	*o = (struct load_options){
		.conns = 64,
		.size = 64,
		.pipeline = 1,
		.measure_ns = 5000000000,
		.warmup_ns = 1000000000,
		.cpu = LOAD_ANY_CPU,
	};
	given = options_scan(o, argc, argv);
	if (optind == argc)
		load_usage_leave("a mode is needed: echo, udp, churn, stream, "
				 "fanout or idle");
	o->mode = mode_read(argv[optind++]);
	if (optind == argc)
		load_usage_leave("the HOST:PORT of the server is needed");
	address_read(&o->target, argv[optind++]);
	if (optind < argc)
		load_usage_leave("'%s' is too much", argv[optind]);
	options_check(o, given);
	if (o->cpu != LOAD_ANY_CPU)
		cpu_pin(o->cpu);
	error = o->pid ? clock_getcpuclockid((pid_t)o->pid, &o->pid_clock) : 0;
	if (error)
		load_fail(error, "no process has the id of --pid");
}
