/* SPDX-License-Identifier: MIT */
/*
 * Goal    When a listener ends, whoever was accepted is handed out or told,
 *         whoever comes later is refused, and who waits is woken.
 * Method  The real kernel. Clients are plain sockets.
 */
#include "tests/core/io/listener_fixture.h"

static int
stop_hands_out_what_was_accepted_and_refuses_the_rest(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int clients[5];

	(void)unused;
	clients[0] = raw_connect(&actual);
	must_be(torc_accept(listener, &stream), 0);
	torc_close(stream);
	for (int i = 1; i < 5; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(5 * TORC_MS);

	torc_listener_stop(listener);
	must_be(raw_try_connect(&actual), -ECONNREFUSED);

	for (int i = 1; i < 5; i++) {
		must_be(torc_accept(listener, &stream), 0);
		must_be(torc_send_all(stream, "x", 1), 1);
		torc_close(stream);
	}
	must_be(torc_accept(listener, &stream), -ESHUTDOWN);
	must_be(torc_accept(listener, &stream), -ESHUTDOWN);
	torc_listener_stop(listener);
	for (int i = 0; i < 5; i++)
		close(clients[i]);
	torc_listener_close(listener);
	return 0;
}

struct acceptor {
	struct torc_listener *listener;
	struct torc_stream *stream;
};

static int
accept_one(void *arg)
{
	struct acceptor *a = arg;

	return torc_accept(a->listener, &a->stream);
}

static int
stop_and_close_end_an_accept_that_waits(void *unused)
{
	(void)unused;
	for (int i = 0; i < 8; i++) {
		bool is_stop = i % 2 == 0, is_ahead = i / 2 % 2 == 0,
		     is_settled = i / 4 % 2 == 0;
		struct torc_address actual;
		struct acceptor acceptor = { .listener =
						     listen_on(TCP, &actual) };
		struct torc_task *task;
		int result;

		if (!is_ahead)
			torc_listener_ahead_set(acceptor.listener, 0);
		must_be(torc_spawn(&task, accept_one, &acceptor), 0);
		turn();
		if (is_settled)
			torc_sleep(TORC_MS);
		if (is_stop)
			torc_listener_stop(acceptor.listener);
		else
			torc_listener_close(acceptor.listener);

		must_be(torc_join(task, &result), 0);
		must_be(result, is_stop ? -ESHUTDOWN : -ECANCELED);
		if (is_stop)
			torc_listener_close(acceptor.listener);
	}
	return 0;
}

static int
close_resets_what_nobody_took(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int clients[4];
	char byte;

	(void)unused;
	for (int i = 0; i < 4; i++)
		clients[i] = raw_connect(&actual);
	must_be(torc_accept(listener, &stream), 0);
	torc_sleep(TORC_MS);

	torc_listener_close(listener);

	for (int i = 1; i < 4; i++)
		must_be(raw_recv(clients[i], &byte, 1), -ECONNRESET);
	must_be(torc_send_all(stream, "x", 1), 1);
	must_be(raw_recv(clients[0], &byte, 1), 1);
	torc_close(stream);
	for (int i = 0; i < 4; i++)
		close(clients[i]);
	return 0;
}

struct closer {
	struct torc_stream *trigger;
	struct torc_listener *listener;
};

static int
close_when_triggered(void *arg)
{
	struct closer *c = arg;
	const void *data;

	must_be(torc_recv(c->trigger, &data), 1);
	torc_listener_close(c->listener);
	return 0;
}

/* The kernel has accepted it, and torc has not seen that yet. */
static int
a_connection_too_late_for_its_listener_is_closed(void *unused)
{
	const char *const texts[] = { TCP, abstract_text() };
	struct pair trigger;
	char byte;

	(void)unused;
	pair_open(&trigger, TCP);
	for (int i = 0; i < 10; i++) {
		struct torc_address actual;
		struct closer closer = { .trigger = trigger.stream,
			.listener = listen_on(texts[i % 2], &actual) };
		struct torc_future acceptor;
		struct torc_task *task;
		int client;

		torc_accept_start(closer.listener, &acceptor);
		must_be(torc_spawn(&task, close_when_triggered, &closer), 0);
		torc_sleep(TORC_MS);
		raw_send(trigger.peer, 0, 1);
		client = raw_connect(&actual);

		must_be(torc_join(task, NULL), 0);

		must_be(torc_await(&acceptor), -ECANCELED);
		must(raw_recv(client, &byte, 1) <= 0);
		close(client);
	}
	pair_close(&trigger);
	return 0;
}

static int
listeners_left_open(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	static struct torc_future future;

	(void)unused;
	for (int i = 0; i < 3; i++)
		close(raw_connect(&actual));
	must_be(torc_accept(listener, &stream), 0);
	(void)listen_on(abstract_text(), &actual);
	torc_accept_start(listen_on(unix_text(), &actual), &future);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(
			stop_hands_out_what_was_accepted_and_refuses_the_rest),
		WITH_TORC(stop_and_close_end_an_accept_that_waits),
		WITH_TORC(close_resets_what_nobody_took),
		WITH_TORC(a_connection_too_late_for_its_listener_is_closed),
		LEFT_OPEN(listeners_left_open),
	};

	return cmocka_run_group_tests_name(
		"core/io/listener_end", tests, NULL, NULL);
}
