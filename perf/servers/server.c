/* SPDX-License-Identifier: MIT */
#include "perf/servers/server.h"

#include <stdio.h>
#include <string.h>

struct server {
	const char *name;
	torc_task_fn *serve;
	struct torc_address address;
	struct torc_listener *listener;
	struct torc_udp *udp;
};

static int
accept_all(void *arg)
{
	struct server *s = arg;
	struct torc_stream *conn;
	int ret;

	while ((ret = torc_accept(s->listener, &conn)) == 0)
		if (torc_spawn(NULL, s->serve, conn) < 0)
			torc_abort(conn);
	return ret;
}

static int
serve_udp(void *arg)
{
	struct server *s = arg;

	return s->serve(s->udp);
}

static int
begin_udp(struct server *s)
{
	int ret = torc_udp_bind(&s->udp, &s->address);

	if (ret == 0)
		ret = torc_udp_address(s->udp, &s->address);
	return ret == 0 ? torc_spawn(NULL, serve_udp, s) : ret;
}

static int
begin_tcp(struct server *s)
{
	int ret = torc_listen(&s->listener, &s->address, NULL);

	if (ret == 0)
		ret = torc_listener_address(s->listener, &s->address);
	return ret == 0 ? torc_spawn(NULL, accept_all, s) : ret;
}

static int
begin(struct server *s, struct torc_signals **signals)
{
	char text[TORC_ADDRESS_TEXT_MAX];
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	ret = torc_signals_open(signals, &set);
	if (ret < 0)
		return ret;
	ret = s->address.type == TORC_UDP ? begin_udp(s) : begin_tcp(s);
	if (ret < 0)
		return ret;
	ret = torc_address_format(&s->address, text, sizeof(text));
	if (ret < 0)
		return ret;
	fprintf(stderr, "%s: listening on %s\n", s->name, text);
	return 0;
}

/* What is still open when this returns is closed by the runtime. */
static int
run(void *arg)
{
	struct server *s = arg;
	struct torc_signals *signals = NULL;
	int ret = begin(s, &signals);

	if (ret == 0)
		ret = torc_signal_next(signals);
	torc_signals_close(signals);
	return ret < 0 ? ret : 0;
}

static int
start(struct server *s, enum torc_address_type type, int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "127.0.0.1:7000";
	const char *why = "one address is enough";
	struct torc_options options = { .shards = 1 };
	int ret;

	if (argc > 2 || torc_address_parse(&s->address, text, &why) < 0) {
		fprintf(stderr, "%s: %s: %s\n", s->name, text, why);
		return 2;
	}
	s->address.type = type;
	ret = torc_run(&options, run, s);
	if (ret < 0)
		fprintf(stderr, "%s: %s: %s\n", s->name, text, strerror(-ret));
	return ret < 0;
}

int
server_main(const char *name, torc_task_fn *serve, int argc, char **argv)
{
	struct server s = { .name = name, .serve = serve };

	return start(&s, TORC_TCP, argc, argv);
}

int
server_udp_main(const char *name, torc_task_fn *serve, int argc, char **argv)
{
	struct server s = { .name = name, .serve = serve };

	return start(&s, TORC_UDP, argc, argv);
}
