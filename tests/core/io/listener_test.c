/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whoever connects is accepted once, or waits, or is refused; nobody
 *         is accepted and dropped. An address belongs to one process.
 * Method  The real kernel. Clients are plain sockets; a second process is
 *         this program with --listen ADDRESS.
 */
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "tests/core/io/listener_fixture.h"

/* What a process of its own gets when it listens there, too. */
static int
listen_elsewhere(const struct torc_address *address)
{
	char text[TORC_ADDRESS_TEXT_MAX];
	char *args[] = { "/proc/self/exe", "--listen", text, NULL };
	int status;
	pid_t pid;

	must(torc_address_format(address, text, sizeof(text)) > 0);
	must_be(posix_spawn(&pid, args[0], NULL, NULL, args, environ), 0);
	must_be(waitpid(pid, &status, 0), pid);
	must(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* That process: its exit status is the errno. */
static int
listen_once(void *address)
{
	struct torc_listener *listener;
	int ret = torc_listen(&listener, address, NULL);

	if (ret == 0)
		torc_listener_close(listener);
	return ret;
}

static int
port_0_becomes_a_port(void *unused)
{
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);

	must(pair.address.in.sin_port != 0);
	must_be(pair.address.type, TORC_TCP);

	pair_close(&pair);
	return 0;
}

static int
a_shard_gets_a_port_of_its_own_each_time_it_asks(void *unused)
{
	struct torc_address one, two, three;
	struct torc_listener *first = listen_on(TCP, &one);
	struct torc_listener *second = listen_on(TCP, &two);
	struct torc_listener *third;

	(void)unused;
	must(one.in.sin_port != two.in.sin_port);
	torc_listener_close(first);
	third = listen_on(TCP, &three);
	must(three.in.sin_port != two.in.sin_port);

	torc_listener_close(second);
	torc_listener_close(third);
	return 0;
}

static int
connections_come_in_their_order(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int clients[100];
	uint8_t byte;

	(void)unused;
	for (uint8_t i = 0; i < 100; i++) {
		clients[i] = raw_connect(&actual);
		must_be(send(clients[i], &i, 1, 0), 1);
	}
	for (int i = 0; i < 100; i++) {
		must_be(torc_accept(listener, &stream), 0);
		must_be(torc_read(stream, &byte, 1), 1);
		must_be(byte, i);
		torc_close(stream);
		close(clients[i]);
	}
	torc_listener_close(listener);
	return 0;
}

static int
a_listener_can_be_opened_again_at_once(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	char text[TORC_ADDRESS_TEXT_MAX];

	(void)unused;
	must(torc_address_format(&actual, text, sizeof(text)) > 0);
	for (int i = 0; i < 50; i++) {
		int client = raw_connect(&actual);

		must_be(torc_accept(listener, &stream), 0);
		torc_listener_close(listener);
		listener = listen_on(text, &actual);
		torc_abort(stream);
		close(client);
	}
	torc_listener_close(listener);
	return 0;
}

/* ---- several shards, several processes ---- */

static _Atomic unsigned accepted_by[2];
static _Atomic unsigned listening_count;
static _Atomic bool is_over;
static struct torc_address shared_address;

static int
accept_until_over(void *text)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(text, &actual);
	unsigned shard = torc_shard_index();

	if (shard == 0)
		shared_address = actual;
	listening_count++;
	while (!is_over) {
		struct torc_deadline deadline;
		struct torc_stream *stream;
		int ret;

		torc_deadline_begin(&deadline, 5 * TORC_MS);
		ret = torc_accept(listener, &stream);
		torc_deadline_end(&deadline);
		must(ret == 0 || ret == -ETIMEDOUT);
		if (ret < 0)
			continue;
		accepted_by[shard]++;
		torc_close(stream);
	}
	torc_listener_close(listener);
	return 0;
}

static int
connect_200(void *unused)
{
	char byte;

	(void)unused;
	wait_until(listening_count == 2);
	for (int i = 0; i < 200; i++) {
		int client = raw_connect(&shared_address);

		must_be(raw_recv(client, &byte, 1), 0);
		close(client);
	}
	is_over = true;
	return 0;
}

static void
check_both_shards_accept(const char *text)
{
	struct torc_task *task;

	accepted_by[0] = accepted_by[1] = 0;
	listening_count = 0;
	is_over = false;
	must_be(torc_spawn(&task, connect_200, NULL), 0);

	must_be(torc_run_on_shards(accept_until_over, (void *)(uintptr_t)text),
		0);

	must_be(torc_join(task, NULL), 0);
	must_be(accepted_by[0] + accepted_by[1], 200);
}

static int
both_shards_get_connections_of_one_port(void *unused)
{
	(void)unused;
	check_both_shards_accept(TCP);
	/* By hash: that 200 all go one way happens once in 2^199. */
	must(accepted_by[0] > 0 && accepted_by[1] > 0);
	/* A Unix socket is shared; who wins is the kernel's choice. */
	check_both_shards_accept(abstract_text());
	return 0;
}

static int
another_process_is_refused(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);

	(void)unused;
	must_be(listen_elsewhere(&actual), -EADDRINUSE);

	torc_listener_close(listener);
	wait_until(is_shard_quiet());
	must_be(listen_elsewhere(&actual), 0);
	return 0;
}

static int
refuse_while_shards_listen(void *unused)
{
	(void)unused;
	wait_until(listening_count == 2);
	must_be(listen_elsewhere(&shared_address), -EADDRINUSE);
	is_over = true;
	return 0;
}

/* Sockets that share a port do not let a third one in. */
static int
another_process_is_refused_when_shards_share_the_port(void *unused)
{
	struct torc_task *task;

	(void)unused;
	listening_count = 0;
	is_over = false;
	must_be(torc_spawn(&task, refuse_while_shards_listen, NULL), 0);

	must_be(torc_run_on_shards(accept_until_over, TCP), 0);

	must_be(torc_join(task, NULL), 0);
	return 0;
}

static int
an_address_that_is_not_ours_is_an_error(void *unused)
{
	struct torc_address address = address_of("192.0.2.1:0");
	struct torc_listener *listener;

	(void)unused;
	must_be(torc_listen(&listener, &address, NULL), -EADDRNOTAVAIL);
	address = address_of("unix:/nonexistent/socket");
	must_be(torc_listen(&listener, &address, NULL), -ENOENT);
	return 0;
}

/* ---- accepting ahead ---- */

static int
with_ahead_0_nobody_is_accepted_that_nobody_waits_for(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int clients[3];

	(void)unused;
	torc_listener_ahead_set(listener, 0);
	must_accept_nobody(listener, TORC_MS);
	for (int i = 0; i < 3; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(5 * TORC_MS);
	must_be(queued_in_backlog(&actual), 3);

	for (int i = 0; i < 3; i++) {
		must_be(torc_accept(listener, &stream), 0);
		torc_sleep(5 * TORC_MS);
		must_be(queued_in_backlog(&actual), 2 - i);
		torc_close(stream);
		close(clients[i]);
	}
	torc_listener_close(listener);
	return 0;
}

static int
ahead_0_ends_the_accepting_that_goes_on(void *unused)
{
	struct pair pair;
	int second;

	(void)unused;
	pair_open(&pair, TCP);
	torc_listener_ahead_set(pair.listener, 0);
	torc_sleep(TORC_MS);
	second = raw_connect(&pair.address);
	torc_sleep(5 * TORC_MS);

	must_be(queued_in_backlog(&pair.address), 1);

	close(second);
	pair_close(&pair);
	return 0;
}

/* What was there at once comes at once; but then it stops. */
static int
accepting_ahead_pauses_at_its_bound_and_goes_on(void *unused)
{
	enum { AT_ONCE = 600, CLIENTS = 700 };
	static int clients[CLIENTS];
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;

	(void)unused;
	clients[0] = raw_connect(&actual);
	must_be(torc_accept(listener, &stream), 0);
	torc_close(stream);
	for (int i = 1; i < AT_ONCE; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(10 * TORC_MS);
	for (int i = AT_ONCE; i < CLIENTS; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(10 * TORC_MS);

	must(queued_in_backlog(&actual) >= CLIENTS - AT_ONCE);

	for (int i = 1; i < CLIENTS; i++) {
		must_be(torc_accept(listener, &stream), 0);
		torc_close(stream);
	}
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	torc_listener_close(listener);
	return 0;
}

/* ---- interrupts ---- */

static int
an_accept_that_timed_out_loses_no_connection(void *unused)
{
	enum { CLIENTS = 300 };
	static int clients[CLIENTS];
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	int accepted = 0, connected = 0, timeouts = 0;

	(void)unused;
	for (int turn = 0; accepted < CLIENTS; turn++) {
		struct torc_deadline deadline;
		struct torc_stream *stream;
		int ret;

		must(turn < 100000);
		torc_listener_ahead_set(listener, turn / 64 % 2 * 64);
		if (connected < CLIENTS && turn % 2 == 0)
			clients[connected++] = raw_connect(&actual);
		torc_deadline_begin(&deadline, random_u64() % (80 * TORC_US));
		ret = torc_accept(listener, &stream);
		torc_deadline_end(&deadline);
		must(ret == 0 || ret == -ETIMEDOUT);
		timeouts += ret < 0;
		if (ret < 0)
			continue;
		/* Its own client gets its byte: nobody was skipped. */
		must_be(torc_send_all(stream, "x", 1), 1);
		torc_close(stream);
		accepted++;
	}

	must(timeouts > 50);
	for (int i = 0; i < CLIENTS; i++) {
		char byte;

		must_be(raw_recv(clients[i], &byte, 1), 1);
		close(clients[i]);
	}
	torc_listener_close(listener);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(port_0_becomes_a_port),
		WITH_TORC(a_shard_gets_a_port_of_its_own_each_time_it_asks),
		WITH_TORC(connections_come_in_their_order),
		WITH_TORC(a_listener_can_be_opened_again_at_once),
		WITH_SHARDS(both_shards_get_connections_of_one_port, 2),
		WITH_TORC(another_process_is_refused),
		WITH_SHARDS(
			another_process_is_refused_when_shards_share_the_port,
			2),
		WITH_TORC(an_address_that_is_not_ours_is_an_error),
		WITH_TORC(
			with_ahead_0_nobody_is_accepted_that_nobody_waits_for),
		WITH_TORC(ahead_0_ends_the_accepting_that_goes_on),
		WITH_TORC(accepting_ahead_pauses_at_its_bound_and_goes_on),
		WITH_TORC(an_accept_that_timed_out_loses_no_connection),
	};

	if (argc == 3) {
		struct torc_options options = { .shards = 1 };
		struct torc_address address = address_of(argv[2]);

		return -torc_run(&options, listen_once, &address);
	}
	return cmocka_run_group_tests_name(
		"core/io/listener", tests, NULL, NULL);
}
