/* SPDX-License-Identifier: MIT */
#include <torc/core/io/adopt.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "core/io/stream_priv.h"

/* The enum torc_address_type of a connected socket, or -errno. */
static int
type_of(struct torc_ring *ring, int fd)
{
	const struct torc_engine *engine = ring->engine;
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer), len = sizeof(int);
	int socket_type = 0;
	int ret = engine->getsockopt(
		ring, fd, SOL_SOCKET, SO_TYPE, &socket_type, &len);

	if (ret < 0)
		return ret;
	ret = engine->getpeername(
		ring, fd, (struct sockaddr *)&peer, &peer_len);
	if (ret < 0)
		return ret;
	if (socket_type == SOCK_STREAM && peer.ss_family == AF_UNIX)
		return TORC_UNIX;
	if (socket_type == SOCK_SEQPACKET && peer.ss_family == AF_UNIX)
		return TORC_UNIX_SEQPACKET;
	if (socket_type == SOCK_STREAM &&
		(peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
		return TORC_TCP;
	return -EPROTOTYPE;
}

/* io_uring does not wait for a socket that says it must not be waited for. */
static int
make_ours(const struct torc_ring *ring, int fd)
{
	int flags;

	if (ring->engine->is_simulated)
		return 0;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int
torc_stream_adopt(struct torc_stream **stream, int fd)
{
	struct torc_shard *shard = torc__shard;
	struct torc_stream *made;
	int type;

	torc_assert(shard != NULL);
	type = type_of(&shard->ring, fd);
	if (type >= 0) {
		int ret = make_ours(&shard->ring, fd);

		type = ret < 0 ? ret : type;
	}
	if (type < 0) {
		if (type != -EBADF)
			shard->ring.engine->close_fd(&shard->ring, fd);
		return type;
	}
	made = torc__stream_of_type(shard, fd, type);
	if (made == NULL)
		return -ENOMEM;
	*stream = made;
	return 0;
}

int
torc_stream_fd(const struct torc_stream *s)
{
	int ret = torc__stream_begin(s);

	return ret < 0 ? ret : s->fd;
}
