/* SPDX-License-Identifier: MIT */
#include <torc/core/io/option.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <torc/core/io/adopt.h>

#include "core/io/listener_priv.h"
#include "core/io/stream_priv.h"
#include "core/io/udp_priv.h"

enum socket_kind { TCP = 1, UDP = 2, UNIX = 4, ANY = TCP | UDP | UNIX };

struct row {
	int level;
	int name;
	int level_in6; /* 0: the same */
	int name_in6;
	unsigned kinds;
};

static const struct row rows[] = {
	[TORC_NODELAY] = { IPPROTO_TCP, TCP_NODELAY, .kinds = TCP },
	[TORC_CORK] = { IPPROTO_TCP, TCP_CORK, .kinds = TCP },
	[TORC_KEEPALIVE] = { SOL_SOCKET, SO_KEEPALIVE, .kinds = TCP },
	[TORC_KEEPALIVE_IDLE_S] = { IPPROTO_TCP, TCP_KEEPIDLE, .kinds = TCP },
	[TORC_KEEPALIVE_GAP_S] = { IPPROTO_TCP, TCP_KEEPINTVL, .kinds = TCP },
	[TORC_KEEPALIVE_PROBES] = { IPPROTO_TCP, TCP_KEEPCNT, .kinds = TCP },
	[TORC_USER_TIMEOUT_MS] = { IPPROTO_TCP, TCP_USER_TIMEOUT,
		.kinds = TCP },
	[TORC_UNSENT_BYTES] = { IPPROTO_TCP, TCP_NOTSENT_LOWAT, .kinds = TCP },
	[TORC_SEGMENT_BYTES] = { IPPROTO_TCP, TCP_MAXSEG, .kinds = TCP },
	[TORC_ACCEPT_DELAY_S] = { IPPROTO_TCP, TCP_DEFER_ACCEPT, .kinds = TCP },
	[TORC_FAST_OPEN] = { IPPROTO_TCP, TCP_FASTOPEN, .kinds = TCP },
	[TORC_SEND_BUF_BYTES] = { SOL_SOCKET, SO_SNDBUF, .kinds = ANY },
	[TORC_RECV_BUF_BYTES] = { SOL_SOCKET, SO_RCVBUF, .kinds = ANY },
	[TORC_TOS] = { IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS,
		TCP | UDP },
	[TORC_TTL] = { IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS,
		TCP | UDP },
	[TORC_PRIORITY] = { SOL_SOCKET, SO_PRIORITY, .kinds = ANY },
	[TORC_MARK] = { SOL_SOCKET, SO_MARK, .kinds = TCP | UDP },
	[TORC_BUSY_POLL_US] = { SOL_SOCKET, SO_BUSY_POLL, .kinds = TCP | UDP },
	[TORC_BROADCAST] = { SOL_SOCKET, SO_BROADCAST, .kinds = UDP },
	[TORC_MULTICAST_TTL] = { IPPROTO_IP, IP_MULTICAST_TTL, IPPROTO_IPV6,
		IPV6_MULTICAST_HOPS, UDP },
	[TORC_MULTICAST_LOOP] = { IPPROTO_IP, IP_MULTICAST_LOOP, IPPROTO_IPV6,
		IPV6_MULTICAST_LOOP, UDP },
};

/* What the calls need to know of a socket. */
struct place {
	struct torc_ring *ring;
	int fd; /* -errno: it has been closed */
	unsigned kind;
	int family;
};

static unsigned
kind_of(int type)
{
	if (type == TORC_TCP)
		return TCP;
	return type == TORC_UDP ? UDP : UNIX;
}

static struct place
of_stream(struct torc_stream *s)
{
	struct torc_address local = { 0 };
	int fd = torc_stream_fd(s);

	/* A name that can't be had leaves AF_UNSPEC, which is no IPv6. */
	if (fd >= 0 && s->is_tcp)
		(void)torc_stream_local(s, &local);
	return (struct place){ &s->shard->ring, fd, s->is_tcp ? TCP : UNIX,
		local.sa.sa_family };
}

static struct place
of_listener(struct torc_listener *listener)
{
	int fd = torc__listener_fd(listener);
	struct torc_address at;

	(void)torc_listener_address(listener, &at);
	return (struct place){ &torc__shard->ring, fd, kind_of(at.type),
		at.sa.sa_family };
}

static struct place
of_udp(struct torc_udp *udp)
{
	int ret = torc__udp_begin(udp);

	return (struct place){ &udp->shard->ring, ret < 0 ? ret : udp->fd,
		kind_of(udp->address.type), udp->address.sa.sa_family };
}

/* Where the option is with this socket; -errno. */
static int
find(const struct place *place, enum torc_option option, int *level, int *name)
{
	const struct row *row = &rows[option];

	torc_assert((size_t)option < sizeof(rows) / sizeof(rows[0]));
	if (place->fd < 0)
		return place->fd;
	if (!(row->kinds & place->kind))
		return -ENOPROTOOPT;
	*level = row->level;
	*name = row->name;
	if (row->level_in6 != 0 && place->family == AF_INET6) {
		*level = row->level_in6;
		*name = row->name_in6;
	}
	return 0;
}

static int
set(struct place place, enum torc_option option, int value)
{
	int level, name, ret = find(&place, option, &level, &name);

	if (ret < 0)
		return ret;
	return place.ring->engine->setsockopt(
		place.ring, place.fd, level, name, &value, sizeof(value));
}

static int
get(struct place place, enum torc_option option, int *value)
{
	int level, name, ret = find(&place, option, &level, &name);
	int number = 0;
	socklen_t len = sizeof(number);

	if (ret < 0)
		return ret;
	ret = place.ring->engine->getsockopt(
		place.ring, place.fd, level, name, &number, &len);
	if (ret == 0)
		*value = number;
	return ret;
}

int
torc_stream_option_set(
	struct torc_stream *stream, enum torc_option option, int value)
{
	return set(of_stream(stream), option, value);
}

int
torc_stream_option_get(
	struct torc_stream *stream, enum torc_option option, int *value)
{
	return get(of_stream(stream), option, value);
}

int
torc_listener_option_set(
	struct torc_listener *listener, enum torc_option option, int value)
{
	return set(of_listener(listener), option, value);
}

int
torc_listener_option_get(
	struct torc_listener *listener, enum torc_option option, int *value)
{
	return get(of_listener(listener), option, value);
}

int
torc_udp_option_set(struct torc_udp *udp, enum torc_option option, int value)
{
	return set(of_udp(udp), option, value);
}

int
torc_udp_option_get(struct torc_udp *udp, enum torc_option option, int *value)
{
	return get(of_udp(udp), option, value);
}

static int
set_congestion(struct place place, const char *name)
{
	if (place.fd < 0)
		return place.fd;
	if (place.kind != TCP)
		return -ENOPROTOOPT;
	return place.ring->engine->setsockopt(place.ring, place.fd, IPPROTO_TCP,
		TCP_CONGESTION, name, (socklen_t)strlen(name));
}

int
torc_stream_congestion_set(struct torc_stream *stream, const char *name)
{
	return set_congestion(of_stream(stream), name);
}

int
torc_listener_congestion_set(struct torc_listener *listener, const char *name)
{
	return set_congestion(of_listener(listener), name);
}

int
torc_stream_congestion_get(
	struct torc_stream *stream, char name[TORC_CONGESTION_MAX])
{
	struct place place = of_stream(stream);
	socklen_t len = TORC_CONGESTION_MAX - 1;

	if (place.fd < 0)
		return place.fd;
	if (place.kind != TCP)
		return -ENOPROTOOPT;
	memset(name, 0, TORC_CONGESTION_MAX);
	return place.ring->engine->getsockopt(
		place.ring, place.fd, IPPROTO_TCP, TCP_CONGESTION, name, &len);
}
