/* SPDX-License-Identifier: MIT */
#include "tests/faults/denial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <torc.h>

#define STEP_NS (300 * TORC_MS)

struct pair {
	struct torc_listener *listener;
	struct torc_stream *client;
	struct torc_stream *server;
};

static int
open_pair(struct pair *pair)
{
	struct torc_address any, address;
	int ret;

	*pair = (struct pair){ 0 };
	ret = torc_address_parse(&any, "127.0.0.1:0", NULL);
	if (ret == 0)
		ret = torc_listen(&pair->listener, &any, NULL);
	if (ret < 0)
		return ret;
	torc_listener_address(pair->listener, &address);
	ret = torc_connect(&pair->client, &address);
	if (ret == 0)
		ret = torc_accept(pair->listener, &pair->server);
	return ret;
}

static void
close_pair(struct pair *pair)
{
	torc_close(pair->client);
	torc_close(pair->server);
	torc_listener_close(pair->listener);
}

static int
expect(struct torc_stream *stream, const char *text, size_t bytes)
{
	char got[64];
	ssize_t ret = torc_read_exact(stream, got, bytes);

	if (ret < 0)
		return (int)ret;
	return (size_t)ret == bytes && memcmp(got, text, bytes) == 0 ? 0 : -EIO;
}

static int
echo(void)
{
	struct pair pair;
	int ret = open_pair(&pair);

	if (ret == 0)
		ret = (int)torc_send_all(pair.client, "ping", 4);
	if (ret >= 0)
		ret = expect(pair.server, "ping", 4);
	if (ret == 0)
		ret = (int)torc_send_all(pair.server, "pong", 4);
	if (ret >= 0)
		ret = expect(pair.client, "pong", 4);
	close_pair(&pair);
	return ret;
}

static int
end(void)
{
	struct pair pair;
	char byte;
	int ret = open_pair(&pair);

	if (ret == 0) {
		torc_close(pair.server);
		pair.server = NULL;
		ret = (int)torc_read(pair.client, &byte, 1);
	}
	close_pair(&pair);
	return ret;
}

/* A reset that comes after a clean half-close. */
static int
reset(void)
{
	struct torc_future watch;
	struct pair pair;
	char byte;
	int ret = open_pair(&pair);

	if (ret == 0)
		ret = torc_shutdown(pair.server);
	if (ret == 0)
		ret = (int)torc_read(pair.client, &byte, 1);
	if (ret == 0) {
		torc_reset_start(pair.client, &watch);
		torc_abort(pair.server);
		pair.server = NULL;
		ret = (int)torc_await(&watch);
		ret = ret == -ECONNRESET ? 0 : ret;
	}
	close_pair(&pair);
	return ret;
}

static int
several(void)
{
	struct torc_send a = { .data = "ab", .bytes = 2 };
	struct torc_send b = { .data = "cd", .bytes = 2 };
	struct torc_future *sends[] = { &a.done, &b.done };
	struct pair pair;
	int ret = open_pair(&pair);

	if (ret == 0) {
		torc_send_start(pair.client, &a);
		torc_send_start(pair.client, &b);
		ret = torc_wait_all(sends, 2);
		if (ret == 0 && a.done.value < 0)
			ret = (int)a.done.value;
	}
	if (ret == 0)
		ret = expect(pair.server, "abcd", 4);
	close_pair(&pair);
	return ret;
}

static int
deadline(void)
{
	struct torc_deadline scope;
	struct pair pair;
	char byte;
	int ret = open_pair(&pair);

	if (ret == 0) {
		torc_deadline_begin(&scope, 5 * TORC_MS);
		ret = (int)torc_read(pair.client, &byte, 1);
		torc_deadline_end(&scope);
		ret = ret >= 0 ? -EIO : ret == -ETIMEDOUT ? 0 : ret;
	}
	close_pair(&pair);
	return ret;
}

static int
datagram(void)
{
	struct torc_address any, to;
	struct torc_udp *udp;
	const void *data;
	int ret = torc_address_parse(&any, "udp:127.0.0.1:0", NULL);

	if (ret == 0)
		ret = torc_udp_bind(&udp, &any);
	if (ret < 0)
		return ret;
	torc_udp_address(udp, &to);
	ret = (int)torc_udp_send(udp, "hello", 5, &to);
	if (ret >= 0)
		ret = (int)torc_udp_recv(udp, &data, NULL);
	torc_udp_close(udp);
	return ret < 0 ? ret : 0;
}

static int
signals(void)
{
	struct torc_signals *caught;
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ret = torc_signals_open(&caught, &set);
	if (ret < 0)
		return ret;
	raise(SIGUSR1);
	ret = torc_signal_next(caught);
	torc_signals_close(caught);
	return ret == SIGUSR1 ? 0 : ret;
}

static int
message(void *unused)
{
	(void)unused;
	return 0;
}

static int
doorbell(void)
{
	return torc_run_on_shards(message, NULL);
}

int
denial_use_everything(void *unused)
{
	static const struct {
		const char *name;
		int (*fn)(void);
	} steps[] = { { "echo", echo }, { "end", end }, { "reset", reset },
		{ "several", several }, { "deadline", deadline },
		{ "datagram", datagram }, { "signals", signals },
		{ "doorbell", doorbell } };
	int failed = 0;

	(void)unused;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct torc_deadline scope;
		int ret;

		torc_deadline_begin(&scope, STEP_NS);
		ret = steps[i].fn();
		torc_deadline_end(&scope);
		if (ret >= 0)
			continue;
		failed++;
		fprintf(stderr, "%s: %s\n", steps[i].name, strerror(-ret));
	}
	return failed;
}
