/* SPDX-License-Identifier: MIT */
#include <torc/core/io/pair.h>

#include <errno.h>

#include "core/io/stream_priv.h"

static int
open_pair(struct torc_shard *shard, struct torc_stream **a,
	struct torc_stream **b, int socket_type, int type)
{
	struct torc_stream *first, *second;
	int fds[2], ret;

	ret = shard->ring.engine->socketpair(&shard->ring, socket_type, fds);
	if (ret < 0)
		return ret;
	first = torc__stream_of_type(shard, fds[0], type);
	second = torc__stream_of_type(shard, fds[1], type);
	if (first == NULL || second == NULL) {
		torc_close(first);
		torc_close(second);
		return -ENOMEM;
	}
	*a = first;
	*b = second;
	return 0;
}

int
torc_stream_pair(struct torc_stream **a, struct torc_stream **b)
{
	return open_pair(torc__shard_current("torc_stream_pair"), a, b,
		SOCK_STREAM, TORC_UNIX);
}

int
torc_packet_pair(struct torc_stream **a, struct torc_stream **b)
{
	return open_pair(torc__shard_current("torc_packet_pair"), a, b,
		SOCK_SEQPACKET, TORC_UNIX_SEQPACKET);
}
