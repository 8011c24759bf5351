/* SPDX-License-Identifier: MIT */
/*
 * Goal    Mistakes with a datagram socket end the program with a line that
 *         names them.
 * Method  Programs that make one, in a child.
 */
#include <unistd.h>

#include <torc.h>

#include "tests/support/child.h"
#include "tests/test.h"

static struct torc_udp *
bind_one(const char *where)
{
	struct torc_address address;
	struct torc_udp *udp;

	if (torc_address_parse(&address, where, NULL) < 0 ||
		torc_udp_bind(&udp, &address) < 0)
		_exit(99);
	return udp;
}

static int
receive(void *udp)
{
	const void *data;

	return (int)torc_udp_recv(udp, &data, NULL);
}

static int
receive_twice(void *arg)
{
	struct torc_udp *udp = bind_one("udp:127.0.0.1:0");

	(void)arg;
	if (torc_spawn(NULL, receive, udp) < 0)
		return 99;
	return receive(udp);
}

static int
use_elsewhere(void *arg)
{
	struct torc_udp *udp = bind_one("udp:127.0.0.1:0");
	int result;

	(void)arg;
	return torc_call_remote(1, receive, udp, &result);
}

/* To a receiver that takes nothing. */
static int
send_for_ever(void *arg)
{
	struct torc_udp *udp = arg;

	while (torc_udp_send(udp, "x", 1, NULL) == 1)
		continue;
	return 0;
}

static int
close_under_a_send(void *arg)
{
	struct torc_udp *server = bind_one("unix-dgram:@torc-udp-misuse");
	struct torc_udp *client = bind_one("unix-dgram:@");
	struct torc_address to;

	(void)arg;
	torc_udp_address(server, &to);
	if (torc_udp_connect(client, &to) < 0 ||
		torc_spawn(NULL, send_for_ever, client) < 0)
		return 99;
	torc_sleep(20 * TORC_MS);
	torc_udp_close(client);
	return 0;
}

static int
receive_none(void *arg)
{
	struct torc_datagram datagram;

	(void)arg;
	return torc_udp_recv_many(bind_one("udp:127.0.0.1:0"), &datagram, 0);
}

static void
room_for_no_datagram_is_told_at_once(void **state)
{
	(void)state;
	assert_says(last_words_of_run(receive_none, NULL, 1), "max > 0");
}

static void
two_tasks_that_receive_are_told_so(void **state)
{
	(void)state;
	assert_says(last_words_of_run(receive_twice, NULL, 1),
		"two tasks receive from one udp socket");
}

static void
another_shard_is_told_whose_it_is(void **state)
{
	(void)state;
	assert_says(last_words_of_run(use_elsewhere, NULL, 2),
		"a udp socket of shard 0 is used on shard 1");
}

static void
closing_under_a_send_is_told(void **state)
{
	(void)state;
	assert_says(last_words_of_run(close_under_a_send, NULL, 1),
		"closed while a task sends on it");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_for_no_datagram_is_told_at_once),
		cmocka_unit_test(two_tasks_that_receive_are_told_so),
		cmocka_unit_test(another_shard_is_told_whose_it_is),
		cmocka_unit_test(closing_under_a_send_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
