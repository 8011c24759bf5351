/* SPDX-License-Identifier: MIT */
/*
 * serve: a server and its client in one, as small as a program on torc gets.
 * Sends MESSAGES there and back, then prints "served" and exits with 0; what
 * goes wrong is told in a line, and the exit status is 1.
 *
 * It begins with getppid(2), which nothing else calls: who counts its system
 * calls sees where main begins.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <torc.h>

/* Each takes at least two enters. */
#define MESSAGES 120
#define PATIENCE_NS (10 * TORC_S)

static int
say(const char *what, int error)
{
	if (error < 0)
		torc_log(TORC_LOG_ERROR, "%s: %s", what, strerror(-error));
	return error;
}

static int
echo(void *stream)
{
	const void *data;
	ssize_t bytes;

	while ((bytes = torc_recv(stream, &data)) > 0)
		if (torc_send_all(stream, data, (size_t)bytes) < 0)
			break;
	torc_close(stream);
	return 0;
}

static int
serve(void *listener)
{
	struct torc_stream *stream;
	int ret = say("accept", torc_accept(listener, &stream));

	if (ret < 0)
		return ret;
	return say("spawn", torc_spawn(NULL, echo, stream));
}

static int
talk(struct torc_stream *stream)
{
	char answer[sizeof("torc")];
	ssize_t ret = 0;

	for (int i = 0; i < MESSAGES && ret >= 0; i++) {
		ret = torc_send_all(stream, "torc", sizeof(answer));
		if (ret >= 0)
			ret = torc_read_exact(stream, answer, sizeof(answer));
		if (ret >= 0 && ret != (ssize_t)sizeof(answer)) {
			torc_log(TORC_LOG_ERROR, "the echo ended too early");
			return -1;
		}
	}
	return say("talk", (int)ret);
}

static int
run(struct torc_listener *listener)
{
	struct torc_address address;
	struct torc_stream *stream;
	int ret;

	torc_listener_address(listener, &address);
	/* Without an accept: the backlog takes it. */
	ret = say("connect", torc_connect(&stream, &address));
	if (ret < 0)
		return ret;
	ret = say("spawn", torc_spawn(NULL, serve, listener));
	if (ret == 0)
		ret = talk(stream);
	torc_close(stream);
	return ret;
}

static int
run_main(void *unused)
{
	struct torc_deadline deadline;
	struct torc_listener *listener;
	struct torc_address any;
	int ret;

	(void)unused;
	torc_deadline_begin(&deadline, PATIENCE_NS);
	ret = torc_address_parse(&any, "127.0.0.1:0", NULL);
	if (ret == 0)
		ret = say("listen", torc_listen(&listener, &any, NULL));
	if (ret < 0)
		return ret;
	ret = run(listener);
	torc_listener_close(listener);
	torc_deadline_end(&deadline);
	return ret;
}

int
main(void)
{
	struct torc_options options = { .shards = 1,
		.spin_ns = TORC_SPIN_NEVER };

	(void)getppid();
	if (torc_run(&options, run_main, NULL) < 0)
		return 1;
	puts("served");
	return 0;
}
