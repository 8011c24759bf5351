/* SPDX-License-Identifier: MIT */
/*
 * Goal    A datagram arrives whole, with its sender, or not at all; what was
 *         taken from the kernel is never dropped.
 * Method  The real kernel, one shard, two where the port is shared. The
 *         other side is a plain socket.
 */
#include <netinet/in.h>
#include <stdatomic.h>

#include "tests/core/io/udp_fixture.h"

#define DATAGRAM_MAX 65507

/* What torc holds at most (udp.h), and what the kernel had on its way. */
#define HELD_MAX (64 + 33)

struct ends {
	struct torc_udp *udp;
	struct torc_address address; /* of udp */
	struct torc_address peer;    /* of fd */
	int fd;
};

static void
ends_open(struct ends *ends, const char *text)
{
	struct torc_address any = address_of(text);
	int bytes = 4 << 20;

	ends->udp = bind_at(text, &ends->address);
	ends->fd = raw_socket(&any);
	must_be(bind(ends->fd, &any.sa, any.len), 0);
	(void)setsockopt(
		ends->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	ends->peer = (struct torc_address){ .type = TORC_UDP,
		.len = sizeof(ends->peer.storage) };
	must_be(getsockname(ends->fd, &ends->peer.sa, &ends->peer.len), 0);
}

static void
ends_close(struct ends *ends)
{
	torc_udp_close(ends->udp);
	close(ends->fd);
}

static void
raw_send_to(
	int fd, const void *data, size_t bytes, const struct torc_address *to)
{
	must_be(sendto(fd, data, bytes, 0, &to->sa, to->len), bytes);
}

static bool
is_same_address(const struct torc_address *a, const struct torc_address *b)
{
	char one[TORC_ADDRESS_TEXT_MAX], two[TORC_ADDRESS_TEXT_MAX];

	must(torc_address_format(a, one, sizeof(one)) > 0);
	must(torc_address_format(b, two, sizeof(two)) > 0);
	return strcmp(one, two) == 0;
}

static void
check_sizes(const char *text, size_t max)
{
	const size_t sizes[] = { 0, 1, 1400, 9000, 16384, 65000, max };
	uint8_t *copy = copy_of_bytes(7, max);
	uint8_t *buf = malloc(max + 1);
	struct torc_address from;
	const void *data = NULL;
	struct ends ends;

	must(buf != NULL);
	ends_open(&ends, text);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		raw_send_to(ends.fd, copy, sizes[i], &ends.address);
		must_be(torc_udp_recv(ends.udp, &data, &from), sizes[i]);
		must_be(memcmp(data, copy, sizes[i]), 0);
		must(is_same_address(&from, &ends.peer));

		must_be(torc_udp_send(ends.udp, data, sizes[i], &from),
			sizes[i]);
		must_be(raw_recv(ends.fd, buf, max + 1), sizes[i]);
		must_be(memcmp(buf, copy, sizes[i]), 0);
	}
	ends_close(&ends);
	free(copy);
	free(buf);
}

static int
every_size_goes_both_ways_whole(void *unused)
{
	(void)unused;
	check_sizes(UDP, DATAGRAM_MAX);
	check_sizes("udp:[::1]:0", 65527);
	return 0;
}

static int
a_sender_over_ipv4_to_an_ipv6_socket_can_be_answered(void *unused)
{
	struct torc_address any = address_of(UDP), address, from;
	struct torc_udp *udp = bind_at("udp:[::]:0", &address);
	int fd = raw_socket(&any);
	const void *data;
	char byte;

	(void)unused;
	any.in.sin_port = address.in6.sin6_port;
	raw_send_to(fd, "x", 1, &any);

	must_be(torc_udp_recv(udp, &data, &from), 1);
	must_be(from.sa.sa_family, AF_INET6);
	must_be(torc_udp_send(udp, "y", 1, &from), 1);

	must_be(raw_recv(fd, &byte, 1), 1);
	close(fd);
	torc_udp_close(udp);
	return 0;
}

static int
more_than_a_datagram_is_emsgsize_and_it_works_on(void *unused)
{
	uint8_t *large = copy_of_bytes(0, DATAGRAM_MAX + 1);
	struct ends ends;
	char byte;

	(void)unused;
	ends_open(&ends, UDP);

	must_be(torc_udp_send(ends.udp, large, DATAGRAM_MAX + 1, &ends.peer),
		-EMSGSIZE);

	must_be(torc_udp_send(ends.udp, "x", 1, &ends.peer), 1);
	must_be(raw_recv(ends.fd, &byte, 1), 1);
	ends_close(&ends);
	free(large);
	return 0;
}

/*
 * What torc took it keeps, in order; the rest waits in the kernel's buffer,
 * whose limit decides what is dropped.
 */
static int
unread_datagrams_wait_in_order(void *unused)
{
	enum { COUNT = 250 };
	struct ends ends;
	const void *data;

	(void)unused;
	ends_open(&ends, UDP);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < COUNT; i++) {
			raw_send_to(ends.fd, &i, sizeof(i), &ends.address);
			if (i % (round + 1) == 0)
				turn();
			must_be_at_most(
				torc__shard->datagrams.taken_count, HELD_MAX);
		}
		torc_sleep(TORC_MS);
		must_be_at_most(torc__shard->datagrams.taken_count, HELD_MAX);
		for (uint32_t i = 0; i < COUNT; i++) {
			must_be(torc_udp_recv(ends.udp, &data, NULL),
				sizeof(i));
			must_be(memcmp(data, &i, sizeof(i)), 0);
		}
	}
	ends_close(&ends);
	return 0;
}

static int
a_flood_is_dropped_by_the_kernel_and_not_by_torc(void *unused)
{
	struct torc_deadline deadline;
	uint32_t last = 0, got = 0;
	struct ends ends;
	const void *data;
	ssize_t ret;

	(void)unused;
	ends_open(&ends, UDP);
	for (uint32_t i = 1; i <= 20000; i++) {
		raw_send_to(ends.fd, &i, sizeof(i), &ends.address);
		if (i % 100 == 0)
			turn();
	}
	torc_deadline_begin(&deadline, 200 * TORC_MS);
	while ((ret = torc_udp_recv(ends.udp, &data, NULL)) > 0) {
		uint32_t number;

		must_be(ret, sizeof(number));
		memcpy(&number, data, sizeof(number));
		must(number > last);
		last = number;
		got++;
	}
	torc_deadline_end(&deadline);

	must_be(ret, -ETIMEDOUT);
	must(got >= 64);
	ends_close(&ends);
	return 0;
}

static int
a_receive_that_timed_out_loses_no_datagram(void *unused)
{
	struct ends ends;
	const void *data;
	uint32_t sent = 0, got = 0, timeouts = 0;

	(void)unused;
	ends_open(&ends, UDP);
	while (got < 500) {
		struct torc_deadline deadline;
		ssize_t ret;

		if (sent < 500 && random_u64() % 2 == 0) {
			raw_send_to(
				ends.fd, &sent, sizeof(sent), &ends.address);
			sent++;
		}
		torc_deadline_begin(&deadline, random_u64() % (80 * TORC_US));
		ret = torc_udp_recv(ends.udp, &data, NULL);
		torc_deadline_end(&deadline);
		timeouts += ret == -ETIMEDOUT;
		if (ret == -ETIMEDOUT)
			continue;
		must_be(ret, sizeof(got));
		must_be(memcmp(data, &got, sizeof(got)), 0);
		got++;
	}
	must(timeouts > 50);
	ends_close(&ends);
	return 0;
}

struct sender {
	struct ends *ends;
	uint32_t number;
};

static int
send_number(void *arg)
{
	struct sender *s = arg;

	return (int)torc_udp_send(s->ends->udp, &s->number, sizeof(s->number),
		       &s->ends->peer) -
	       (int)sizeof(s->number);
}

static int
many_tasks_may_send_at_once(void *unused)
{
	enum { COUNT = 300 };
	static struct sender senders[COUNT];
	static bool is_seen[COUNT];
	struct torc_group group;
	struct ends ends;

	(void)unused;
	memset(is_seen, 0, sizeof(is_seen));
	ends_open(&ends, UDP);
	torc_group_init(&group);
	for (uint32_t i = 0; i < COUNT; i++) {
		senders[i] = (struct sender){ &ends, i };
		must_be(torc_group_spawn(&group, send_number, &senders[i]), 0);
	}
	must_be(torc_group_join(&group), 0);

	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t number;

		must_be(raw_recv(ends.fd, &number, sizeof(number)),
			sizeof(number));
		must(number < COUNT && !is_seen[number]);
		is_seen[number] = true;
	}
	ends_close(&ends);
	return 0;
}

static int
what_is_tried_leaves_whole_and_from_a_copy(void *unused)
{
	uint8_t *copy = copy_of_bytes(3, DATAGRAM_MAX), *buf = malloc(65536);
	char scratch[8] = "first";
	struct ends ends;

	(void)unused;
	must(buf != NULL);
	ends_open(&ends, UDP);
	must_be(torc_udp_try_send(ends.udp, scratch, 5, &ends.peer), 5);
	memcpy(scratch, "other", 5);
	must_be(torc_udp_try_send(ends.udp, NULL, 0, &ends.peer), 0);
	must_be(torc_udp_try_send(ends.udp, copy, DATAGRAM_MAX, &ends.peer),
		DATAGRAM_MAX);

	must_be(raw_recv(ends.fd, buf, 65536), 5);
	must_be(memcmp(buf, "first", 5), 0);
	must_be(raw_recv(ends.fd, buf, 65536), 0);
	must_be(raw_recv(ends.fd, buf, 65536), DATAGRAM_MAX);
	must_be(memcmp(buf, copy, DATAGRAM_MAX), 0);
	ends_close(&ends);
	free(copy);
	free(buf);
	return 0;
}

static int
one_tried_past_the_limit_is_eagain_until_some_left(void *unused)
{
	struct ends ends;
	uint32_t got;

	(void)unused;
	ends_open(&ends, UDP);
	for (uint32_t i = 0; i < TORC_UDP_TRY_MAX; i++)
		must_be(torc_udp_try_send(ends.udp, &i, sizeof(i), &ends.peer),
			sizeof(i));
	must_be(torc_udp_try_send(ends.udp, "x", 1, &ends.peer), -EAGAIN);
	must_be(torc_udp_try_send(ends.udp, "x", 65536, &ends.peer), -EMSGSIZE);

	for (uint32_t i = 0; i < TORC_UDP_TRY_MAX; i++) {
		must_be(raw_recv(ends.fd, &got, sizeof(got)), sizeof(got));
		must_be(got, i);
	}
	turn();
	must_be(torc_udp_try_send(ends.udp, "x", 1, &ends.peer), 1);
	must_be(raw_recv(ends.fd, &got, sizeof(got)), 1);
	ends_close(&ends);
	return 0;
}

static int
what_was_tried_before_a_close_still_leaves(void *unused)
{
	struct ends ends;
	char byte;

	(void)unused;
	ends_open(&ends, UDP);
	for (int i = 0; i < 20; i++)
		must_be(torc_udp_try_send(ends.udp, "x", 1, &ends.peer), 1);
	torc_udp_close(ends.udp);

	for (int i = 0; i < 20; i++)
		must_be(raw_recv(ends.fd, &byte, 1), 1);
	close(ends.fd);
	return 0;
}

static int
a_peer_that_is_gone_does_not_stop_the_socket(void *unused)
{
	struct torc_address gone;
	struct ends ends, other;
	const void *data;

	(void)unused;
	ends_open(&other, UDP);
	gone = other.peer;
	ends_close(&other);
	ends_open(&ends, UDP);
	for (int i = 0; i < 20; i++) {
		struct torc_deadline deadline;
		ssize_t ret;

		must_be(torc_udp_send(ends.udp, "x", 1, &gone), 1);
		torc_deadline_begin(&deadline, TORC_MS);
		ret = torc_udp_recv(ends.udp, &data, NULL);
		torc_deadline_end(&deadline);
		/* Linux tells ICMP errors to connected sockets only. */
		must_be(ret, -ETIMEDOUT);
		raw_send_to(ends.fd, "y", 1, &ends.address);
		must_be(torc_udp_recv(ends.udp, &data, NULL), 1);
	}
	ends_close(&ends);
	return 0;
}

static int
receive_once(void *arg)
{
	const void *data;

	return (int)torc_udp_recv(arg, &data, NULL);
}

static int
closing_ends_a_receive_that_waits(void *unused)
{
	struct torc_task *task;
	struct ends ends;
	int result;

	(void)unused;
	for (int i = 0; i < 4; i++) {
		ends_open(&ends, UDP);
		must_be(torc_spawn(&task, receive_once, ends.udp), 0);
		turn();
		if (i % 2 == 0)
			torc_sleep(TORC_MS);

		ends_close(&ends);

		must_be(torc_join(task, &result), 0);
		must_be(result, -ECANCELED);
	}
	return 0;
}

static int
closing_gives_back_what_nobody_read(void *unused)
{
	struct ends ends;
	const void *data;

	(void)unused;
	ends_open(&ends, UDP);
	for (int i = 0; i < 100; i++)
		raw_send_to(ends.fd, "x", 1, &ends.address);
	must_be(torc_udp_recv(ends.udp, &data, NULL), 1);
	torc_sleep(TORC_MS);
	must(torc__shard->datagrams.taken_count > 32);

	ends_close(&ends);

	wait_until(torc__shard->datagrams.taken_count == 0);
	return 0;
}

static int
a_port_in_use_is_refused(void *unused)
{
	struct torc_address address;
	struct torc_udp *udp;
	struct ends ends;

	(void)unused;
	ends_open(&ends, UDP);
	address = ends.peer;
	must_be(torc_udp_bind(&udp, &address), -EADDRINUSE);
	/* Nor does a plain socket get in beside ours. */
	close(ends.fd);
	ends.fd = raw_socket(&address);
	must_be(bind(ends.fd, &ends.address.sa, ends.address.len), -1);
	must_be(errno, EADDRINUSE);
	ends_close(&ends);
	return 0;
}

/* ---- two shards ---- */

static _Atomic unsigned got_by[2], bound_count;
static _Atomic bool is_over;
static struct torc_address shared_address;

/* Shard 0 takes a port, the other one the same. */
static struct torc_udp *
bind_shared(unsigned shard)
{
	struct torc_udp *udp;

	if (shard == 0) {
		udp = bind_at(UDP, &shared_address);
	} else {
		wait_until(bound_count == 1);
		must_be(torc_udp_bind(&udp, &shared_address), 0);
	}
	bound_count++;
	return udp;
}

static int
count_datagrams(void *unused)
{
	unsigned shard = torc_shard_index();
	struct torc_udp *udp = bind_shared(shard);
	const void *data;

	(void)unused;
	while (!is_over) {
		struct torc_deadline deadline;
		ssize_t ret;

		torc_deadline_begin(&deadline, 5 * TORC_MS);
		ret = torc_udp_recv(udp, &data, NULL);
		torc_deadline_end(&deadline);
		must(ret == 1 || ret == -ETIMEDOUT);
		got_by[shard] += ret == 1;
	}
	torc_udp_close(udp);
	return 0;
}

static int
send_from_200_sockets(void *unused)
{
	(void)unused;
	wait_until(bound_count == 2);
	for (unsigned i = 0; i < 200; i++) {
		int fd = raw_socket(&shared_address);

		raw_send_to(fd, "x", 1, &shared_address);
		close(fd);
		wait_until(got_by[0] + got_by[1] == i + 1);
	}
	is_over = true;
	return 0;
}

static int
the_shards_of_a_port_share_its_senders(void *unused)
{
	struct torc_task *task;

	(void)unused;
	must_be(torc_spawn(&task, send_from_200_sockets, NULL), 0);

	must_be(torc_run_on_shards(count_datagrams, NULL), 0);

	must_be(torc_join(task, NULL), 0);
	must_be(got_by[0] + got_by[1], 200);
	must(got_by[0] > 0 && got_by[1] > 0);
	return 0;
}

static _Atomic uint16_t ports[2];

static int
take_a_port(void *unused)
{
	struct torc_address actual;
	struct torc_udp *udp = bind_at(UDP, &actual);

	(void)unused;
	ports[torc_shard_index()] = actual.in.sin_port;
	wait_until(ports[0] != 0 && ports[1] != 0);
	torc_udp_close(udp);
	return 0;
}

static int
port_0_is_another_one_for_each_socket(void *unused)
{
	(void)unused;
	must_be(torc_run_on_shards(take_a_port, NULL), 0);

	must(ports[0] != ports[1]);
	return 0;
}

static int
sockets_left_open_are_closed_at_the_end(void *unused)
{
	static struct torc_future future;
	struct ends ends;

	(void)unused;
	ends_open(&ends, UDP);
	raw_send_to(ends.fd, "x", 1, &ends.address);
	close(ends.fd);
	ends_open(&ends, UDP);
	torc_udp_recv_start(ends.udp, &future);
	turn();
	close(ends.fd);
	return 0;
}

/* What a callback does that hears of an error, also of the runtime's end. */
static struct torc_udp *closed_by_callback[2];

static void
close_both(struct torc_future *future)
{
	(void)future;
	for (int i = 0; i < 2; i++) {
		torc_udp_close(closed_by_callback[i]);
		closed_by_callback[i] = NULL;
	}
}

static void
leave_open_until_a_callback_closes_both(int which)
{
	static struct torc_future future;
	struct torc_address actual;

	for (int i = 0; i < 2; i++)
		closed_by_callback[i] = bind_at(UDP, &actual);
	torc_udp_recv_start(closed_by_callback[which], &future);
	torc_future_then(&future, close_both, NULL);
}

static int
a_callback_may_close_what_the_runtimes_end_closes(void *unused)
{
	(void)unused;
	leave_open_until_a_callback_closes_both(0);
	return 0;
}

static int
a_second_callback_may_as_well(void *unused)
{
	(void)unused;
	leave_open_until_a_callback_closes_both(1);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(every_size_goes_both_ways_whole),
		WITH_TORC(a_sender_over_ipv4_to_an_ipv6_socket_can_be_answered),
		WITH_TORC(more_than_a_datagram_is_emsgsize_and_it_works_on),
		WITH_TORC(unread_datagrams_wait_in_order),
		WITH_TORC(a_flood_is_dropped_by_the_kernel_and_not_by_torc),
		WITH_TORC(a_receive_that_timed_out_loses_no_datagram),
		WITH_TORC(many_tasks_may_send_at_once),
		WITH_TORC(what_is_tried_leaves_whole_and_from_a_copy),
		WITH_TORC(one_tried_past_the_limit_is_eagain_until_some_left),
		WITH_TORC(what_was_tried_before_a_close_still_leaves),
		WITH_TORC(a_peer_that_is_gone_does_not_stop_the_socket),
		WITH_TORC(closing_ends_a_receive_that_waits),
		WITH_TORC(closing_gives_back_what_nobody_read),
		WITH_TORC(a_port_in_use_is_refused),
		WITH_SHARDS(the_shards_of_a_port_share_its_senders, 2),
		WITH_SHARDS(port_0_is_another_one_for_each_socket, 2),
		LEFT_OPEN(sockets_left_open_are_closed_at_the_end),
		LEFT_OPEN(a_callback_may_close_what_the_runtimes_end_closes),
		LEFT_OPEN(a_second_callback_may_as_well),
	};

	return cmocka_run_group_tests_name("core/io/udp", tests, NULL, NULL);
}
