/* SPDX-License-Identifier: MIT */
/*
 * A server that stops without hurting anybody: graceful [HOST:PORT]
 *
 * On Ctrl-C or SIGTERM it takes no new client, lets those that are there
 * finish for 5 seconds, and then ends what is left.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <torc.h>

#define GRACE_NS (5 * TORC_S)

static struct torc_listener *listener;
static struct torc_group clients;

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
	return 0; /* a lost connection is no error of the server's */
}

static int
accept_all(void *unused)
{
	struct torc_stream *conn;
	int ret;

	(void)unused;
	while ((ret = torc_accept(listener, &conn)) == 0)
		if (torc_group_spawn(&clients, serve, conn) < 0)
			torc_abort(conn);
	return ret;
}

static int
run(void *address)
{
	struct torc_deadline grace;
	struct torc_task *acceptor;
	int ret = torc_listen(&listener, address, NULL);

	torc_group_init(&clients);
	if (ret < 0 || (ret = torc_spawn(&acceptor, accept_all, NULL)) < 0)
		return ret;
	ret = torc_interrupt_wait();
	fprintf(stderr, "graceful: %s, %u clients are left\n",
		ret < 0 ? strerror(-ret) : strsignal(ret),
		torc_group_count(&clients));

	torc_listener_stop(listener);
	torc_deadline_begin(&grace, GRACE_NS);
	ret = torc_join(acceptor, NULL);
	if (ret == 0)
		ret = torc_group_join(&clients); /* cancels them when late */
	torc_deadline_end(&grace);
	torc_listener_close(listener);
	fputs(ret == -ETIMEDOUT ? "graceful: some had to be ended\n"
				: "graceful: all had finished\n",
		stderr);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "127.0.0.1:7000", *why;
	struct torc_options options = { .shards = 1 };
	struct torc_address address;
	int ret;

	if (torc_address_parse(&address, text, &why) < 0) {
		fprintf(stderr, "graceful: %s: %s\n", text, why);
		return 2;
	}
	ret = torc_run(&options, run, &address);
	if (ret < 0)
		fprintf(stderr, "graceful: %s: %s; try another HOST:PORT\n",
			text, strerror(-ret));
	return ret != 0;
}
