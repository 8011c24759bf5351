/* SPDX-License-Identifier: MIT */
/*
 * Goal    An echo server and its clients lose no byte whatever the kernel is
 *         free to do, and take no reset for an end whatever the network does.
 * Method  Hundreds of seeds. Each client sends bytes that say where they
 *         are, closes its half, and compares what comes back.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define BYTES_MAX 300000
#define CHUNK_MAX 40000

struct echo {
	struct torc_address at;
	struct torc_listener *listener;
	struct torc_group sessions;
	struct torc_options runtime;
	bool may_fail; /* the network does as it likes */
};

static int
echo_session(void *arg)
{
	struct torc_stream *stream = arg;
	const void *data;
	ssize_t got;

	while ((got = torc_recv(stream, &data)) > 0) {
		got = torc_send_all(stream, data, (size_t)got);
		if (got < 0)
			break;
	}
	if (got < 0)
		torc_abort(stream);
	else
		torc_close(stream);
	return 0;
}

static int
echo_server(void *arg)
{
	struct echo *echo = arg;
	struct torc_stream *stream;
	int ret;

	while ((ret = torc_accept(echo->listener, &stream)) == 0)
		if (torc_group_spawn(&echo->sessions, echo_session, stream) < 0)
			torc_abort(stream);
	return ret == -ECANCELED ? 0 : ret;
}

struct sender {
	struct torc_stream *stream;
	uint64_t key;
	size_t total;
};

static int
send_pattern(void *arg)
{
	struct sender *sender = arg;
	uint8_t data[CHUNK_MAX];

	for (size_t at = 0; at < sender->total;) {
		size_t bytes = 1 + torc_sim_random(CHUNK_MAX - 1);
		ssize_t ret;

		if (bytes > sender->total - at)
			bytes = sender->total - at;
		pattern_fill(data, sender->key, at, bytes);
		ret = torc_send_all(sender->stream, data, bytes);
		if (ret < 0)
			return (int)ret;
		at += bytes;
		if (torc_sim_random(8) == 0)
			(void)torc_sleep(torc_sim_random(5 * TORC_MS));
	}
	return torc_shutdown(sender->stream);
}

/* 0 when all of it came back, -errno when that was said, 1 when it was not. */
static int
talk(struct torc_stream *stream)
{
	struct sender sender = { .stream = stream,
		.key = torc_sim_random(UINT32_MAX),
		.total = torc_sim_random(BYTES_MAX) };
	struct torc_task *task;
	const void *data;
	size_t at = 0;
	ssize_t got;
	int sent;

	if (torc_spawn(&task, send_pattern, &sender) < 0)
		return -ENOMEM;
	while ((got = torc_recv(stream, &data)) > 0) {
		if (!pattern_is(data, sender.key, at, (size_t)got))
			break;
		at += (size_t)got;
	}
	torc_cancel_join(task, &sent);
	if (got > 0)
		return 1;
	if (got < 0)
		return (int)got;
	return sent == 0 && at == sender.total ? 0 : sent < 0 ? sent : 1;
}

static int
client(void *arg)
{
	struct echo *echo = arg;
	struct torc_stream *stream;
	int ret;

	(void)torc_sleep(torc_sim_random(20 * TORC_MS));
	ret = torc_connect(&stream, &echo->at);
	if (ret == 0) {
		ret = talk(stream);
		torc_close(stream);
	}
	if (ret < 0 && echo->may_fail)
		ret = 0;
	return ret;
}

static int
echo_scenario(void *arg)
{
	struct echo *echo = arg;
	struct torc_address at = echo->at;
	struct torc_group clients;
	struct torc_task *server;
	int ret;

	torc_group_init(&clients);
	torc_group_init(&echo->sessions);
	do
		ret = torc_listen(&echo->listener, &at, NULL);
	while (ret == -EMFILE);
	if (ret < 0)
		return ret;
	torc_listener_address(echo->listener, &echo->at);
	ret = torc_spawn(&server, echo_server, echo);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&clients, client, echo);
	if (ret == 0)
		ret = torc_group_join(&clients);
	torc_cancel_join(server, NULL);
	torc_group_cancel_join(&echo->sessions);
	torc_listener_close(echo->listener);
	echo->at = at;
	return ret;
}

static void
search(const char *address, uint64_t faults, unsigned shards, uint32_t divisor)
{
	struct echo echo = { .may_fail = (faults & TORC_SIM_ERRORS) != 0 };
	struct torc_sim_options options = { .faults = faults, .size = 6 };
	struct torc_sim_result result;
	int ret;

	assert_int_equal(torc_address_parse(&echo.at, address, NULL), 0);
	ret = torc_sim_search(&options,
		&(struct torc_options){ .shards = shards },
		seeds_count(200) / divisor, echo_scenario, &echo, &result);
	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(result.completions > 0);
}

static void
nothing_is_lost_on_a_friendly_network(void **state)
{
	(void)state;
	search("127.0.0.1:0", 0, 1, 2);
}

static void
nothing_is_lost_by_what_a_kernel_is_free_to_do(void **state)
{
	(void)state;
	search("127.0.0.1:0", TORC_SIM_HIDDEN, 1, 1);
}

static void
nothing_is_lost_on_a_unix_socket(void **state)
{
	(void)state;
	search("@echo", TORC_SIM_HIDDEN, 1, 1);
}

static void
what_is_lost_by_the_network_is_said(void **state)
{
	(void)state;
	search("127.0.0.1:0", TORC_SIM_ALL, 1, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_on_a_friendly_network),
		cmocka_unit_test(
			nothing_is_lost_by_what_a_kernel_is_free_to_do),
		cmocka_unit_test(nothing_is_lost_on_a_unix_socket),
		cmocka_unit_test(what_is_lost_by_the_network_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
