/* SPDX-License-Identifier: MIT */
/*
 * Goal    Of a name's addresses the first that takes the connection is taken,
 *         of as many as torc_connect_to() promises to try; a cancel ends it
 *         at either step.
 * Method  The real getaddrinfo(), with an /etc/hosts of the test's own.
 */
#include "tests/core/io/names.h"

/*
 * A listener at `where`, and "HOST:PORT" for it. What is farthest from
 * 127.0.0.1 is tried last (RFC 6724, rule 9).
 */
static struct torc_listener *
listen_for(const char *host, const char *where, char *text, size_t bytes)
{
	struct torc_address address = address_of(where);
	struct torc_listener *listener;

	must_be(torc_listen(&listener, &address, NULL), 0);
	torc_listener_address(listener, &address);
	snprintf(text, bytes, "%s:%u", host, ntohs(address.in.sin_port));
	return listener;
}

static int
the_first_address_that_takes_the_connection_is_taken(void *unused)
{
	struct torc_stream *stream, *peer;
	struct torc_connect_to connect;
	struct torc_listener *listener;
	char text[64];

	(void)unused;
	listener = listen_for("pair", "127.0.0.9:0", text, sizeof(text));
	torc_connect_to_start(&connect, text);
	must_be(torc_await(&connect.done), 0);
	must_be(connect._tried, 2);
	must_be(torc_accept(listener, &peer), 0);
	torc_close(connect.stream);
	torc_close(peer);
	must_be(torc_connect_to(&stream, text), 0);
	must_be(torc_accept(listener, &peer), 0);
	torc_close(stream);
	torc_close(peer);
	torc_listener_close(listener);
	turn();
	must_be(torc_connect_to(&stream, text), -ECONNREFUSED);
	must_be(torc_connect_to(&stream, "udp:127.0.0.1:9"), -EINVAL);
	must_be(torc_connect_to(&stream, "unix-dgram:/run/x"), -EINVAL);
	must_be(torc_connect_to(&stream, "no port"), -EINVAL);
	return 0;
}

static int
the_last_one_that_is_tried_may_take_it_and_no_later_one(void *unused)
{
	struct torc_connect_to connect;
	struct torc_listener *listener;
	struct torc_address address;
	struct torc_stream *peer;
	char text[64];

	(void)unused;
	listener = listen_for("sixteen", "127.1.0.1:0", text, sizeof(text));
	torc_connect_to_start(&connect, text);
	must_be(torc_await(&connect.done), 0);
	must_be(connect._tried, TORC_CONNECT_TO_MAX);
	must_be(torc_accept(listener, &peer), 0);
	torc_close(connect.stream);
	torc_close(peer);
	must_be(torc_listener_address(listener, &address), 0);
	snprintf(
		text, sizeof(text), "seventeen:%u", ntohs(address.in.sin_port));
	torc_connect_to_start(&connect, text);
	must_be(torc_await(&connect.done), -ECONNREFUSED);
	must_be(connect._tried, TORC_CONNECT_TO_MAX);
	torc_listener_close(listener);
	return 0;
}

/* Nobody answers: the one place in the backlog is taken. */
static int
a_cancel_ends_it_at_either_step(void *unused)
{
	struct torc_address address = address_of(TCP);
	struct torc_connect_to connect;
	int listener = raw_socket(&address), taker;
	char text[64];

	(void)unused;
	must_be(bind(listener, &address.sa, address.len), 0);
	must_be(listen(listener, 0), 0);
	must_be(getsockname(listener, &address.sa, &address.len), 0);
	taker = raw_connect(&address);
	snprintf(text, sizeof(text), "pair:%u", ntohs(address.in.sin_port));

	torc_connect_to_start(&connect, text);
	torc_future_cancel(&connect.done);
	must_be(torc_await(&connect.done), -ECANCELED);
	wait_until(counts().running == 0);
	torc_connect_to_start(&connect, text);
	wait_until(connect._tried == 1);
	turn();
	torc_future_cancel(&connect.done);
	must_be(torc_await(&connect.done), -ECANCELED);
	must_be(connect._tried, 1);
	close(taker);
	close(listener);
	return 0;
}

/* So many of 127.0.0.x, where nobody listens, and then 127.1.0.1. */
static void
add_name(char *hosts, size_t bytes, const char *name, unsigned count)
{
	size_t len = strlen(hosts);

	for (unsigned i = 2; i <= count; i++)
		len += (size_t)snprintf(
			hosts + len, bytes - len, "127.0.0.%u %s\n", i, name);
	len += (size_t)snprintf(
		hosts + len, bytes - len, "127.1.0.1 %s\n", name);
	must(len < bytes);
}

int
main(void)
{
	static char hosts[4096] = "127.0.0.1 localhost\n"
				  "127.0.0.9 pair\n127.0.0.1 pair\n";
	const struct CMUnitTest tests[] = {
		NAMES(the_first_address_that_takes_the_connection_is_taken, 0),
		NAMES(the_last_one_that_is_tried_may_take_it_and_no_later_one,
			0),
		NAMES(a_cancel_ends_it_at_either_step, 0),
	};

	add_name(hosts, sizeof(hosts), "sixteen", TORC_CONNECT_TO_MAX);
	add_name(hosts, sizeof(hosts), "seventeen", TORC_CONNECT_TO_MAX + 1);
	has_world = make_world(hosts);
	if (has_world)
		must_be(torc_run(&(struct torc_options){ .shards = 1 },
				fill_caches, NULL),
			0);
	return cmocka_run_group_tests_name(
		"core/io/connect_to", tests, NULL, NULL);
}
