/* SPDX-License-Identifier: MIT */
/*
 * Goal    Datagrams in numbers: a connected socket hears its peer alone and
 *         learns that nobody is there; several are shown at once; what is
 *         sent as one message arrives as many, and what the kernel joins is
 *         shown one by one; a group's members get what is sent to it.
 * Method  The real kernel, one shard. The other side is a plain socket, or a
 *         second socket of torc's.
 */
#include <netinet/in.h>
#include <netinet/udp.h>

#include "tests/core/io/udp_fixture.h"

#define SEGMENT 1200

static int
a_connected_socket_hears_its_peer_alone(void *unused)
{
	struct torc_address here, there, other;
	struct torc_udp *udp = bind_at(UDP, &here);
	struct torc_udp *peer = bind_at(UDP, &there);
	struct torc_udp *stranger = bind_at(UDP, &other);
	const void *data;

	(void)unused;
	must_be(torc_udp_send(udp, "x", 1, NULL), -EDESTADDRREQ);
	must_be(torc_udp_connect(udp, &there), 0);
	must_be(torc_udp_send(stranger, "no", 2, &here), 2);
	must_be(torc_udp_send(peer, "yes", 3, &here), 3);

	must_be(torc_udp_recv(udp, &data, NULL), 3);
	must_be(memcmp(data, "yes", 3), 0);
	must_be(torc_udp_send(udp, "ok", 2, NULL), 2);
	must_be(torc_udp_recv(peer, &data, NULL), 2);
	must_be(torc_udp_try_send(udp, "also", 4, NULL), 4);
	must_be(torc_udp_recv(peer, &data, NULL), 4);

	torc_udp_close(stranger);
	torc_udp_close(peer);
	torc_udp_close(udp);
	return 0;
}

static int
it_may_be_connected_elsewhere(void *unused)
{
	struct torc_address here, first, second;
	struct torc_udp *udp = bind_at(UDP, &here);
	struct torc_udp *one = bind_at(UDP, &first);
	struct torc_udp *two = bind_at(UDP, &second);
	const void *data;

	(void)unused;
	must_be(torc_udp_connect(udp, &first), 0);
	must_be(torc_udp_connect(udp, &second), 0);
	must_be(torc_udp_send(udp, "x", 1, NULL), 1);

	must_be(torc_udp_recv(two, &data, NULL), 1);
	must_be(torc_udp_try_recv(one, &data, NULL), -EAGAIN);
	torc_udp_close(one);
	torc_udp_close(two);
	torc_udp_close(udp);
	return 0;
}

static int
a_connected_socket_learns_that_nobody_listens(void *unused)
{
	struct torc_address here, there;
	struct torc_udp *udp = bind_at(UDP, &here);
	struct torc_udp *gone = bind_at(UDP, &there);
	const void *data;

	(void)unused;
	torc_udp_close(gone);
	wait_until(torc__shard->ring.inflight_count <= 2);
	must_be(torc_udp_connect(udp, &there), 0);
	must_be(torc_udp_send(udp, "x", 1, NULL), 1);

	must_be(torc_udp_recv(udp, &data, NULL), -ECONNREFUSED);
	/* Told once; the socket works on. */
	must_be(torc_udp_try_recv(udp, &data, NULL), -EAGAIN);
	torc_udp_close(udp);
	return 0;
}

static int
another_family_is_refused(void *unused)
{
	struct torc_address here, six = address_of("udp:[::1]:9");
	struct torc_udp *udp = bind_at(UDP, &here);

	(void)unused;
	must_be(torc_udp_connect(udp, &six), -EAFNOSUPPORT);
	torc_udp_close(udp);
	return 0;
}

static int
all_that_are_there_are_shown_together(void *unused)
{
	enum { COUNT = 40, MAX = 16 };
	struct torc_address here;
	struct torc_udp *udp = bind_at(UDP, &here);
	struct torc_datagram shown[MAX];
	int fd = raw_socket(&here), got = 0;

	(void)unused;
	for (int i = 0; i < COUNT; i++)
		must_be(sendto(fd, &i, sizeof(i), 0, &here.sa, here.len),
			sizeof(i));
	while (got < COUNT) {
		int count = torc_udp_recv_many(udp, shown, MAX);

		must(count >= 1 && count <= MAX);
		for (int i = 0; i < count; i++, got++) {
			must_be(shown[i].bytes, sizeof(got));
			must_be(memcmp(shown[i].data, &got, sizeof(got)), 0);
			must_be(shown[i].from.type, TORC_UDP);
		}
	}
	must_be(torc_udp_try_recv(udp, &(const void *){ NULL }, NULL), -EAGAIN);
	close(fd);
	torc_udp_close(udp);
	return 0;
}

static int
what_was_shown_is_given_back_by_the_next_call(void *unused)
{
	struct torc_address here;
	struct torc_udp *udp = bind_at(UDP, &here);
	struct torc_datagram shown[4];
	int fd = raw_socket(&here);
	const void *data;

	(void)unused;
	for (int round = 0; round < 500; round++) {
		for (int i = 0; i < 4; i++)
			must_be(sendto(fd, "x", 1, 0, &here.sa, here.len), 1);
		must(torc_udp_recv_many(udp, shown, 4) >= 1);
		while (torc_udp_try_recv(udp, &data, NULL) >= 0)
			continue;
	}
	wait_until(torc_udp_try_recv(udp, &data, NULL) == -EAGAIN &&
		   torc__shard->datagrams.taken_count == 0);
	close(fd);
	torc_udp_close(udp);
	return 0;
}

/* Each is told from the others by its first bytes. */
static uint8_t *
numbered(size_t bytes)
{
	uint8_t *data = copy_of_bytes(0, bytes);

	for (uint32_t at = 0; at + sizeof(at) <= bytes; at += SEGMENT)
		memcpy(data + at, &at, sizeof(at));
	return data;
}

static void
expect_segments(struct torc_udp *udp, const uint8_t *data, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += SEGMENT) {
		size_t expected = bytes - at < SEGMENT ? bytes - at : SEGMENT;
		const void *shown;

		must_be(torc_udp_recv(udp, &shown, NULL), expected);
		must_be(memcmp(shown, data + at, expected), 0);
	}
}

/* A sender, and who receives. */
struct couple {
	struct torc_udp *udp, *sender;
	struct torc_address here;
};

static void
couple_open(struct couple *c)
{
	struct torc_address from;

	c->udp = bind_at(UDP, &c->here);
	c->sender = bind_at(UDP, &from);
}

static void
couple_close(struct couple *c)
{
	torc_udp_close(c->sender);
	torc_udp_close(c->udp);
}

static void
send_segments(struct couple *c, const uint8_t *data, size_t bytes)
{
	must_be(torc_udp_send_segments(
			c->sender, data, bytes, SEGMENT, &c->here),
		bytes);
}

static void
send_and_expect(bool is_joined)
{
	/* One less and one more than a message may hold, and in between. */
	static const size_t sizes[] = { 1, SEGMENT, SEGMENT + 1, 10 * SEGMENT,
		54 * SEGMENT, 54 * SEGMENT + 7, 60 * SEGMENT };
	struct couple c;
	int bytes = 4 << 20;

	couple_open(&c);
	(void)setsockopt(
		c.udp->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	must_be(torc_udp_join_set(c.udp, is_joined), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *data = numbered(sizes[i]);

		send_segments(&c, data, sizes[i]);
		expect_segments(c.udp, data, sizes[i]);
		free(data);
	}
	couple_close(&c);
}

static int
segments_arrive_as_datagrams_of_their_own(void *unused)
{
	(void)unused;
	send_and_expect(false);
	return 0;
}

static int
what_the_kernel_joined_is_shown_one_by_one(void *unused)
{
	(void)unused;
	send_and_expect(true);
	return 0;
}

/* Linux takes 64, later ones 128: past the limit it would refuse to join. */
static int
no_message_is_of_more_segments_than_the_kernel_takes(void *unused)
{
	enum { BYTES = 100, COUNT = 200 };
	uint8_t *data = copy_of_bytes(0, COUNT * BYTES);
	bool is_without_gso;
	const void *shown;
	struct couple c;

	(void)unused;
	couple_open(&c);
	must_be(torc_udp_send_segments(c.sender, data, 2, 1, &c.here), 2);
	is_without_gso = c.sender->is_without_gso;
	must_be(torc_udp_recv(c.udp, &shown, NULL), 1);
	must_be(torc_udp_recv(c.udp, &shown, NULL), 1);
	must_be(torc_udp_send_segments(
			c.sender, data, COUNT * BYTES, BYTES, &c.here),
		COUNT * BYTES);
	for (size_t i = 0; i < COUNT; i++) {
		must_be(torc_udp_recv(c.udp, &shown, NULL), BYTES);
		must_be(memcmp(shown, data + i * BYTES, BYTES), 0);
	}
	must_be(c.sender->is_without_gso, is_without_gso);
	free(data);
	couple_close(&c);
	return 0;
}

/* 20 segments are on their way, and may arrive as one message. */
static uint8_t *
couple_open_joined(struct couple *c)
{
	uint8_t *data = numbered(20 * SEGMENT);

	couple_open(c);
	must_be(torc_udp_join_set(c->udp, true), 0);
	send_segments(c, data, 20 * SEGMENT);
	return data;
}

/* The proof that the two cases above are not the same. */
static int
a_joined_message_takes_one_buffer(void *unused)
{
	struct couple c;
	uint8_t *data;

	(void)unused;
	data = couple_open_joined(&c);
	expect_segments(c.udp, data, SEGMENT);
	must_be(c.udp->held, 1);
	must(c.udp->rx_first != NULL);
	expect_segments(c.udp, data + SEGMENT, 19 * SEGMENT);

	free(data);
	couple_close(&c);
	return 0;
}

static int
a_joined_message_that_nobody_read_is_given_back(void *unused)
{
	struct couple c;
	uint8_t *data;

	(void)unused;
	data = couple_open_joined(&c);
	expect_segments(c.udp, data, 3 * SEGMENT);

	couple_close(&c);
	free(data);
	return 0;
}

static int
a_refused_gso_goes_out_singly(void *unused)
{
	struct couple c;
	uint8_t *data = numbered(5 * SEGMENT);

	(void)unused;
	couple_open(&c);
	c.sender->is_without_gso = true;
	send_segments(&c, data, 5 * SEGMENT);
	expect_segments(c.udp, data, 5 * SEGMENT);

	free(data);
	couple_close(&c);
	return 0;
}

static int
a_segment_is_as_large_as_a_datagram_may_be(void *unused)
{
	uint8_t *data = copy_of_bytes(0, 70000);
	struct torc_address here, six;
	struct torc_udp *udp = bind_at(UDP, &here);
	struct torc_udp *udp6 = bind_at("udp:[::1]:0", &six);
	const void *shown;

	(void)unused;
	must_be(torc_udp_send_segments(udp, data, 70000, 65507, &here), 70000);
	must_be(torc_udp_recv(udp, &shown, NULL), 65507);
	must_be(torc_udp_recv(udp, &shown, NULL), 70000 - 65507);
	must_be(torc_udp_send_segments(udp, data, 70000, 65508, &here),
		-EMSGSIZE);
	must_be(torc_udp_send_segments(udp6, data, 70000, 65527, &six), 70000);
	must_be(torc_udp_recv(udp6, &shown, NULL), 65527);
	must_be(torc_udp_recv(udp6, &shown, NULL), 70000 - 65527);
	must_be(torc_udp_send_segments(udp6, data, 70000, 65528, &six),
		-EMSGSIZE);
	free(data);
	torc_udp_close(udp);
	torc_udp_close(udp6);
	return 0;
}

static int
sockets_that_nobody_reads_leave_buffers_to_the_others(void *unused)
{
	enum { UNREAD = 60, EACH = 100 };
	static struct torc_udp *unread[UNREAD];
	struct torc_address here, there;
	struct torc_udp *udp;
	const void *data;
	int fd;

	(void)unused;
	for (int i = 0; i < UNREAD; i++) {
		unread[i] = bind_at(UDP, &there);
		must_be(torc_udp_try_recv(unread[i], &data, NULL), -EAGAIN);
		fd = raw_socket(&there);
		for (int n = 0; n < EACH; n++)
			must_be(sendto(fd, "x", 1, 0, &there.sa, there.len), 1);
		close(fd);
		turn();
	}
	udp = bind_at(UDP, &here);
	fd = raw_socket(&here);
	for (int n = 0; n < 200; n++) {
		must_be(sendto(fd, &n, sizeof(n), 0, &here.sa, here.len),
			sizeof(n));
		must_be(torc_udp_recv(udp, &data, NULL), sizeof(n));
		must_be(memcmp(data, &n, sizeof(n)), 0);
	}
	close(fd);
	torc_udp_close(udp);
	for (int i = 0; i < UNREAD; i++)
		torc_udp_close(unread[i]);
	return 0;
}

struct thief {
	struct torc_udp *udp;
	int stolen;
};

/* Takes all that is there before the one who waits for it runs. */
static int
steal(void *arg)
{
	struct thief *thief = arg;
	const void *data;

	while (thief->stolen < 1) {
		if (torc_udp_try_recv(thief->udp, &data, NULL) >= 0)
			thief->stolen++;
		must_be(torc_yield(), 0);
	}
	return 0;
}

static int
a_datagram_that_another_took_is_waited_for_anew(void *unused)
{
	struct torc_address here;
	struct thief thief = { bind_at(UDP, &here), 0 };
	struct torc_task *task;
	const void *data = NULL;
	int fd = raw_socket(&here);

	(void)unused;
	must_be(torc_spawn(&task, steal, &thief), 0);
	for (int i = 0; i < 2000 && thief.stolen == 0; i++) {
		must_be(sendto(fd, "x", 1, 0, &here.sa, here.len), 1);
		must_be(torc_udp_recv(thief.udp, &data, NULL), 1);
	}
	/* Whoever had the last one: no call may have said 0. */
	must_be(sendto(fd, "y", 1, 0, &here.sa, here.len), 1);
	thief.stolen = 1;
	must_be(torc_join(task, NULL), 0);
	close(fd);
	torc_udp_close(thief.udp);
	return 0;
}

static int
what_no_datagram_can_hold_is_refused_at_once(void *unused)
{
	static const char large[65536];
	struct torc_address here, six;
	struct torc_udp *udp = bind_at(UDP, &here);
	struct torc_udp *udp6 = bind_at("udp:[::1]:0", &six);

	(void)unused;
	must_be(torc_udp_try_send(udp, large, 65507, &here), 65507);
	must_be(torc_udp_try_send(udp, large, 65508, &here), -EMSGSIZE);
	must_be(torc_udp_try_send(udp6, large, 65527, &six), 65527);
	must_be(torc_udp_try_send(udp6, large, 65528, &six), -EMSGSIZE);
	torc_udp_close(udp);
	torc_udp_close(udp6);
	return 0;
}

static int
an_address_of_streams_is_refused(void *unused)
{
	struct torc_address tcp = address_of("tcp:127.0.0.1:0");
	struct torc_udp *udp;

	(void)unused;
	must_be(torc_udp_bind(&udp, &tcp), -EINVAL);
	return 0;
}

static int
members_of_a_group_get_what_is_sent_to_it(void *unused)
{
	struct torc_address here, from, group = address_of("udp:239.1.2.3:0");
	struct torc_udp *udp = bind_at("udp:0.0.0.0:0", &here);
	struct torc_udp *sender = bind_at("udp:127.0.0.1:0", &from);
	struct ip_mreqn out = { .imr_ifindex = 1 };
	const void *data;

	(void)unused;
	group.in.sin_port = here.in.sin_port;
	must_be(setsockopt(sender->fd, IPPROTO_IP, IP_MULTICAST_IF, &out,
			sizeof(out)),
		0);
	must_be(torc_udp_multicast_join(udp, &group, 1), 0);
	must_be(torc_udp_multicast_join(udp, &group, 1), -EADDRINUSE);
	must_be(torc_udp_send(sender, "hello", 5, &group), 5);
	must_be(torc_udp_recv(udp, &data, NULL), 5);

	must_be(torc_udp_multicast_leave(udp, &group, 1), 0);
	must_be(torc_udp_multicast_leave(udp, &group, 1), -EADDRNOTAVAIL);
	torc_udp_close(sender);
	torc_udp_close(udp);
	return 0;
}

static int
what_is_no_group_is_refused(void *unused)
{
	struct torc_address here, one = address_of("udp:127.0.0.1:1");
	struct torc_address six = address_of("udp:[ff02::1]:1");
	struct torc_udp *udp = bind_at("udp:0.0.0.0:0", &here);

	(void)unused;
	must_be(torc_udp_multicast_join(udp, &one, 1), -EINVAL);
	must_be(torc_udp_multicast_join(udp, &six, 1), -EINVAL);
	must_be(torc_udp_multicast_join(udp,
			&(struct torc_address){
				.in = { .sin_family = AF_INET,
					.sin_addr.s_addr =
						htonl(0xef010203) } },
			99999),
		-ENODEV);
	torc_udp_close(udp);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_connected_socket_hears_its_peer_alone),
		WITH_TORC(it_may_be_connected_elsewhere),
		WITH_TORC(a_connected_socket_learns_that_nobody_listens),
		WITH_TORC(another_family_is_refused),
		WITH_TORC(all_that_are_there_are_shown_together),
		WITH_TORC(what_was_shown_is_given_back_by_the_next_call),
		WITH_TORC(segments_arrive_as_datagrams_of_their_own),
		WITH_TORC(no_message_is_of_more_segments_than_the_kernel_takes),
		WITH_TORC(what_the_kernel_joined_is_shown_one_by_one),
		WITH_TORC(a_joined_message_takes_one_buffer),
		WITH_TORC(a_joined_message_that_nobody_read_is_given_back),
		WITH_TORC(a_refused_gso_goes_out_singly),
		WITH_TORC(a_segment_is_as_large_as_a_datagram_may_be),
		WITH_TORC(
			sockets_that_nobody_reads_leave_buffers_to_the_others),
		WITH_TORC(a_datagram_that_another_took_is_waited_for_anew),
		WITH_TORC(what_no_datagram_can_hold_is_refused_at_once),
		WITH_TORC(an_address_of_streams_is_refused),
		WITH_TORC(members_of_a_group_get_what_is_sent_to_it),
		WITH_TORC(what_is_no_group_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
