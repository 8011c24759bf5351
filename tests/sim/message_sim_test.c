/* SPDX-License-Identifier: MIT */
/*
 * Goal    Packets and Unix datagrams arrive whole, in order and once; a
 *         descriptor that is passed arrives with its bytes or is closed, and
 *         is never lost.
 * Method  Hundreds of seeds on pairs of Unix sockets. A descriptor that was
 *         lost would leave its pipe open: its reader would wait for ever, and
 *         the run would be a deadlock.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/core/io/fds.h>
#include <torc/core/io/pair.h>
#include <torc/core/io/pipe.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define PACKETS 30
#define PACKET_MAX 20000u
#define GIFT_BYTES 5000u

struct ends {
	struct torc_stream *near, *far;
	uint64_t key;
};

static int
open_pair(struct ends *ends, bool is_packet)
{
	int ret;

	ends->key = torc_sim_random(UINT32_MAX);
	do
		ret = is_packet ? torc_packet_pair(&ends->near, &ends->far)
				: torc_stream_pair(&ends->near, &ends->far);
	while (ret == -EMFILE);
	return ret;
}

static uint32_t
packet_bytes(uint64_t key, uint64_t number)
{
	return 1 + (uint32_t)(pattern_word(key, 8 * number) % PACKET_MAX);
}

/* ---- packets ---- */

static int
send_packets(void *arg)
{
	struct ends *ends = arg;
	uint8_t *data = torc_malloc(PACKET_MAX);
	int64_t ret = data != NULL ? 0 : -ENOMEM;

	for (uint64_t number = 0; number < PACKETS && ret >= 0; number++) {
		uint32_t bytes = packet_bytes(ends->key, number);

		pattern_fill(data, ends->key + number, 0, bytes);
		ret = torc_send_all(ends->near, data, bytes);
	}
	torc_free(data);
	torc_close(ends->near);
	return ret < 0 ? (int)ret : 0;
}

static int
recv_packets(struct ends *ends)
{
	for (uint64_t number = 0; number < PACKETS; number++) {
		uint32_t bytes = packet_bytes(ends->key, number);
		const void *data;
		ssize_t got = torc_recv(ends->far, &data);

		if (got < 0)
			return (int)got;
		if ((uint32_t)got != bytes ||
			!pattern_is(data, ends->key + number, 0, bytes))
			return -EBADMSG;
	}
	return torc_recv(ends->far, &(const void *){ NULL }) == 0 ? 0
								  : -EBADMSG;
}

static int
packets(void *arg)
{
	struct torc_task *task;
	struct ends ends;
	int sent, ret = open_pair(&ends, true);

	(void)arg;
	if (ret < 0)
		return ret;
	if (torc_spawn(&task, send_packets, &ends) < 0)
		return -ENOMEM;
	ret = recv_packets(&ends);
	torc_close(ends.far);
	if (ret < 0)
		torc_cancel_join(task, NULL);
	else if (torc_join(task, &sent) < 0 || sent < 0)
		ret = -EBADMSG;
	return ret;
}

/* ---- descriptors ---- */

static int
fill_gift(int fd)
{
	uint8_t data[GIFT_BYTES];
	struct torc_pipe *pipe;
	int64_t ret = torc_pipe_from_fd(&pipe, fd);

	if (ret < 0)
		return (int)ret;
	pattern_fill(data, GIFT_BYTES, 0, sizeof(data));
	ret = torc_pipe_write_all(pipe, data, sizeof(data));
	torc_pipe_close(pipe);
	return ret < 0 ? (int)ret : 0;
}

/* Writes into every pipe that it is given, until the end. */
static int
fill_gifts(void *arg)
{
	struct ends *ends = arg;
	int64_t got;

	do {
		char buf[8];
		int fds[2];
		unsigned count = 2;

		got = torc_recv_fds(ends->far, buf, sizeof(buf), fds, &count);
		for (unsigned i = 0; got > 0 && i < count; i++)
			(void)fill_gift(fds[i]);
	} while (got > 0 || got == -EMFILE);
	torc_close(ends->far);
	return got < 0 ? (int)got : 0;
}

/* All of it, or nothing when the descriptor found no room. */
static int
read_gift(struct torc_pipe *reader)
{
	uint8_t buf[GIFT_BYTES];
	uint32_t done = 0;
	ssize_t got;

	do {
		got = torc_pipe_read(reader, buf + done, sizeof(buf) - done);
		if (got > 0)
			done += (uint32_t)got;
	} while (got > 0 && done < sizeof(buf));
	if (got < 0)
		return (int)got;
	if (done == 0)
		return 0;
	return done == sizeof(buf) &&
			       pattern_is(buf, GIFT_BYTES, 0, sizeof(buf))
		       ? 0
		       : -EBADMSG;
}

static int
send_gift(struct ends *ends)
{
	struct torc_pipe *reader, *writer;
	int fd, ret;

	do
		ret = torc_pipe_open(&reader, &writer);
	while (ret == -EMFILE);
	if (ret < 0)
		return ret;
	fd = torc_pipe_fd(writer);
	ret = (int)torc_send_fds(ends->near, "gift", 4, &fd, 1);
	torc_pipe_close(writer);
	if (ret >= 0)
		ret = read_gift(reader);
	torc_pipe_close(reader);
	return ret;
}

static int
gifts(void *arg)
{
	bool *is_packet = arg;
	struct torc_task *task;
	struct ends ends;
	int ret = open_pair(&ends, *is_packet);

	if (ret < 0)
		return ret;
	if (torc_spawn(&task, fill_gifts, &ends) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < 5 && ret == 0; i++)
		ret = send_gift(&ends);
	torc_close(ends.near);
	if (ret == 0)
		return torc_join(task, &ret) < 0 ? -EBADMSG : ret;
	torc_cancel_join(task, NULL);
	return ret;
}

/* ---- datagrams on one machine ---- */

#define SENDERS 3

struct hall {
	struct torc_address at;
	struct torc_udp *server;
	uint64_t heard[SENDERS]; /* of each, so far */
	uint8_t next;
};

static int
bind_retried(struct torc_udp **udp, const char *text)
{
	struct torc_address address;
	int ret = torc_address_parse(&address, text, NULL);

	while (ret == 0) {
		ret = torc_udp_bind(udp, &address);
		if (ret != -EMFILE)
			return ret;
		ret = 0;
	}
	return ret;
}

/* Its number, how many before it, and bytes that follow from both. */
static int
send_datagrams(void *arg)
{
	struct hall *hall = arg;
	uint8_t data[2 + PACKET_MAX], self = hall->next++;
	struct torc_udp *udp;
	int64_t ret = bind_retried(&udp, "unix-dgram:@");

	if (ret < 0)
		return (int)ret;
	for (uint8_t number = 0; number < PACKETS && ret >= 0; number++) {
		uint32_t bytes = packet_bytes(self, number);

		data[0] = self;
		data[1] = number;
		pattern_fill(data + 2, self, number, bytes);
		ret = torc_udp_send(udp, data, 2 + bytes, &hall->at);
	}
	torc_udp_close(udp);
	return ret < 0 ? (int)ret : 0;
}

/* None is lost, cut or overtaken by another of the same sender. */
static int
recv_datagrams(struct hall *hall)
{
	for (unsigned i = 0; i < SENDERS * PACKETS; i++) {
		struct torc_address from;
		const uint8_t *data;
		const void *got_data;
		ssize_t got = torc_udp_recv(hall->server, &got_data, &from);

		if (got < 0)
			return (int)got;
		data = got_data;
		if (got < 2 || data[0] >= SENDERS ||
			data[1] != hall->heard[data[0]]++)
			return -EBADMSG;
		if (got - 2 != packet_bytes(data[0], data[1]) ||
			!pattern_is(
				data + 2, data[0], data[1], (size_t)got - 2))
			return -EBADMSG;
		if (torc_sim_random(8) == 0)
			(void)torc_sleep(torc_sim_random(TORC_MS));
	}
	return 0;
}

static int
datagrams(void *arg)
{
	struct hall hall = { 0 };
	struct torc_group group;
	int joined,
		ret = torc_address_parse(&hall.at, "unix-dgram:@hall", NULL);

	(void)arg;
	if (ret == 0)
		ret = bind_retried(&hall.server, "unix-dgram:@hall");
	if (ret < 0)
		return ret;
	torc_group_init(&group);
	for (unsigned i = 0; i < SENDERS && ret == 0; i++)
		ret = torc_group_spawn(&group, send_datagrams, &hall);
	if (ret == 0)
		ret = recv_datagrams(&hall);
	torc_udp_close(hall.server);
	joined = torc_group_join(&group);
	return ret < 0 ? ret : joined;
}

/* ---- searching ---- */

static void
search(torc_task_fn *fn, void *arg, uint64_t faults, uint32_t permille)
{
	struct torc_sim_options options = { .faults = faults,
		.fault_permille = permille };
	struct torc_sim_result result;
	int ret = torc_sim_search(
		&options, NULL, seeds_count(150), fn, arg, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(faults == 0 || result.faults_count > 0);
}

static void
packets_arrive_whole_and_in_order(void **state)
{
	(void)state;
	search(packets, NULL, 0, 0);
	search(packets, NULL, TORC_SIM_ALL, 20);
	search(packets, NULL, TORC_SIM_ALL, 200);
}

static void
a_passed_descriptor_is_never_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		bool is_packet = i == 1;

		search(gifts, &is_packet, 0, 0);
		search(gifts, &is_packet, TORC_SIM_ALL, 20);
		search(gifts, &is_packet, TORC_SIM_ALL, 200);
	}
}

static void
a_datagram_to_a_neighbour_is_never_lost(void **state)
{
	(void)state;
	search(datagrams, NULL, 0, 0);
	search(datagrams, NULL, TORC_SIM_ALL, 20);
	search(datagrams, NULL, TORC_SIM_ALL, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_arrive_whole_and_in_order),
		cmocka_unit_test(a_passed_descriptor_is_never_lost),
		cmocka_unit_test(a_datagram_to_a_neighbour_is_never_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
