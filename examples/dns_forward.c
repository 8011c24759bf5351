/* SPDX-License-Identifier: MIT */
/*
 * A DNS forwarder: dns_forward udp:HOST:PORT udp:UPSTREAM:PORT
 *   dns_forward udp:127.0.0.1:5353 udp:9.9.9.9:53 &
 *   dig @127.0.0.1 -p 5353 example.org
 * Each query is a task with a socket of its own, and asks twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc.h>

#define QUERIES_MAX 200 /* at a time; more are dropped, as UDP may */

static struct torc_address here, upstream, any;
static struct torc_udp *server;
static int queries_count;

struct query {
	struct torc_address from;
	size_t bytes;
	char data[];
};

/* Wait for the answer to the query's number. Its bytes, or -errno. */
static ssize_t
ask(struct torc_udp *udp, const struct query *query, const void **answer)
{
	struct torc_deadline deadline;
	ssize_t bytes = torc_udp_send(udp, query->data, query->bytes, NULL);

	torc_deadline_begin(&deadline, 2 * TORC_S);
	while (bytes >= 0 && (bytes = torc_udp_recv(udp, answer, NULL)) >= 0)
		if (bytes >= 2 && memcmp(*answer, query->data, 2) == 0)
			break;
	torc_deadline_end(&deadline);
	return bytes;
}

static int
forward(void *arg)
{
	struct query *query = arg;
	struct torc_udp *udp = NULL;
	const void *answer;
	ssize_t bytes = -1;

	if (torc_udp_bind(&udp, &any) == 0 &&
		torc_udp_connect(udp, &upstream) == 0)
		for (int i = 0; i < 2 && bytes < 0; i++)
			bytes = ask(udp, query, &answer);
	if (bytes >= 0)
		bytes = torc_udp_send(
			server, answer, (size_t)bytes, &query->from);
	torc_udp_close(udp);
	free(query);
	queries_count--;
	return bytes < 0 ? (int)bytes : 0;
}

static int
serve(void *unused)
{
	struct torc_address from;
	struct query *query;
	const void *data;
	ssize_t bytes = torc_udp_bind(&server, &here);

	(void)unused;
	while (bytes >= 0 &&
		(bytes = torc_udp_recv(server, &data, &from)) >= 0) {
		/* A head has 12 bytes; its 17th bit tells an answer. */
		if (bytes < 12 || ((const unsigned char *)data)[2] & 0x80 ||
			queries_count == QUERIES_MAX ||
			(query = malloc(sizeof(*query) + bytes)) == NULL)
			continue;
		*query = (struct query){ from, (size_t)bytes };
		memcpy(query->data, data, (size_t)bytes);
		if (torc_spawn(NULL, forward, query) < 0)
			free(query);
		else
			queries_count++;
	}
	fprintf(stderr, "dns_forward: %s\n", strerror((int)-bytes));
	return (int)bytes;
}

int
main(int argc, char **argv)
{
	struct torc_options options = { .shards = 1 };

	if (argc == 3 && torc_address_parse(&any, "udp:*:0", NULL) == 0 &&
		torc_address_parse(&here, argv[1], NULL) == 0 &&
		torc_address_parse(&upstream, argv[2], NULL) == 0)
		return torc_run(&options, serve, NULL) != 0;
	fputs("usage: dns_forward udp:HOST:PORT udp:UPSTREAM:PORT\n", stderr);
	return 2;
}
