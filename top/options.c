/* SPDX-License-Identifier: MIT */
#include "top/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version_priv.h"

const char options_version[] = TORC__VERSION;

#define SAMPLES_MAX 1000000000ul
#define DELAY_MIN_S 0.1
#define DELAY_MAX_S 3600.0

static const char help[] =
	"usage: torc-top [options] [PID...]\n"
	"\n"
	"Shows what every shard of running torc programs does: of all that "
	"you\n"
	"may look at, or of these. They are not stopped, and not asked: each\n"
	"shard writes its numbers into a page of memory before it sleeps, or\n"
	"every 100 ms. The first sample shows averages since the start.\n"
	"\n"
	"  -d, --delay SECONDS  between two samples: 0.1 to 3600; 1\n"
	"  -n, --count COUNT    leave after so many samples\n"
	"  -b, --batch          samples one below the other, as where the "
	"output\n"
	"                       is no terminal\n"
	"      --json           for programs: an object per process and "
	"sample, "
	"one\n"
	"                       per line; torc-top(1) says what is in it\n"
	"  -V, --version        print the version and exit\n"
	"  -h, --help           print this and exit\n"
	"\n"
	"  busy     share of the time that it had something to do\n"
	"  look     share that it spent looking for completions; else it "
	"slept\n"
	"  turn/s   of its loop          CQE/s   completions\n"
	"  /enter   completions per system call: the higher, the cheaper\n"
	"  spawn/s  tasks begun          msg/s   from other shards and "
	"threads\n"
	"  tasks    that have not ended  ops     operations in the kernel\n"
	"  timers   armed                open    sockets, files, pipes ...\n"
	"  bufs     of received bytes that nobody has read yet\n"
	"  !        what is wrong, and what to change\n"
	"\n"
	"q or Ctrl-C leaves.\n"
	"\n"
	"Exit status: 0 after the last sample, or when all have ended; 1 when "
	"a\n"
	"process cannot be looked at or there is none; 2 after a mistake on "
	"the\n"
	"command line.\n"
	"\n"
	"examples\n"
	"  torc-top\n"
	"  torc-top -b -n 5 -d 0.5 $(pidof server)\n"
	"  torc-top --json | python3 -c 'import json, sys\n"
	"  for line in sys.stdin: print(json.loads(line)[\"rss_bytes\"])'\n";

#define SHORT ":d:n:bVh"

enum { OPT_JSON = 256 };

static const struct option options_long[] = {
	{ "delay", required_argument, NULL, 'd' },
	{ "count", required_argument, NULL, 'n' },
	{ "batch", no_argument, NULL, 'b' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int
mistake(const char *text, const char *why)
{
	fprintf(stderr, "torc-top: %s: %s (see torc-top --help)\n", text, why);
	return 2;
}

/* What is wrong with the option that getopt_long() has refused. */
static int
refuse(int option, char **argv)
{
	/* Its own word, but for a short one, which may be among others. */
	const char *text = argv[optind - 1];
	bool is_known = optopt == OPT_JSON ||
			(optopt != ':' && strchr(SHORT, optopt) != NULL);
	char letter[] = { '-', (char)optopt, '\0' };

	if (option == ':')
		return mistake(strncmp(text, "--", 2) == 0 ? text : letter,
			"a value is missing");
	if (optopt != 0 && is_known)
		return mistake(text, "it takes no value");
	return mistake(optopt != 0 ? letter : text, "no such option");
}

/* The exit status after all was said. */
static int
finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("torc-top: output");
	return 1;
}

static bool
read_count(unsigned long *count, const char *text)
{
	char *end;

	*count = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *count > 0 &&
	       *count <= SAMPLES_MAX;
}

static bool
read_delay(uint64_t *delay_ns, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= DELAY_MIN_S) ||
		seconds > DELAY_MAX_S)
		return false;
	*delay_ns = (uint64_t)(seconds * 1e9);
	return true;
}

pid_t
options_pid(const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || pid > INT_MAX)
		return 0;
	return (pid_t)pid;
}

/* As options_parse(). */
static int
take(struct options *options, int option, char **argv)
{
	switch (option) {
	case 'd':
		if (!read_delay(&options->delay_ns, optarg))
			return mistake(optarg, "give seconds, 0.1 to 3600");
		return -1;
	case 'n':
		if (!read_count(&options->samples_max, optarg))
			return mistake(optarg,
				"give a number of samples, 1 to 1000000000");
		return -1;
	case 'b':
		options->is_batch = true;
		return -1;
	case OPT_JSON:
		options->is_json = true;
		options->is_batch = true;
		return -1;
	case 'V':
		printf("torc-top %s\n", options_version);
		return finish_output();
	case 'h':
		fputs(help, stdout);
		return finish_output();
	}
	return refuse(option, argv);
}

int
options_parse(struct options *options, int argc, char **argv)
{
	int option, ret = -1;

	*options = (struct options){ .delay_ns = 1000000000 };
	opterr = 0;
	while (ret < 0 && (option = getopt_long(argc, argv, SHORT, options_long,
				   NULL)) != -1)
		ret = take(options, option, argv);
	if (ret >= 0)
		return ret;
	options->pids = argv + optind;
	options->pids_count = argc - optind;
	for (int i = 0; i < options->pids_count; i++)
		if (options_pid(options->pids[i]) == 0)
			return mistake(options->pids[i],
				"give the number of a process");
	return -1;
}
