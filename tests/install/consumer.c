/* SPDX-License-Identifier: MIT */
/*
 * What somebody who installed torc writes first, as C11 and as C++17: an
 * echo over a port that the kernel chose. tests/install/check builds it.
 */
#include <stdio.h>
#include <string.h>

#include <torc.h>

static int
serve(void *arg)
{
	struct torc_listener *listener = (struct torc_listener *)arg;
	struct torc_stream *conn;
	const void *data;
	ssize_t bytes;
	int ret = torc_accept(listener, &conn);

	if (ret < 0)
		return ret;
	while ((bytes = torc_recv(conn, &data)) > 0)
		if (torc_send_all(conn, data, (size_t)bytes) < 0)
			break;
	torc_close(conn);
	return (int)bytes;
}

static int
ask(const struct torc_address *address)
{
	struct torc_stream *conn;
	char answer[6] = "";
	int ret = torc_connect(&conn, address);

	if (ret < 0)
		return ret;
	if (torc_send_all(conn, "hello", 5) != 5 || torc_shutdown(conn) < 0 ||
		torc_read_exact(conn, answer, 5) != 5)
		ret = -1;
	torc_close(conn);
	return ret == 0 && strcmp(answer, "hello") == 0 ? 0 : -1;
}

static int
run(void *unused)
{
	struct torc_address address;
	struct torc_listener *listener;
	struct torc_task *server;
	int result = -1, ret;

	(void)unused;
	if (torc_address_parse(&address, "127.0.0.1:0", NULL) < 0 ||
		torc_listen(&listener, &address, NULL) < 0)
		return -1;
	torc_listener_address(listener, &address);
	if (torc_spawn(&server, serve, listener) < 0)
		return -1;
	torc_sleep(TORC_MS);
	ret = ask(&address);
	if (torc_join(server, &result) < 0)
		return -1;
	torc_listener_close(listener);
	return ret == 0 && result == 0 ? 0 : -1;
}

int
main(void)
{
	struct torc_options options;

	memset(&options, 0, sizeof(options));
	options.shards = 1;
	if (torc_run(&options, run, NULL) != 0)
		return 1;
	puts("the echo came back");
	return 0;
}
