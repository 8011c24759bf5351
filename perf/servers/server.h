/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_SERVERS_SERVER_H
#define TORC_PERF_SERVERS_SERVER_H

/*
 * server - one shard; one listener and a task per connection, or one socket
 *
 *   NAME [HOST:PORT]
 *
 * Says "NAME: listening on ..." when it does, and ends with 0 on SIGTERM or
 * SIGINT, with 1 when it cannot listen, with 2 for a wrong address.
 */

#include <torc.h>

/* A main(): serve(struct torc_stream *) owns the connection it is given. */
int server_main(const char *name, torc_task_fn *serve, int argc, char **argv);

/* The same for datagrams: serve(struct torc_udp *) has the only socket. */
int server_udp_main(
	const char *name, torc_task_fn *serve, int argc, char **argv);

#endif /* TORC_PERF_SERVERS_SERVER_H */
