/* SPDX-License-Identifier: MIT */
/*
 * libuv-peer - what libuv makes of the roles that torc is measured in
 *
 *   libuv-peer echo|udp|sink|fanout LISTEN
 *   libuv-peer proxy LISTEN BACKEND
 *   libuv-peer --version
 *
 * Addresses are HOST:PORT, the host in numbers. It ends on SIGTERM or SIGINT
 * with 0; 1 means the machine, 2 the command line.
 */
#include "perf/peers/libuv/peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct role {
	const char *name;
	void (*start)(const struct peer_args *args);
	int addresses_count;
} roles[] = {
	{ "echo", echo_start, 1 },
	{ "udp", udp_start, 1 },
	{ "sink", sink_start, 1 },
	{ "fanout", fanout_start, 1 },
	{ "proxy", proxy_start, 2 },
};

static void usage(const char *wrong) __attribute__((noreturn, cold));

static void
usage(const char *wrong)
{
	fprintf(stderr,
		"libuv-peer: %s; usage: libuv-peer "
		"echo|udp|sink|fanout LISTEN | proxy LISTEN BACKEND\n",
		wrong);
	exit(2);
}

static void
address_read(struct sockaddr_in *address, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN], *end;
	unsigned long port;
	size_t bytes;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		usage("an address is HOST:PORT");
	port = strtoul(colon + 1, &end, 10);
	bytes = (size_t)(colon - text);
	if (*end != '\0' || port > 65535 || bytes >= sizeof(host))
		usage("an address is HOST:PORT");
	memcpy(host, text, bytes);
	host[bytes] = '\0';
	if (uv_ip4_addr(host, (int)port, address) < 0)
		usage("a host is four numbers");
}

static const struct role *
role_find(const char *name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, name) == 0)
			return &roles[i];
	usage("unknown role");
}

/* As many descriptors as the machine allows. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void
on_stop(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

static void
stop_on(uv_signal_t *signal, int number)
{
	int res = uv_signal_init(uv_default_loop(), signal);

	if (res == 0)
		res = uv_signal_start(signal, on_stop, number);
	if (res < 0)
		peer_fail("cannot watch signals", res);
}

int
main(int argc, char **argv)
{
	static uv_signal_t term, interrupt;
	struct peer_args args;
	const struct role *role;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("%s\n", uv_version_string());
		return 0;
	}
	if (argc < 2)
		usage("no role");
	role = role_find(argv[1]);
	if (argc != 2 + role->addresses_count)
		usage("wrong number of addresses");
	address_read(&args.listen, argv[2]);
	if (role->addresses_count == 2)
		address_read(&args.backend, argv[3]);
	raise_limit();
	signal(SIGPIPE, SIG_IGN);
	stop_on(&term, SIGTERM);
	stop_on(&interrupt, SIGINT);
	role->start(&args);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	return 0;
}
