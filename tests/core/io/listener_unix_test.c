/* SPDX-License-Identifier: MIT */
/*
 * Goal    The path of a Unix socket belongs to those who listen there: theirs
 *         is left alone, what a dead process left is replaced, and the last
 *         of them removes it.
 * Method  The real kernel. Clients, and those who came first, are plain
 *         sockets.
 */
#include <sys/stat.h>

#include "tests/core/io/listener_fixture.h"

static bool
is_there(const struct torc_address *address)
{
	struct stat stat_buf;

	return stat(address->un.sun_path, &stat_buf) == 0;
}

static int
a_stale_unix_socket_is_replaced_and_removed_at_the_end(void *unused)
{
	struct torc_address address = address_of(unix_text()), actual;
	struct torc_listener *listener;
	int stale = raw_socket(&address);

	(void)unused;
	must_be(bind(stale, &address.sa, address.len), 0);
	must_be(listen(stale, 1), 0);
	close(stale);
	must(is_there(&address));

	listener = listen_on(unix_text(), &actual);

	close(raw_connect(&address));
	torc_listener_close(listener);
	wait_until(!is_there(&address));
	return 0;
}

static int
a_live_unix_socket_is_refused_even_with_a_full_backlog(void *unused)
{
	struct torc_address address = address_of(unix_text());
	int live = raw_socket(&address), waiting[2];
	struct torc_listener *listener;

	(void)unused;
	must_be(bind(live, &address.sa, address.len), 0);
	must_be(listen(live, 0), 0);
	must_be(torc_listen(&listener, &address, NULL), -EADDRINUSE);
	close(accept(live, NULL, NULL));
	waiting[0] = raw_connect(&address);
	waiting[1] = raw_socket(&address);
	must_be(fcntl(waiting[1], F_SETFL, O_NONBLOCK), 0);
	must_be(connect(waiting[1], &address.sa, address.len), -1);
	must_be(errno, EAGAIN);

	must_be(torc_listen(&listener, &address, NULL), -EADDRINUSE);

	must(is_there(&address));
	close(waiting[0]);
	close(waiting[1]);
	close(live);
	unlink(address.un.sun_path);
	return 0;
}

static int
another_file_is_not_replaced(void *unused)
{
	struct torc_address address = address_of(unix_text());
	struct torc_listener *listener;
	int file = open(address.un.sun_path, O_CREAT | O_WRONLY, 0600);

	(void)unused;
	must(file >= 0);
	close(file);

	must_be(torc_listen(&listener, &address, NULL), -EADDRINUSE);

	must(is_there(&address));
	unlink(address.un.sun_path);
	return 0;
}

/* The first socket of a path may go before the others. */
static int
a_unix_path_lasts_as_long_as_any_of_its_listeners(void *unused)
{
	struct torc_address address;
	struct torc_listener *first = listen_on(unix_text(), &address);
	struct torc_listener *second = listen_on(unix_text(), &address);
	struct torc_listener *third;
	struct torc_stream *stream;
	int client;

	(void)unused;
	torc_listener_close(first);
	torc_sleep(TORC_MS);
	must(is_there(&address));
	third = listen_on(unix_text(), &address);
	torc_listener_close(second);
	torc_sleep(TORC_MS);

	client = raw_connect(&address);
	must_be(torc_accept(third, &stream), 0);
	torc_close(stream);
	close(client);
	torc_listener_close(third);

	wait_until(!is_there(&address));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(
			a_stale_unix_socket_is_replaced_and_removed_at_the_end),
		WITH_TORC(
			a_live_unix_socket_is_refused_even_with_a_full_backlog),
		WITH_TORC(another_file_is_not_replaced),
		WITH_TORC(a_unix_path_lasts_as_long_as_any_of_its_listeners),
	};

	return cmocka_run_group_tests_name(
		"core/io/listener_unix", tests, NULL, NULL);
}
