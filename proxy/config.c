/* SPDX-License-Identifier: MIT */
#include "proxy/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define TEXT(name) #name
#define TEXT_OF(name) TEXT(name)

#define SHARDS_MAX 1024
#define CONNECTIONS_MAX 10000000

/* stdio, signals, metrics, and what name look-ups and logs may need. */
#define DESCRIPTORS_PER_PROCESS 11
/* Its ring, the two of its doorbell, its listener and one to spare. */
#define DESCRIPTORS_PER_SHARD 5
#define DESCRIPTORS_PER_CONNECTION 2

static const char help[] =
	"usage: torc-proxy [options] LISTEN BACKEND...\n"
	"\n"
	"Relays each connection to LISTEN to one of the BACKENDs, in turn.\n"
	"\n"
	"  LISTEN, BACKEND         HOST:PORT  tcp:HOST:PORT  [IPV6]:PORT\n"
	"                          unix:PATH  @ABSTRACT\n"
	"\n"
	"waiting\n"
	"  --shards N              threads, each pinned to a CPU; 0: one per "
	"allowed\n"
	"                          CPU; 1: this thread, not pinned (default "
	"0)\n"
	"  --busy-poll             never sleep: lowest latency, a CPU per "
	"shard\n"
	"  --spin TIME             look this long before sleeping while "
	"traffic "
	"is\n"
	"                          dense; 0: never (default 50us)\n"
	"\n"
	"limits\n"
	"  --connect-timeout TIME  per backend tried (default 5s; 0: none)\n"
	"  --idle-timeout TIME     end a connection on which nothing moves\n"
	"                          (default 10m; 0: none)\n"
	"  --max-connections N     more wait in the kernel's backlog (default: "
	"as "
	"many\n"
	"                          as descriptors allow)\n"
	"  --drain TIME            after SIGTERM, how long connections may "
	"take "
	"to\n"
	"                          finish (default 30s)\n"
	"\n"
	"  --version               print the version and exit\n"
	"  --help                  print this and exit\n"
	"\n"
	"TIME is a number with us, ms, s, m or h: 500ms, 30s.\n"
	"SIGTERM and SIGQUIT stop accepting and drain; a second one, or "
	"SIGINT,\n"
	"ends at once. TORC_LOG=debug|info|warn|error chooses what is logged.\n"
	"TORC_ENGINE=kernel insists on io_uring, epoll leaves it alone.\n"
	"\n"
	"examples\n"
	"  torc-proxy :8080 10.0.0.1:80 10.0.0.2:80\n"
	"  torc-proxy --busy-poll --shards 2 unix:/run/db.sock [::1]:5432\n";

enum {
	OPT_SHARDS = 256,
	OPT_BUSY_POLL,
	OPT_SPIN,
	OPT_CONNECT_TIMEOUT,
	OPT_IDLE_TIMEOUT,
	OPT_MAX_CONNECTIONS,
	OPT_DRAIN,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option options[] = {
	{ "shards", required_argument, NULL, OPT_SHARDS },
	{ "busy-poll", no_argument, NULL, OPT_BUSY_POLL },
	{ "spin", required_argument, NULL, OPT_SPIN },
	{ "connect-timeout", required_argument, NULL, OPT_CONNECT_TIMEOUT },
	{ "idle-timeout", required_argument, NULL, OPT_IDLE_TIMEOUT },
	{ "max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS },
	{ "drain", required_argument, NULL, OPT_DRAIN },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int
mistake(const char *what, const char *text, const char *why)
{
	fprintf(stderr, "torc-proxy: %s%s%s%s%s (see torc-proxy --help)\n",
		what, *text ? " " : "", text, *what ? ": " : "", why);
	return 2;
}

/* Decimal digits at the start of *text, which then points behind them. */
static bool
take_number(const char **text, uint64_t *value)
{
	const char *at = *text;
	uint64_t sum = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(sum, 10, &sum) ||
			__builtin_add_overflow(
				sum, (uint64_t)(*at - '0'), &sum))
			return false;
	if (at == *text)
		return false;
	*text = at;
	*value = sum;
	return true;
}

static bool
parse_count(const char *text, uint64_t min, uint64_t max, unsigned *out)
{
	uint64_t value;

	if (!take_number(&text, &value) || *text != '\0' || value < min ||
		value > max)
		return false;
	*out = (unsigned)value;
	return true;
}

static bool
parse_time(const char *text, uint64_t *out_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "us", TORC_US },
		{ "ms", TORC_MS },
		{ "s", TORC_S },
		{ "m", 60 * TORC_S },
		{ "h", 3600 * TORC_S },
	};
	uint64_t value;

	if (!take_number(&text, &value))
		return false;
	if (value == 0 && *text == '\0') {
		*out_ns = 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(text, units[i].name) == 0)
			return !__builtin_mul_overflow(
				value, units[i].ns, out_ns);
	return false;
}

static int
set_option(struct config *config, int option, const char *name)
{
	const char *why = "is no TIME such as 500ms, 30s or 2m";
	bool is_good = true;

	switch (option) {
	case OPT_SHARDS:
		why = "is no number from 0 to 1024";
		is_good = parse_count(
			optarg, 0, SHARDS_MAX, &config->runtime.shards);
		break;
	case OPT_BUSY_POLL:
		config->runtime.busy_poll = true;
		break;
	case OPT_SPIN:
		is_good = parse_time(optarg, &config->runtime.spin_ns);
		if (config->runtime.spin_ns == 0)
			config->runtime.spin_ns = TORC_SPIN_NEVER;
		break;
	case OPT_CONNECT_TIMEOUT:
		is_good = parse_time(optarg, &config->connect_timeout_ns);
		break;
	case OPT_IDLE_TIMEOUT:
		is_good = parse_time(optarg, &config->idle_timeout_ns);
		break;
	case OPT_MAX_CONNECTIONS:
		why = "is no number from 1 to 10000000";
		is_good = parse_count(
			optarg, 1, CONNECTIONS_MAX, &config->connections_max);
		break;
	case OPT_DRAIN:
		is_good = parse_time(optarg, &config->drain_ns);
		break;
	}
	return is_good ? -1 : mistake(name, optarg, why);
}

static int
parse_options(struct config *config, int argc, char **argv)
{
	opterr = 0;
	for (;;) {
		int index = 0, ret;
		int option = getopt_long(argc, argv, ":", options, &index);
		char name[64];

		if (option < 0)
			return -1;
		snprintf(name, sizeof(name), "--%s", options[index].name);
		switch (option) {
		case OPT_VERSION:
			puts("torc-proxy " TEXT_OF(TORC_VERSION));
			return 0;
		case OPT_HELP:
			fputs(help, stdout);
			return 0;
		case ':':
			return mistake(argv[optind - 1], "", "needs a value");
		case '?':
			return mistake(argv[optind - 1], "",
				"is no option, or takes no value");
		}
		ret = set_option(config, option, name);
		if (ret >= 0)
			return ret;
	}
}

static int
parse_address(struct torc_address *address, const char *text)
{
	const char *why = "";

	if (torc_address_parse(address, text, &why) < 0)
		return mistake("address", text, why);
	if (address->type == TORC_UDP || address->type == TORC_UNIX_DGRAM)
		return mistake("address", text,
			"datagrams are not relayed, only connections");
	return -1;
}

static bool
is_same(const struct torc_address *a, const struct torc_address *b)
{
	return a->type == b->type && a->len == b->len &&
	       memcmp(&a->sa, &b->sa, a->len) == 0;
}

static int
parse_addresses(struct config *config, int count, char **texts)
{
	int ret;

	if (count < 2)
		return mistake("", "",
			count == 0 ? "LISTEN and BACKEND are missing"
				   : "BACKEND is missing");
	if (count - 1 > BACKENDS_MAX)
		return mistake("address", texts[BACKENDS_MAX + 1],
			"is one backend more than 64");
	ret = parse_address(&config->listen, texts[0]);
	if (ret >= 0)
		return ret;
	config->listen_text = texts[0];
	for (int i = 1; i < count; i++) {
		struct torc_address *backend =
			&config->backends[config->backends_count];

		ret = parse_address(backend, texts[i]);
		if (ret >= 0)
			return ret;
		if (backend->type == TORC_TCP && backend->in.sin_port == 0)
			return mistake(
				"backend", texts[i], "port must be 1 to 65535");
		if (is_same(backend, &config->listen))
			return mistake("backend", texts[i],
				"is LISTEN itself: that would be a loop");
		config->backend_texts[config->backends_count++] = texts[i];
	}
	return -1;
}

int
config_parse(struct config *config, int argc, char **argv)
{
	int ret;

	*config = (struct config){
		.connect_timeout_ns = 5 * TORC_S,
		.idle_timeout_ns = 600 * TORC_S,
		.drain_ns = 30 * TORC_S,
	};
	ret = parse_options(config, argc, argv);
	if (ret < 0)
		ret = parse_addresses(config, argc - optind, argv + optind);
	return ret;
}

int
config_fit(struct config *config, unsigned shards)
{
	unsigned reserve =
		DESCRIPTORS_PER_PROCESS + shards * DESCRIPTORS_PER_SHARD;
	struct rlimit limit;
	unsigned fit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur > 2ull * CONNECTIONS_MAX)
		limit.rlim_cur = 2ull * CONNECTIONS_MAX;
	fit = limit.rlim_cur > reserve ? (unsigned)(limit.rlim_cur - reserve) /
						 DESCRIPTORS_PER_CONNECTION
				       : 0;
	if (fit == 0) {
		torc_log(TORC_LOG_ERROR,
			"the descriptor limit of %llu leaves no room for a "
			"connection: raise ulimit -n",
			(unsigned long long)limit.rlim_cur);
		return -1;
	}
	if (config->connections_max > fit)
		torc_log(TORC_LOG_WARN,
			"--max-connections %u needs %u descriptors, the limit "
			"is %llu: at most %u connections; raise ulimit -n",
			config->connections_max,
			config->connections_max * DESCRIPTORS_PER_CONNECTION +
				reserve,
			(unsigned long long)limit.rlim_cur, fit);
	if (config->connections_max == 0 || config->connections_max > fit)
		config->connections_max = fit;
	return 0;
}
