/* SPDX-License-Identifier: MIT */
#include <torc/core/io/adopt.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/io/address_priv.h"
#include "core/io/listener_priv.h"
#include "core/io/stream_priv.h"
#include "core/io/udp_priv.h"

/* SCTP, UDP-Lite or a ping socket look like TCP and UDP, but for this. */
static bool
is_known(int protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_MPTCP;
}

/* The enum torc_address_type of such a socket, or -EPROTOTYPE. */
static int
type_of(int socket_type, int family)
{
	bool is_internet = family == AF_INET || family == AF_INET6;

	if (!is_internet && family != AF_UNIX)
		return -EPROTOTYPE;
	switch (socket_type) {
	case SOCK_STREAM:
		return is_internet ? TORC_TCP : TORC_UNIX;
	case SOCK_DGRAM:
		return is_internet ? TORC_UDP : TORC_UNIX_DGRAM;
	case SOCK_SEQPACKET:
		return is_internet ? -EPROTOTYPE : TORC_UNIX_SEQPACKET;
	}
	return -EPROTOTYPE;
}

static int
option_of(struct torc_ring *ring, int fd, int name, int *value)
{
	socklen_t len = sizeof(*value);

	return ring->engine->getsockopt(
		ring, fd, SOL_SOCKET, name, value, &len);
}

/* The name of one of its ends: 0 or -errno. */
static int
look(struct torc_ring *ring, int fd, bool is_peer, struct torc_address *at)
{
	const struct torc_engine *engine = ring->engine;
	int socket_type = 0, protocol = 0;
	int ret = option_of(ring, fd, SO_TYPE, &socket_type);

	if (ret == 0 && !engine->is_simulated)
		ret = option_of(ring, fd, SO_PROTOCOL, &protocol);
	*at = (struct torc_address){ .len = sizeof(at->storage) };
	if (ret == 0 && is_peer)
		ret = engine->getpeername(ring, fd, &at->sa, &at->len);
	else if (ret == 0)
		ret = engine->getsockname(ring, fd, &at->sa, &at->len);
	if (ret < 0)
		return ret;
	ret = type_of(socket_type, at->sa.sa_family);
	if (ret < 0)
		return ret;
	at->type = ret;
	if (protocol != 0 && !is_known(protocol))
		return -EPROTOTYPE;
	/* A path of 108 bytes has no room for its NUL, which is counted. */
	if (at->sa.sa_family == AF_UNIX && at->len > sizeof(at->un))
		at->len = sizeof(at->un);
	return 0;
}

/*
 * What is submitted for a socket that says O_NONBLOCK fails with -EAGAIN. An
 * engine that polls needs it for a listener, on which others may accept now.
 */
static int
make_ours(const struct torc_ring *ring, int fd, bool is_listener)
{
	bool is_polled = is_listener && ring->engine->is_polling;
	int flags;

	if (ring->engine->is_simulated)
		return 0;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	flags = is_polled ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

/* 0; or, as adopting takes it also when it fails, close it: `error`. */
static int
refuse(struct torc_ring *ring, int fd, int error)
{
	if (error != 0 && error != -EBADF)
		ring->engine->close_fd(ring, fd);
	return error;
}

int
torc_stream_adopt(struct torc_stream **stream, int fd)
{
	struct torc_shard *shard = torc__shard_current("torc_stream_adopt");
	struct torc_address peer;
	struct torc_stream *made;
	int ret = look(&shard->ring, fd, true, &peer);

	if (ret == 0 && torc__address_is_datagram(&peer))
		ret = -EPROTOTYPE;
	if (ret == 0)
		ret = make_ours(&shard->ring, fd, false);
	if (ret < 0)
		return refuse(&shard->ring, fd, ret);
	made = torc__stream_of_type(shard, fd, peer.type);
	if (made == NULL)
		return -ENOMEM;
	*stream = made;
	return 0;
}

/* 0; -EINVAL: it does not listen; -errno. */
static int
look_at_listener(struct torc_ring *ring, int fd, struct torc_address *at)
{
	int is_listening = 0, ret = look(ring, fd, false, at);

	if (ret < 0)
		return ret;
	if (torc__address_is_datagram(at))
		return -EPROTOTYPE;
	ret = option_of(ring, fd, SO_ACCEPTCONN, &is_listening);
	return ret == 0 && !is_listening ? -EINVAL : ret;
}

int
torc_listener_adopt(struct torc_listener **listener, int fd)
{
	struct torc_shard *shard = torc__shard_current("torc_listener_adopt");
	struct torc_listener *made;
	struct torc_address at;
	int ret;

	if (shard->ring.engine->is_simulated)
		return -EOPNOTSUPP;
	ret = look_at_listener(&shard->ring, fd, &at);
	if (ret == 0)
		ret = make_ours(&shard->ring, fd, true);
	if (ret < 0)
		return refuse(&shard->ring, fd, ret);
	made = torc__listener_adopt(shard, fd, &at);
	if (made == NULL)
		return refuse(&shard->ring, fd, -ENOMEM);
	*listener = made;
	return 0;
}

/* 0; -EINVAL: it has no port; -errno. */
static int
look_at_udp(struct torc_ring *ring, int fd, struct torc_address *at)
{
	int ret = look(ring, fd, false, at);

	if (ret < 0)
		return ret;
	if (!torc__address_is_datagram(at))
		return -EPROTOTYPE;
	/* IPv6 has its port where IPv4 has it. */
	return at->type == TORC_UDP && at->in.sin_port == 0 ? -EINVAL : 0;
}

int
torc_udp_adopt(struct torc_udp **udp, int fd)
{
	struct torc_shard *shard = torc__shard_current("torc_udp_adopt");
	struct torc_address at;
	int ret;

	if (shard->ring.engine->is_simulated)
		return -EOPNOTSUPP;
	ret = look_at_udp(&shard->ring, fd, &at);
	if (ret == 0)
		ret = make_ours(&shard->ring, fd, false);
	if (ret == 0)
		ret = torc__udp_adopt(udp, shard, fd, &at);
	return refuse(&shard->ring, fd, ret);
}

int
torc_stream_fd(const struct torc_stream *s)
{
	int ret = torc__stream_begin(s);

	return ret < 0 ? ret : s->fd;
}
