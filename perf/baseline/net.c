/* SPDX-License-Identifier: MIT */
#include "perf/baseline/net.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define BUFFERS_MAX 4096

static void usage(const struct net_args *args, int accepted, const char *wrong)
	__attribute__((noreturn, cold));

static void
usage(const struct net_args *args, int accepted, const char *wrong)
{
	fprintf(stderr, "%s: %s; usage: %s [--cubic]%s%s HOST:PORT%s\n",
		args->name, wrong, args->name,
		accepted & NET_ARG_DIRECT ? " [--direct]" : "",
		accepted & NET_ARG_BUFFERS ? " [--buffers N]" : "",
		accepted & NET_ARG_BACKEND ? " BACKEND:PORT" : "");
	exit(2);
}

void
net_fail(const char *name, const char *what, int error)
{
	fprintf(stderr, "%s: %s: %s\n", name, what, strerror(error));
	exit(1);
}

/* A power of two, as the kernel's buffer rings want it; 0 if it is not. */
static unsigned
buffers_parse(const char *text)
{
	char *end;
	unsigned long count = strtoul(text, &end, 10);

	if (*end != '\0' || count > BUFFERS_MAX || (count & (count - 1)))
		return 0;
	return (unsigned)count;
}

static void
address_read(const struct net_args *args, struct net_address *address,
	const char *text)
{
	if (net_address_parse(address, text) == 0)
		return;
	fprintf(stderr, "%s: '%s' is not a reachable HOST:PORT\n", args->name,
		text);
	exit(2);
}

void
net_args_read(struct net_args *args, const char *name, int argc, char **argv,
	int accepted)
{
	static const struct option options[] = {
		{ "cubic", no_argument, NULL, 'c' },
		{ "direct", no_argument, NULL, 'd' },
		{ "buffers", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	int addresses = accepted & NET_ARG_BACKEND ? 2 : 1;
	int option;

	*args = (struct net_args){ .name = name };
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			args->cubic = true;
		else if (option == 'd' && (accepted & NET_ARG_DIRECT))
			args->direct = true;
		else if (option == 'b' && (accepted & NET_ARG_BUFFERS) &&
			 (args->buffers = buffers_parse(optarg)))
			continue;
		else
			usage(args, accepted, "wrong option or value");
	}
	if (argc - optind != addresses)
		usage(args, accepted, "wrong number of addresses");
	address_read(args, &args->listen, argv[optind]);
	if (addresses == 2)
		address_read(args, &args->backend, argv[optind + 1]);
}

int
net_address_parse(struct net_address *address, const char *text)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | AI_PASSIVE,
	};
	const char *colon = strrchr(text, ':');
	struct addrinfo *found;
	char host[256];
	size_t bytes;

	if (colon == NULL || colon == text || colon[1] == '\0')
		return -EINVAL;
	bytes = (size_t)(colon - text);
	if (text[0] == '[' && colon[-1] == ']') {
		text++;
		bytes -= 2;
	}
	if (bytes == 0 || bytes >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, bytes);
	host[bytes] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -EINVAL;
	memcpy(&address->sa, found->ai_addr, found->ai_addrlen);
	address->bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int
net_socket(const struct net_address *address, bool cubic, int flags)
{
	int fd = socket(
		address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	int on = 1, res;

	if (fd < 0)
		return -errno;
	res = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (res == 0 && cubic)
		res = setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	if (res == 0)
		return fd;
	res = -errno;
	close(fd);
	return res;
}

int
net_listen(const struct net_args *args, int flags)
{
	const struct sockaddr *sa = (const struct sockaddr *)&args->listen.sa;
	int fd = net_socket(&args->listen, args->cubic, flags);
	int on = 1;

	if (fd < 0)
		net_fail(args->name, "cannot make a socket", -fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		net_fail(args->name, "cannot set SO_REUSEADDR", errno);
	if (bind(fd, sa, args->listen.bytes) < 0 || listen(fd, NET_BACKLOG) < 0)
		net_fail(args->name, "cannot listen", errno);
	return fd;
}

int
net_bind_udp(const struct net_args *args)
{
	const struct sockaddr *sa = (const struct sockaddr *)&args->listen.sa;
	int fd = socket(
		sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		net_fail(args->name, "cannot make a socket", errno);
	if (bind(fd, sa, args->listen.bytes) < 0)
		net_fail(args->name, "cannot bind", errno);
	return fd;
}

void
net_abort_on_close(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* Fails only where there is no connection left to reset. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

int
net_stop_fd(const struct net_args *args)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		net_fail(args->name, "cannot make a signal descriptor", errno);
	return fd;
}

void
net_ready(const struct net_args *args, int fd)
{
	struct sockaddr_storage sa;
	socklen_t bytes = sizeof(sa);
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool bracket;

	if (getsockname(fd, (struct sockaddr *)&sa, &bytes) < 0 ||
		getnameinfo((struct sockaddr *)&sa, bytes, host, sizeof(host),
			port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		net_fail(args->name, "cannot name the listener", errno);
	bracket = sa.ss_family == AF_INET6;
	fprintf(stderr, "%s: listening on %s%s%s:%s\n", args->name,
		bracket ? "[" : "", host, bracket ? "]" : "", port);
}

/* A chunk starts with the address of the one before it. */
static void *
pool_grow(struct net_pool *pool)
{
	char *chunk = aligned_alloc(
		64, (64 + pool->bytes * pool->chunk_count + 63) & ~(size_t)63);

	if (chunk == NULL)
		return NULL;
	*(void **)chunk = pool->_chunks;
	pool->_chunks = chunk;
	for (size_t i = pool->chunk_count; i-- > 1;)
		net_pool_put(pool, chunk + 64 + i * pool->bytes);
	return chunk + 64;
}

void *
net_pool_get(struct net_pool *pool)
{
	void *object = pool->_free;

	if (object == NULL)
		return pool_grow(pool);
	pool->_free = *(void **)object;
	return object;
}

void
net_pool_put(struct net_pool *pool, void *object)
{
	*(void **)object = pool->_free;
	pool->_free = object;
}
