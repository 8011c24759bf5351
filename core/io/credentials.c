/* SPDX-License-Identifier: MIT */
#include <torc/core/io/credentials.h>

#include <errno.h>
#include <sys/socket.h>

#include "core/io/stream_priv.h"

/* Linux 6.5; older headers do not have it. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int
get(struct torc_stream *s, int name, void *value, socklen_t len)
{
	struct torc_ring *ring = &s->shard->ring;
	int ret = torc__stream_begin(s);

	if (ret < 0)
		return ret;
	if (s->is_tcp)
		return -EOPNOTSUPP;
	return ring->engine->getsockopt(
		ring, s->fd, SOL_SOCKET, name, value, &len);
}

int
torc_stream_peer_credentials(
	struct torc_stream *s, struct torc_credentials *out)
{
	struct ucred peer = { 0 };
	int ret = get(s, SO_PEERCRED, &peer, sizeof(peer));

	if (ret == 0)
		*out = (struct torc_credentials){ peer.pid, peer.uid,
			peer.gid };
	return ret;
}

int
torc_stream_peer_pidfd(struct torc_stream *s)
{
	int fd = -1;
	int ret = get(s, SO_PEERPIDFD, &fd, sizeof(fd));

	return ret < 0 ? ret : fd;
}
