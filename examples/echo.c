/* SPDX-License-Identifier: MIT */
/*
 * A TCP echo server on every CPU: echo [HOST:PORT]
 */
#include <stdio.h>
#include <string.h>

#include <torc.h>

static int
serve(void *arg)
{
	struct torc_stream *conn = arg;
	const void *data;
	ssize_t bytes;

	while ((bytes = torc_recv(conn, &data)) > 0)
		if (torc_send_all(conn, data, (size_t)bytes) < 0)
			break;
	torc_close(conn);
	return 0;
}

static int
accept_all(void *address)
{
	struct torc_listener *listener;
	struct torc_stream *conn;
	int ret = torc_listen(&listener, address, NULL);

	while (ret == 0 && (ret = torc_accept(listener, &conn)) == 0)
		if (torc_spawn(NULL, serve, conn) < 0)
			torc_abort(conn);
	fprintf(stderr, "echo: %s\n", strerror(-ret));
	return ret;
}

static int
on_all_shards(void *address)
{
	return torc_run_on_shards(accept_all, address);
}

int
main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "127.0.0.1:7000", *why;
	struct torc_address address;

	if (torc_address_parse(&address, text, &why) < 0) {
		fprintf(stderr, "echo: %s: %s\n", text, why);
		return 2;
	}
	return torc_run(NULL, on_all_shards, &address) != 0;
}
