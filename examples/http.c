/* SPDX-License-Identifier: MIT */
/*
 * Hello over HTTP/1.1 on every CPU: http [HOST:PORT]
 *   curl http://127.0.0.1:8000/        wrk -c 64 http://127.0.0.1:8000/
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <torc.h>

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			    "Content-Length: 13\r\n\r\nHello, world\n";
static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
			  "Connection: close\r\n\r\n";

/* 1: a request; 0: the end; -1: what others could read in another way. */
static int
read_request(struct torc_reader *reader, bool *is_last)
{
	char *line, *value, minor, more;
	long long length = 0;
	size_t bytes, lines = 0, lengths = 0;
	int ret = torc_reader_line(reader, &line, &bytes);

	if (ret <= 0)
		return ret;
	if (strcspn(line, "\r\v\f") != bytes ||
		sscanf(line, "%*s %*s HTTP/1.%c%c", &minor, &more) != 1)
		return -1;
	*is_last = minor == '0';
	while ((ret = torc_reader_line(reader, &line, &bytes)) > 0 && bytes) {
		value = line + strcspn(line, ": \t");
		if (++lines > 100 || value == line || *value++ != ':' ||
			strcspn(line, "\r\v\f") != bytes ||
			strncasecmp(line, "Transfer-Encoding:", 18) == 0)
			return -1;
		if (strncasecmp(line, "Content-Length:", 15) == 0 &&
			(lengths++ || value[strspn(value, " 0123456789")] ||
				sscanf(value, "%18lld %c", &length, &more) !=
					1))
			return -1; /* where would the next one begin? */
		if (strcasecmp(line, "Connection: close") == 0)
			*is_last = true;
	}
	return ret > 0 && torc_reader_skip(reader, length) == length ? 1 : -1;
}

static int
serve(void *arg)
{
	struct torc_stream *conn = arg;
	struct torc_reader reader;
	char buf[8192];
	bool is_last = false;
	int ret = 0;

	torc_reader_init(&reader, torc_stream_source(conn), buf, sizeof(buf));
	while (!is_last && (ret = read_request(&reader, &is_last)) > 0)
		if (torc_send_all(conn, hello, sizeof(hello) - 1) < 0)
			break;
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
