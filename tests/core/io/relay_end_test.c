/* SPDX-License-Identifier: MIT */
/*
 * Goal    Of each direction of a relay it is told when and how it ended and
 *         how many bytes it delivered; messages stay whole.
 * Method  The real kernel, one shard, a plain socket at either side.
 */
#include "tests/core/io/fixture.h"

/* client -- a relay b -- server */
struct middle {
	struct pair front, back;
	struct torc_relay relay;
};

static void
middle_open(struct middle *m, uint64_t idle_ns)
{
	pair_open(&m->front, TCP);
	pair_open(&m->back, TCP);
	torc_relay_start(&m->relay, m->front.stream, m->back.stream, idle_ns);
}

/* The relay is over, and took both streams. */
static void
middle_close(struct middle *m)
{
	m->front.stream = m->back.stream = NULL;
	pair_close(&m->front);
	pair_close(&m->back);
}

static int
each_direction_ends_for_itself(void *unused)
{
	static struct middle m;
	char byte;

	(void)unused;
	middle_open(&m, 0);
	must_be(m.relay.a_to_b.ended_ns, 0);
	raw_send(m.front.peer, 0, 1000);
	shutdown(m.front.peer, SHUT_WR);
	raw_expect(m.back.peer, 0, 1000);
	must_be(raw_recv(m.back.peer, &byte, 1), 0);
	must(m.relay.a_to_b.ended_ns != 0);
	must_be(m.relay.a_to_b.error, 0);
	must_be(m.relay.b_to_a.ended_ns, 0);
	shutdown(m.back.peer, SHUT_WR);

	must_be(torc_await(&m.relay.done), 0);

	must(m.relay.b_to_a.ended_ns >= m.relay.a_to_b.ended_ns);
	must_be(m.relay.b_to_a.error, 0);
	middle_close(&m);
	return 0;
}

static int
a_reset_is_told_of_the_direction_that_it_cut(void *unused)
{
	static struct middle m;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		struct torc_relay_half *hit, *other;

		middle_open(&m, 0);
		hit = i == 0 ? &m.relay.a_to_b : &m.relay.b_to_a;
		other = i == 0 ? &m.relay.b_to_a : &m.relay.a_to_b;
		turn();

		raw_reset(i == 0 ? m.front.peer : m.back.peer);

		must_be(torc_await(&m.relay.done), -ECONNRESET);
		must_be(hit->error, -ECONNRESET);
		must_be(other->error, -ECANCELED);
		must(hit->ended_ns != 0 && other->ended_ns != 0);
		*(i == 0 ? &m.front.peer : &m.back.peer) = -1;
		middle_close(&m);
	}
	return 0;
}

/* What it had said is passed on; its answer finds nobody. */
static int
a_reset_after_an_end_cuts_the_answer(void *unused)
{
	static struct middle m;
	char byte;

	(void)unused;
	middle_open(&m, 0);
	shutdown(m.front.peer, SHUT_WR);
	must_be(raw_recv(m.back.peer, &byte, 1), 0);

	raw_reset(m.front.peer);

	must_be(torc_await(&m.relay.done), -ECONNRESET);
	must_be(m.relay.a_to_b.error, 0);
	must_be(m.relay.b_to_a.error, -ECONNRESET);
	m.front.peer = -1;
	middle_close(&m);
	return 0;
}

static int
nobodys_fault_is_told_of_both(void *unused)
{
	static struct middle m;

	(void)unused;
	middle_open(&m, TORC_MS);
	must_be(torc_await(&m.relay.done), -ETIMEDOUT);
	must_be(m.relay.a_to_b.error, -ETIMEDOUT);
	must_be(m.relay.b_to_a.error, -ETIMEDOUT);
	middle_close(&m);

	middle_open(&m, 0);
	torc_future_cancel(&m.relay.done);
	must_be(torc_await(&m.relay.done), -ECANCELED);
	must_be(m.relay.a_to_b.error, -ECANCELED);
	must_be(m.relay.b_to_a.error, -ECANCELED);
	middle_close(&m);
	return 0;
}

static int
both_counts_are_returned_also_after_a_reset(void *unused)
{
	struct torc_relay_bytes bytes;
	struct pair front, back;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		pair_open(&front, TCP);
		pair_open(&back, TCP);
		raw_send(front.peer, 0, 100);
		raw_send(back.peer, 0, 2000);
		if (i == 0) {
			shutdown(front.peer, SHUT_WR);
			shutdown(back.peer, SHUT_WR);
		} else {
			raw_wait_delivered(front.peer);
			raw_reset(front.peer);
			front.peer = -1;
		}

		must_be(torc_relay_counted(
				front.stream, back.stream, 0, &bytes),
			i == 0 ? 0 : -ECONNRESET);

		if (i == 0) {
			must_be(bytes.a_to_b, 100);
			must_be(bytes.b_to_a, 2000);
		}
		must_be_at_most(bytes.a_to_b, 100);
		front.stream = back.stream = NULL;
		pair_close(&front);
		pair_close(&back);
	}
	return 0;
}

static int
messages_stay_whole_between_two_seqpackets(void *unused)
{
	static struct torc_send sends[40];
	struct torc_stream *client, *a, *b, *server;
	struct torc_relay relay;
	const void *data;

	(void)unused;
	must_be(torc_packet_pair(&client, &a), 0);
	must_be(torc_packet_pair(&b, &server), 0);
	torc_relay_start(&relay, a, b, 0);
	for (size_t i = 0; i < 40; i++) {
		sends[i] = (struct torc_send){ .data = bytes_at(i * 1000),
			.bytes = 1 + i * 17 };
		torc_send_start(client, &sends[i]);
	}

	for (size_t i = 0; i < 40; i++) {
		must_be(torc_recv(server, &data), 1 + i * 17);
		must(is_right(data, i * 1000, 1 + i * 17));
	}

	for (size_t i = 0; i < 40; i++)
		must_be(torc_await(&sends[i].done), 1 + i * 17);
	torc_close(client);
	torc_close(server);
	must_be(torc_await(&relay.done), 0);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(each_direction_ends_for_itself),
		WITH_TORC(a_reset_is_told_of_the_direction_that_it_cut),
		WITH_TORC(a_reset_after_an_end_cuts_the_answer),
		WITH_TORC(nobodys_fault_is_told_of_both),
		WITH_TORC(both_counts_are_returned_also_after_a_reset),
		WITH_TORC(messages_stay_whole_between_two_seqpackets),
	};

	return cmocka_run_group_tests_name(
		"core/io/relay_end", tests, NULL, NULL);
}
