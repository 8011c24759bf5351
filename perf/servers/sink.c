/* SPDX-License-Identifier: MIT */
/*
 * Reads and discards: sink [HOST:PORT]
 *
 * A connection is closed at the end of the file or at its first error.
 */
#include "perf/servers/server.h"

static int
serve(void *arg)
{
	struct torc_stream *conn = arg;
	const void *data;

	while (torc_recv(conn, &data) > 0)
		;
	torc_close(conn);
	return 0;
}

int
main(int argc, char **argv)
{
	return server_main("sink", serve, argc, argv);
}
