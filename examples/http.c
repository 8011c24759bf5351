/* SPDX-License-Identifier: MIT */
/*
 * Hello over HTTP/1.1 on every CPU: http [HOST:PORT]
 *
 *   curl http://127.0.0.1:8000/        wrk -c 64 http://127.0.0.1:8000/
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <torc.h>

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			    "Content-Length: 13\r\n\r\nHello, world\n";
static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
			  "Connection: close\r\n\r\n";

/* 1: a request, all of it; 0: the end; less than 0: none to be answered. */
static int
read_request(struct torc_reader *reader, bool *is_last)
{
	char *line, method[16], version[16];
	int64_t body_bytes = 0;
	int ret = torc_reader_line(reader, &line, NULL);

	if (ret <= 0)
		return ret;
	if (sscanf(line, "%15s %*s %15s", method, version) != 2)
		return -1;
	*is_last = strcmp(version, "HTTP/1.1") != 0;
	while ((ret = torc_reader_line(reader, &line, NULL)) > 0 &&
		line[0] != '\0') {
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			body_bytes = strtoll(line + 15, NULL, 10);
		if (strcasecmp(line, "Connection: close") == 0)
			*is_last = true;
	}
	if (ret <= 0 || torc_reader_skip(reader, body_bytes) != body_bytes)
		return -1;
	return 1;
}

static int
serve(void *arg)
{
	struct torc_stream *conn = arg;
	struct torc_reader reader;
	char buf[8192];
	bool is_last = false;
	int ret = 1;

	torc_reader_init(&reader, torc_stream_source(conn), buf, sizeof(buf));
	while (ret > 0 && !is_last) {
		ret = read_request(&reader, &is_last);
		if (ret > 0 &&
			torc_send_all(conn, hello, sizeof(hello) - 1) < 0)
			break;
	}
	if (ret < 0)
		(void)!torc_send_all(conn, bad, sizeof(bad) - 1);
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
	int ret = torc_run_on_shards(accept_all, address);

	fprintf(stderr, "http: %s\n", strerror(-ret));
	return ret;
}

int
main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "127.0.0.1:8000", *why;
	struct torc_address address;

	if (torc_address_parse(&address, text, &why) == 0)
		return torc_run(NULL, on_all_shards, &address) != 0;
	fprintf(stderr, "http: %s: %s\n", text, why);
	return 2;
}
