/* SPDX-License-Identifier: MIT */
/*
 * Goal    The same as cancel_task_test, for what waits with a
 *         socket: whatever came before the cancel can still be had, and
 *         whatever was being done has ended.
 * Method  tests/core/waits.h runs each row in every way, on a real ring.
 */
#include "tests/core/waits.h"

#define LITTLE ((size_t)10)
#define MUCH ((size_t)8 << 20)

static struct pair pair;

static void
arrange_pair(void)
{
	pair_open(&pair, TCP);
}

static void
clear_pair(void)
{
	pair_close(&pair);
}

/* Without a wait, so that what follows is in the same turn. */
static void
peer_sends(const void *data, size_t bytes)
{
	must_be(send(pair.peer, data, bytes, MSG_NOSIGNAL), bytes);
}

/* ---- receiving ---- */

static int64_t
wait_recv(void)
{
	const void *data;

	return torc_recv(pair.stream, &data);
}

static void
complete_recv(void)
{
	peer_sends(bytes_at(0), LITTLE);
}

static void
clear_recv(void)
{
	const void *data;

	if (wait_completes() && wait_result < 0) {
		must_be(torc_recv(pair.stream, &data), LITTLE);
		must(is_right(data, 0, LITTLE));
	}
	clear_pair();
}

static void
arrange_half(void)
{
	arrange_pair();
	complete_recv();
}

static int64_t
wait_read_exact(void)
{
	uint8_t buf[2 * LITTLE];

	return torc_read_exact(pair.stream, buf, sizeof(buf));
}

static struct torc_reader reader;
static char line_buf[64];

static void
arrange_line(void)
{
	arrange_pair();
	torc_reader_init(&reader, torc_stream_source(pair.stream), line_buf,
		sizeof(line_buf));
	peer_sends("hel", 3);
}

static int64_t
wait_line(void)
{
	char *line;

	return torc_reader_line(&reader, &line, NULL);
}

static void
complete_line(void)
{
	peer_sends("lo\n", 3);
}

static void
clear_line(void)
{
	char *line;

	if (wait_result < 0) {
		if (!wait_completes())
			complete_line();
		must_be(torc_reader_line(&reader, &line, NULL), 1);
		must_be(strcmp(line, "hello"), 0);
	}
	clear_pair();
}

/* ---- sending to who does not read ---- */

static struct torc_task *drain;

static int
drain_peer(void *arg)
{
	static uint8_t buf[POOL_PIECE];
	ssize_t ret;

	(void)arg;
	while ((ret = raw_recv_some(pair.peer, buf, sizeof(buf))) != 0) {
		if (ret == -EAGAIN)
			torc_sleep(50 * TORC_US);
		else if (ret < 0)
			break;
	}
	return 0;
}

static void
arrange_send(void)
{
	arrange_pair();
	drain = NULL;
}

static int64_t
wait_send_all(void)
{
	uint8_t *data = copy_of_bytes(0, MUCH);
	int64_t ret = torc_send_all(pair.stream, data, MUCH);

	free(data);
	return ret;
}

static void
complete_send(void)
{
	must_be(torc_spawn(&drain, drain_peer, NULL), 0);
}

static void
clear_send(void)
{
	torc_close(pair.stream);
	if (drain != NULL)
		must_be(torc_join(drain, NULL), 0);
	torc_listener_close(pair.listener);
	close(pair.peer);
}

/* ---- connections ---- */

static struct torc_listener *listener;
static struct torc_address address;
static int client;

static void
arrange_listener(void)
{
	address = address_of(TCP);
	client = -1;
	must_be(torc_listen(&listener, &address, NULL), 0);
	torc_listener_address(listener, &address);
}

static int64_t
wait_accept(void)
{
	struct torc_stream *stream;
	int ret = torc_accept(listener, &stream);

	if (ret == 0)
		torc_close(stream);
	return ret;
}

static void
complete_accept(void)
{
	client = raw_connect(&address);
}

static void
clear_accept(void)
{
	torc_listener_close(listener);
	if (client >= 0)
		close(client);
}

/* The one place in its backlog is taken: nobody answers. */
static int hole, taker, taken;

static void
arrange_blackhole(void)
{
	address = address_of(TCP);
	taken = -1;
	hole = raw_socket(&address);
	must_be(bind(hole, &address.sa, address.len), 0);
	must_be(listen(hole, 0), 0);
	must_be(getsockname(hole, &address.sa, &address.len), 0);
	taker = raw_connect(&address);
}

static int64_t
wait_connect(void)
{
	struct torc_stream *stream;
	int ret = torc_connect(&stream, &address);

	if (ret == 0)
		torc_close(stream);
	return ret;
}

/* The next try, a second later, finds a place. */
static void
complete_connect(void)
{
	taken = accept4(hole, NULL, NULL, SOCK_CLOEXEC);
	must(taken >= 0);
}

static void
clear_blackhole(void)
{
	close(hole);
	close(taker);
	if (taken >= 0)
		close(taken);
}

static struct torc_stream *left, *right;

static int64_t
wait_relay(void)
{
	struct torc_stream *a, *b;

	must_be(torc_stream_pair(&left, &a), 0);
	must_be(torc_stream_pair(&b, &right), 0);
	return torc_relay(a, b, 0);
}

static void
complete_relay(void)
{
	must_be(torc_shutdown(left), 0);
	must_be(torc_shutdown(right), 0);
}

static void
arrange_relay(void)
{
}

static void
clear_relay(void)
{
	torc_close(left);
	torc_close(right);
}

static struct torc_udp *udp;
static int datagrams;

static void
arrange_udp(void)
{
	address = address_of("udp:127.0.0.1:0");
	must_be(torc_udp_bind(&udp, &address), 0);
	must_be(torc_udp_address(udp, &address), 0);
	datagrams = raw_socket(&address);
}

static int64_t
wait_udp_recv(void)
{
	const void *data;

	return torc_udp_recv(udp, &data, NULL);
}

static void
complete_udp_recv(void)
{
	must_be(sendto(datagrams, "hello", 5, 0, &address.sa, address.len), 5);
}

static void
clear_udp(void)
{
	if (wait_completes() && wait_result < 0)
		must_be(wait_udp_recv(), 5);
	torc_udp_close(udp);
	close(datagrams);
}

static int64_t
wait_udp_recv_many(void)
{
	struct torc_datagram many[4];

	return torc_udp_recv_many(udp, many, 4);
}

static int64_t
wait_connect_to(void)
{
	struct torc_stream *stream;
	char text[32];
	int ret;

	snprintf(
		text, sizeof(text), "127.0.0.1:%u", ntohs(address.in.sin_port));
	ret = torc_connect_to(&stream, text);
	if (ret == 0)
		torc_close(stream);
	return ret;
}

/* ---- two ends in one process ---- */

static void
arrange_packets(void)
{
	must_be(torc_packet_pair(&left, &right), 0);
}

static int64_t
wait_packet(void)
{
	const void *data;

	return torc_recv(left, &data);
}

static struct torc_send packet;

static void
complete_packet(void)
{
	packet = (struct torc_send){ .data = "hello", .bytes = 5 };
	torc_send_start(right, &packet);
}

static void
clear_packets(void)
{
	if (wait_completes() && wait_result < 0)
		must_be(wait_packet(), 5);
	if (wait_completes())
		must_be(torc_await(&packet.done), 5);
	torc_close(left);
	torc_close(right);
}

static void
arrange_stream_pair(void)
{
	must_be(torc_stream_pair(&left, &right), 0);
	drain = NULL;
}

static void
clear_stream_pair(void)
{
	torc_close(left);
	torc_close(right);
}

/* Ends with its source, after what was copied. */
static int64_t
wait_copy(void)
{
	return torc_copy(torc_stream_source(left), torc_stream_sink(left));
}

static void
complete_copy(void)
{
	must_be(torc_shutdown(right), 0);
}

static int64_t
wait_recv_fds(void)
{
	unsigned count = 1;
	char byte;
	int fd = -1;
	int64_t ret = torc_recv_fds(left, &byte, 1, &fd, &count);

	if (ret > 0 && count == 1)
		close(fd);
	return ret;
}

static struct torc_send_fds parcel;

static void
complete_recv_fds(void)
{
	torc_send_fds_start(right, &parcel, "x", 1, (int[]){ STDIN_FILENO }, 1);
}

static void
clear_recv_fds(void)
{
	if (wait_completes() && wait_result < 0)
		must_be(wait_recv_fds(), 1);
	if (wait_completes())
		must_be(torc_await(&parcel.send.done), 1);
	clear_stream_pair();
}

static const struct wait_row pair_rows[] = {
	{ "packet recv", arrange_packets, wait_packet, complete_packet,
		clear_packets, WAIT_HURRIES },
	{ "copy", arrange_stream_pair, wait_copy, complete_copy,
		clear_stream_pair, WAIT_HURRIES },
	{ "recv_fds", arrange_stream_pair, wait_recv_fds, complete_recv_fds,
		clear_recv_fds, WAIT_HURRIES },
};

static const struct wait_row socket_rows[] = {
	{ "recv", arrange_pair, wait_recv, complete_recv, clear_recv,
		WAIT_HURRIES },
	{ "read_exact", arrange_half, wait_read_exact, complete_recv,
		clear_pair, WAIT_HURRIES },
	{ "reader line", arrange_line, wait_line, complete_line, clear_line,
		WAIT_HURRIES },
	{ "send_all", arrange_send, wait_send_all, complete_send, clear_send,
		WAIT_HURRIES },
	{ "accept", arrange_listener, wait_accept, complete_accept,
		clear_accept, WAIT_HURRIES },
	{ "connect", arrange_blackhole, wait_connect, complete_connect,
		clear_blackhole, WAIT_HURRIES },
	{ "connect_to", arrange_blackhole, wait_connect_to, complete_connect,
		clear_blackhole, WAIT_HURRIES },
	{ "relay", arrange_relay, wait_relay, complete_relay, clear_relay,
		WAIT_HURRIES },
	{ "udp recv", arrange_udp, wait_udp_recv, complete_udp_recv, clear_udp,
		WAIT_HURRIES },
	{ "udp recv_many", arrange_udp, wait_udp_recv_many, complete_udp_recv,
		clear_udp, WAIT_HURRIES },
};

WAIT_CASE(waits_for_sockets_end_when_they_are_told, socket_rows)

WAIT_CASE(waits_for_the_other_end_end_when_they_are_told, pair_rows)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(waits_for_sockets_end_when_they_are_told),
		WITH_TORC(waits_for_the_other_end_end_when_they_are_told),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name("core/cancel_io", tests, NULL, NULL);
}
