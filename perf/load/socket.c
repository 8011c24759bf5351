/* SPDX-License-Identifier: MIT */
#include "perf/load/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "perf/load/usage.h"

enum {
	DESCRIPTORS_SPARE = 16, /* stdio, epoll, files, what was inherited */
	CONNECT_S_MAX = 10,
};

void
load_socket_limit(uint64_t count)
{
	uint64_t needed = count + DESCRIPTORS_SPARE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		load_fail(errno, "cannot read the limit of descriptors");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		load_fail(errno, "cannot raise the limit of descriptors");
	if (needed <= limit.rlim_max)
		return;
	fprintf(stderr,
		"torc-load: %llu connections need %llu descriptors and the "
		"limit is %llu; as root, 'ulimit -Hn %llu' raises it\n",
		(unsigned long long)count, (unsigned long long)needed,
		(unsigned long long)limit.rlim_max, (unsigned long long)needed);
	exit(1);
}

/* With IP_BIND_ADDRESS_NO_PORT the port is chosen by connect(), which may
 * take one that is in use towards another server. */
static int
source_bind(int fd, unsigned source)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		    sizeof(on)) < 0)
		return -errno;
	return bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ? -errno
								    : 0;
}

static int
tcp_prepare(const struct load_options *o, const struct load_address *to,
	unsigned source, int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	if (o->cubic &&
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
		return -errno;
	if (source == 0 || !load_address_is_loopback(to))
		return 0;
	return source_bind(fd, source);
}

static int
tcp_open(const struct load_options *o, const struct load_address *to,
	unsigned source, int flags)
{
	int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags,
		IPPROTO_TCP);
	int res;

	if (fd < 0)
		return -errno;
	res = tcp_prepare(o, to, source, fd);
	if (res == 0)
		return fd;
	close(fd);
	return res;
}

int
load_socket_begin(const struct load_options *o, const struct load_address *to,
	unsigned source)
{
	int fd = tcp_open(o, to, source, SOCK_NONBLOCK);
	int res;

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&to->sa, to->sa_bytes) == 0 ||
		errno == EINPROGRESS)
		return fd;
	res = -errno;
	close(fd);
	return res;
}

int
load_socket_connect(const struct load_options *o, const struct load_address *to,
	unsigned source)
{
	const struct timeval patience = { .tv_sec = CONNECT_S_MAX };
	int fd = tcp_open(o, to, source, 0);
	int error;

	if (fd < 0)
		load_fail(-fd, "cannot make a TCP socket");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		    sizeof(patience)) < 0)
		load_fail(errno, "cannot limit the time to connect");
	if (connect(fd, (const struct sockaddr *)&to->sa, to->sa_bytes) < 0) {
		error = errno == EINPROGRESS ? ETIMEDOUT : errno;
		load_fail(error, "cannot connect to %s", to->text);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		load_fail(errno, "cannot make a socket non-blocking");
	return fd;
}

int
load_socket_udp(const struct load_address *to)
{
	int fd = socket(
		to->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		load_fail(errno, "cannot make a UDP socket");
	if (connect(fd, (const struct sockaddr *)&to->sa, to->sa_bytes) < 0)
		load_fail(errno, "cannot send to %s", to->text);
	return fd;
}
