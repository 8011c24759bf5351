/* SPDX-License-Identifier: MIT */
/*
 * Goal    A connection is made, or its error is told; neither a cancel nor a
 *         shortage leaves a descriptor behind.
 * Method  The real kernel, one shard. A listener whose backlog is full
 *         answers no more and stands for a host that is gone.
 */
#include <sys/resource.h>

#include "tests/core/io/fixture.h"

/* A plain listener on loopback. */
static int
raw_listen(struct torc_address *address, int backlog)
{
	int fd;

	*address = address_of(TCP);
	fd = raw_socket(address);
	must_be(bind(fd, &address->sa, address->len), 0);
	must_be(listen(fd, backlog), 0);
	must_be(getsockname(fd, &address->sa, &address->len), 0);
	return fd;
}

/* Nobody answers there: the one place in the backlog is taken. */
struct blackhole {
	struct torc_address address;
	int listener;
	int taker;
};

static void
blackhole_open(struct blackhole *hole)
{
	hole->listener = raw_listen(&hole->address, 0);
	hole->taker = raw_connect(&hole->address);
}

static void
blackhole_close(struct blackhole *hole)
{
	close(hole->taker);
	close(hole->listener);
}

static int
a_connection_carries_bytes_both_ways(void *unused)
{
	const char *const texts[] = { TCP, "[::1]:0", abstract_text() };

	(void)unused;
	for (int i = 0; i < 3; i++) {
		struct torc_address address = address_of(texts[i]);
		struct torc_listener *listener;
		struct torc_stream *ours, *theirs;
		char byte;

		must_be(torc_listen(&listener, &address, NULL), 0);
		torc_listener_address(listener, &address);
		must_be(torc_connect(&ours, &address), 0);
		must_be(torc_accept(listener, &theirs), 0);
		must_be(torc_send_all(ours, "a", 1), 1);
		must_be(torc_read(theirs, &byte, 1), 1);
		must_be(torc_send_all(theirs, "b", 1), 1);
		must_be(torc_read(ours, &byte, 1), 1);
		must_be(byte, 'b');
		torc_close(ours);
		torc_close(theirs);
		torc_listener_close(listener);
	}
	return 0;
}

static int
a_port_without_listener_refuses(void *unused)
{
	struct torc_stream *stream = NULL;
	struct torc_address address;
	int fd = raw_listen(&address, 1);

	(void)unused;
	close(fd);
	for (int i = 0; i < 10; i++)
		must_be(torc_connect(&stream, &address), -ECONNREFUSED);
	must(stream == NULL);
	return 0;
}

static int
a_unix_socket_that_is_missing_or_dead_is_told_apart(void *unused)
{
	char text[64];
	struct torc_stream *stream;
	struct torc_address address;
	int dead;

	(void)unused;
	snprintf(text, sizeof(text), "unix:/tmp/torc-connect-%d", getpid());
	address = address_of(text);
	must_be(torc_connect(&stream, &address), -ENOENT);
	dead = raw_socket(&address);
	must_be(bind(dead, &address.sa, address.len), 0);
	close(dead);

	must_be(torc_connect(&stream, &address), -ECONNREFUSED);

	unlink(address.un.sun_path);
	return 0;
}

static int
a_deadline_ends_a_connect_that_nobody_answers(void *unused)
{
	struct torc_deadline deadline;
	struct torc_stream *stream;
	struct blackhole hole;
	uint64_t start_ns = torc_clock_ns();

	(void)unused;
	blackhole_open(&hole);
	torc_deadline_begin(&deadline, 30 * TORC_MS);

	must_be(torc_connect(&stream, &hole.address), -ETIMEDOUT);

	torc_deadline_end(&deadline);
	must(torc_clock_ns() - start_ns >= 30 * TORC_MS);
	must_be_at_most(torc_clock_ns() - start_ns, 900 * TORC_MS);
	blackhole_close(&hole);
	return 0;
}

static int
connect_to(void *arg)
{
	struct torc_stream *stream;
	int ret = torc_connect(&stream, arg);

	if (ret == 0)
		torc_close(stream);
	return ret;
}

static int
a_cancelled_task_does_not_go_on_connecting(void *unused)
{
	struct blackhole hole;
	struct torc_task *task;
	int result;

	(void)unused;
	blackhole_open(&hole);
	for (int i = 0; i < 10; i++) {
		must_be(torc_spawn(&task, connect_to, &hole.address), 0);
		for (int n = i % 3; n > 0; n--)
			turn();
		torc_cancel_join(task, &result);
		must_be(result, -ECANCELED);
	}
	blackhole_close(&hole);
	return 0;
}

/* Whether the cancel or the connection wins, the value says which. */
static int
a_success_that_beats_its_cancel_is_not_lost(void *unused)
{
	struct torc_address address;
	int listener = raw_listen(&address, 500);
	unsigned succeeded = 0, canceled = 0;

	(void)unused;
	for (int i = 0; i < 400; i++) {
		struct torc_connect connect;

		torc_connect_start(&connect, &address);
		for (int n = i % 3; n > 0; n--)
			turn();
		torc_future_cancel(&connect.done);
		must(torc_await(&connect.done) == 0 ||
			connect.done.value == -ECANCELED);
		must_be(connect.done.value == 0, connect.stream != NULL);
		succeeded += connect.done.value == 0;
		canceled += connect.done.value != 0;
		torc_close(connect.stream);
	}

	must_be(succeeded + canceled, 400);
	must(succeeded > 0);
	close(listener);
	return 0;
}

static int
without_descriptors_a_connect_fails_at_once(void *unused)
{
	struct torc_address address;
	int listener = raw_listen(&address, 10), next = dup(listener);
	struct torc_stream *stream;
	struct rlimit old, limit;

	(void)unused;
	close(next);
	must_be(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)next;
	must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);

	must_be(torc_connect(&stream, &address), -EMFILE);

	must_be(setrlimit(RLIMIT_NOFILE, &old), 0);
	must_be(torc_connect(&stream, &address), 0);
	torc_close(stream);
	close(listener);
	return 0;
}

static int
two_hundred_at_once_all_connect(void *unused)
{
	struct torc_address address;
	int listener = raw_listen(&address, 500);
	struct torc_group group;

	(void)unused;
	torc_group_init(&group);
	for (int i = 0; i < 200; i++)
		must_be(torc_group_spawn(&group, connect_to, &address), 0);

	must_be(torc_group_join(&group), 0);

	close(listener);
	return 0;
}

/* Nobody waits for them any more when the runtime ends. */
static struct blackhole lasting_hole;

static int
leave_connects_in_flight(void *unused)
{
	static struct torc_connect connects[3];

	(void)unused;
	for (int i = 0; i < 3; i++) {
		torc_connect_start(&connects[i], &lasting_hole.address);
		turn();
	}
	return 0;
}

/* Every address of 127.0.0.0/8 is this machine's. */
static int
a_connection_comes_from_where_it_is_told(void *unused)
{
	struct torc_address here = address_of("127.3.2.1:0"), to, peer;
	struct torc_address elsewhere = address_of("192.0.2.1:0");
	struct torc_address other = address_of("[::1]:0");
	struct torc_stream *stream;
	unsigned before = fds_count();
	int listener = raw_listen(&to, 10);

	(void)unused;
	must_be(torc_connect_from(&stream, &to, &here), 0);
	must_be(torc_stream_local(stream, &peer), 0);
	must_be(peer.in.sin_addr.s_addr, here.in.sin_addr.s_addr);
	must(peer.in.sin_port != 0);
	torc_close(stream);

	must_be(torc_connect_from(&stream, &to, &elsewhere), -EADDRNOTAVAIL);
	must_be(torc_connect_from(&stream, &to, &other), -EAFNOSUPPORT);
	must_be(torc_connect_from(&stream, &to, &to), -EADDRINUSE);
	close(listener);
	wait_until(fds_count() == before);
	return 0;
}

static int
a_unix_client_may_have_a_name(void *unused)
{
	struct torc_address to = address_of(abstract_text()), from, peer;
	char text[TORC_ADDRESS_TEXT_MAX], name[TORC_ADDRESS_TEXT_MAX];
	struct torc_listener *listener;
	struct torc_stream *ours, *theirs;

	(void)unused;
	snprintf(text, sizeof(text), "@torc-client-%d", getpid());
	from = address_of(text);
	must_be(torc_listen(&listener, &to, NULL), 0);
	must_be(torc_connect_from(&ours, &to, &from), 0);
	must_be(torc_accept(listener, &theirs), 0);

	must_be(torc_stream_peer(theirs, &peer), 0);
	must(torc_address_format(&peer, name, sizeof(name)) > 0);
	must_be(strcmp(name, text), 0);

	torc_close(ours);
	torc_close(theirs);
	torc_listener_close(listener);
	return 0;
}

static void
connects_left_in_flight_end_with_the_runtime(void **unused)
{
	struct torc_options options = { .shards = 1 };
	unsigned fds_before = fds_count();
	uint64_t start_ns;

	(void)unused;
	blackhole_open(&lasting_hole);
	start_ns = torc_clock_ns();
	must_be(torc_run(&options, leave_connects_in_flight, NULL), 0);
	/* Not by the runtime giving up on them, which takes 5 s. */
	must_be_at_most(torc_clock_ns() - start_ns, 4 * TORC_S);
	blackhole_close(&lasting_hole);
	must_be(fds_count(), fds_before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_connection_carries_bytes_both_ways),
		WITH_TORC(a_port_without_listener_refuses),
		WITH_TORC(a_unix_socket_that_is_missing_or_dead_is_told_apart),
		WITH_TORC(a_deadline_ends_a_connect_that_nobody_answers),
		WITH_TORC(a_cancelled_task_does_not_go_on_connecting),
		WITH_TORC(a_success_that_beats_its_cancel_is_not_lost),
		WITH_TORC(without_descriptors_a_connect_fails_at_once),
		WITH_TORC(two_hundred_at_once_all_connect),
		WITH_TORC(a_connection_comes_from_where_it_is_told),
		WITH_TORC(a_unix_client_may_have_a_name),
		cmocka_unit_test(connects_left_in_flight_end_with_the_runtime),
	};

	return cmocka_run_group_tests_name(
		"core/io/connect", tests, NULL, NULL);
}
