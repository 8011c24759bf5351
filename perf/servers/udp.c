/* SPDX-License-Identifier: MIT */
/*
 * Answers every datagram with itself: udp [HOST:PORT]
 */
#include <errno.h>

#include "perf/servers/server.h"

static int
serve(void *arg)
{
	struct torc_udp *udp = arg;
	struct torc_address from;
	const void *data;
	ssize_t bytes;

	while ((bytes = torc_udp_recv(udp, &data, &from)) >= 0) {
		size_t size = (size_t)bytes;

		/* All answers of a turn leave together, unless there are
		 * too many: then this one is waited for. */
		if (torc_udp_try_send(udp, data, size, &from) == -EAGAIN &&
			torc_udp_send(udp, data, size, &from) == -ECANCELED)
			break;
	}
	return (int)bytes;
}

int
main(int argc, char **argv)
{
	return server_udp_main("udp", serve, argc, argv);
}
