/* SPDX-License-Identifier: MIT */
/*
 * simulate - an echo server with a mistake that no quiet machine shows,
 * found by a search: prints the seed, and the line that replays it.
 */
#include <errno.h>
#include <torc.h>
#include <torc/test/sim.h>

static char sent[20000], received[20000], back[20000];

static int
serve(void *listener)
{
	struct torc_stream *conn;
	ssize_t bytes;

	if (torc_accept(listener, &conn) < 0)
		return -EIO;
	/* The mistake: one read need not give all that one send took. */
	bytes = torc_read(conn, received, sizeof(received));
	if (bytes > 0)
		bytes = torc_send_all(conn, received, (size_t)bytes);
	torc_close(conn);
	return bytes > 0 ? 0 : -EIO;
}

static int
scenario(void *address)
{
	struct torc_listener *listener;
	struct torc_stream *conn;
	ssize_t bytes;

	if (torc_listen(&listener, address, NULL) < 0 ||
		torc_spawn(NULL, serve, listener) < 0 ||
		torc_connect(&conn, address) < 0)
		return -ECONNREFUSED;
	bytes = torc_send_all(conn, sent, sizeof(sent));
	if (bytes > 0)
		bytes = torc_read_exact(conn, back, sizeof(back));
	torc_close(conn);
	torc_listener_close(listener);
	return bytes == sizeof(back) ? 0 : -EBADMSG;
}

int
main(void)
{
	struct torc_sim_options options = { .faults = TORC_SIM_HIDDEN };
	struct torc_address address;

	if (torc_address_parse(&address, "127.0.0.1:80", NULL) < 0)
		return 1;
	return torc_sim_search(&options, NULL, 1000, scenario, &address,
		       NULL) != -EBADMSG;
}
