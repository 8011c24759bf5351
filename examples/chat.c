/* SPDX-License-Identifier: MIT */
/*
 * A chat: what one client writes, all others read: chat [HOST:PORT]
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <torc.h>

struct message {
	const void *from;
	char text[500];
};

struct client {
	struct torc_stream *conn;
	struct torc_subscriber seen;
};

static struct torc_broadcast *room;

static int
tell(void *arg)
{
	struct client *to = arg;
	struct message m;

	for (ssize_t ret = 0; ret >= 0;) {
		ret = torc_broadcast_recv(&to->seen, &m);
		if (ret == 0 && m.from == to)
			continue;
		if (ret == -EOVERFLOW)
			ret = snprintf(m.text, sizeof(m.text), "* %zu lost\n",
				(size_t)to->seen.missed_count);
		if (ret >= 0)
			ret = torc_send_all(to->conn, m.text, strlen(m.text));
	}
	return 0;
}

static int
serve(void *conn)
{
	struct client client = { .conn = conn };
	struct message m = { .from = &client };
	struct torc_reader reader;
	struct torc_task *teller;
	char buf[400], *line;

	torc_broadcast_subscribe(room, &client.seen);
	torc_reader_init(&reader, torc_stream_source(conn), buf, sizeof(buf));
	if (torc_spawn(&teller, tell, &client) == 0) {
		while (torc_reader_line(&reader, &line, NULL) > 0) {
			snprintf(m.text, sizeof(m.text), "> %s\n", line);
			(void)!torc_broadcast_send(room, &m);
		}
		torc_cancel_join(teller, NULL);
	}
	torc_broadcast_unsubscribe(&client.seen);
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
	return ret;
}

static int
on_all_shards(void *address)
{
	int ret = torc_broadcast_create(&room, sizeof(struct message), 256);

	if (ret == 0)
		ret = torc_run_on_shards(accept_all, address);
	fprintf(stderr, "chat: %s\n", strerror(-ret));
	return ret;
}

int
main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "127.0.0.1:7000", *why;
	struct torc_address address;

	if (torc_address_parse(&address, text, &why) == 0)
		return torc_run(NULL, on_all_shards, &address) != 0;
	fprintf(stderr, "chat: %s: %s\n", text, why);
	return 2;
}
