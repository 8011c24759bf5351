/* SPDX-License-Identifier: MIT */
/*
 * Goal    An address is what a user typed: one of a kind that a call has no
 *         use for is refused with -EINVAL and leaves nothing behind.
 * Method  Each kind of address for each call that takes one, on the kernel
 *         and simulated.
 */
#include <torc/test/sim.h>

#include "tests/core/io/udp_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const datagrams[] = {
	"udp:127.0.0.1:1",
	"udp:[::1]:1",
	"unix-dgram:@x",
	"unix-dgram:/x",
};

static const char *const streams[] = {
	"127.0.0.1:1",
	"tcp:[::1]:1",
	"@x",
	"unix:/x",
	"unix-seqpacket:@x",
};

static void
refuse_connections(const char *text)
{
	struct torc_address address = address_of(text);
	struct torc_connect_to connect_to;
	struct torc_connect connect;
	struct torc_listener *listener = NULL;
	struct torc_stream *stream = NULL;

	must_be(torc_listen(&listener, &address, NULL), -EINVAL);
	must_be(torc_connect(&stream, &address), -EINVAL);
	must_be(torc_connect_from(&stream, &address, &address), -EINVAL);
	must_be(torc_connect_to(&stream, text), -EINVAL);
	torc_connect_start(&connect, &address);
	must_be(torc_await(&connect.done), -EINVAL);
	torc_connect_from_start(&connect, &address, &address);
	must_be(torc_await(&connect.done), -EINVAL);
	torc_connect_to_start(&connect_to, text);
	must_be(torc_await(&connect_to.done), -EINVAL);

	must(listener == NULL && stream == NULL);
	must(connect.stream == NULL && connect_to.stream == NULL);
}

static int
no_connection_has_an_address_of_datagrams(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < COUNT(datagrams); i++)
		refuse_connections(datagrams[i]);
	return 0;
}

static int
no_udp_socket_has_an_address_of_streams(void *unused)
{
	struct torc_udp *udp = NULL;

	(void)unused;
	for (unsigned i = 0; i < COUNT(streams); i++) {
		struct torc_address address = address_of(streams[i]);

		must_be(torc_udp_bind(&udp, &address), -EINVAL);
	}
	must(udp == NULL);
	return 0;
}

/* IPv4 and IPv6 are one kind. */
static int
a_connection_has_two_ends_of_one_kind(void *unused)
{
	static const char *const ends[][2] = {
		{ "127.0.0.1:1", "udp:127.0.0.1:0" },
		{ "127.0.0.1:1", "@x" },
		{ "@x", "unix-dgram:@y" },
		{ "@x", "unix-seqpacket:@y" },
		{ "unix-seqpacket:@x", "@y" },
	};
	struct torc_stream *stream = NULL;

	(void)unused;
	for (unsigned i = 0; i < COUNT(ends); i++) {
		struct torc_address to = address_of(ends[i][0]);
		struct torc_address from = address_of(ends[i][1]);

		must_be(torc_connect_from(&stream, &to, &from), -EINVAL);
	}
	must(stream == NULL);
	return 0;
}

static int
all_of_it(void *unused)
{
	must_be(no_connection_has_an_address_of_datagrams(unused), 0);
	must_be(no_udp_socket_has_an_address_of_streams(unused), 0);
	return a_connection_has_two_ends_of_one_kind(unused);
}

static void
the_simulation_refuses_the_same(void **unused)
{
	struct torc_sim_result result;

	(void)unused;
	assert_int_equal(torc_sim_run(NULL, NULL, all_of_it, NULL, &result), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(no_connection_has_an_address_of_datagrams),
		WITH_TORC(no_udp_socket_has_an_address_of_streams),
		WITH_TORC(a_connection_has_two_ends_of_one_kind),
		cmocka_unit_test(the_simulation_refuses_the_same),
	};

	return cmocka_run_group_tests_name("core/io/kind", tests, NULL, NULL);
}
