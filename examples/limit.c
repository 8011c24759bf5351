/* SPDX-License-Identifier: MIT */
/*
 * A rate limiter: limit PER_SECOND [HOST:PORT]
 *
 * Answers so many messages a second, over all clients together and in the
 * order in which they came; who asks faster waits. A ticker puts permits
 * into a semaphore, each answer takes one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torc.h>

/* What is saved up while nobody asks. */
#define BURST 10

static unsigned long per_second;
static struct torc_semaphore permits;

static int
refill(void *unused)
{
	struct torc_ticker ticker;
	int ret;

	(void)unused;
	torc_ticker_init(&ticker, TORC_S / per_second, TORC_TICKER_BURST);
	while ((ret = torc_ticker_next(&ticker)) == 0)
		if (torc_semaphore_available(&permits) < BURST)
			torc_semaphore_release(&permits, 1);
	return ret;
}

static int
serve(void *arg)
{
	struct torc_stream *conn = arg;
	const void *data;
	ssize_t bytes;

	while ((bytes = torc_recv(conn, &data)) > 0)
		if (torc_semaphore_acquire(&permits, 1) < 0 ||
			torc_send_all(conn, data, (size_t)bytes) < 0)
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

	torc_semaphore_init(&permits, BURST);
	if (ret == 0)
		ret = torc_spawn(NULL, refill, NULL);
	while (ret == 0 && (ret = torc_accept(listener, &conn)) == 0)
		if (torc_spawn(NULL, serve, conn) < 0)
			torc_abort(conn);
	return ret;
}

int
main(int argc, char **argv)
{
	const char *text = argc > 2 ? argv[2] : "127.0.0.1:7000";
	const char *why = "PER_SECOND is 1 to 1000000000";
	struct torc_options options = { .shards = 1 };
	struct torc_address address;
	int ret;

	per_second = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	if (per_second == 0 || per_second > TORC_S ||
		torc_address_parse(&address, text, &why) < 0) {
		fprintf(stderr, "limit: %s: limit PER_SECOND [HOST:PORT]\n",
			why);
		return 2;
	}
	ret = torc_run(&options, accept_all, &address);
	if (ret < 0)
		fprintf(stderr, "limit: %s: %s; try another HOST:PORT\n", text,
			strerror(-ret));
	return ret != 0;
}
