/* SPDX-License-Identifier: MIT */
/*
 * Goal    A relay passes on every byte, every end and every reset, to the
 *         right side, and holds a bounded amount for a side that is slow.
 * Method  The real kernel, one shard. Both outer ends are plain sockets that
 *         the test's tasks poll; random chunk sizes come from a printed
 *         seed (TORC_SEED replays it).
 */
#include "tests/core/io/fixture.h"

/* More than the sockets on the way hold. */
#define LARGE ((size_t)32 << 20)

/* A client and a server, plain sockets, with a relay in between. */
struct middle {
	struct torc_listener *listener;
	struct torc_address address;
	struct torc_stream *a, *b;
	int client, server;
	struct torc_relay relay;
};

static void
middle_listen(struct middle *m, const char *text)
{
	struct torc_address address = address_of(text);

	must_be(torc_listen(&m->listener, &address, NULL), 0);
	torc_listener_address(m->listener, &m->address);
}

static void
middle_connect(struct middle *m)
{
	m->client = raw_connect(&m->address);
	must_be(torc_accept(m->listener, &m->a), 0);
	m->server = raw_connect(&m->address);
	must_be(torc_accept(m->listener, &m->b), 0);
}

/* One relay of several to the same listener. */
static void
middle_start(struct middle *m, uint64_t idle_ns)
{
	middle_connect(m);
	torc_relay_start(&m->relay, m->a, m->b, idle_ns);
}

static void
middle_open(struct middle *m, uint64_t idle_ns)
{
	middle_listen(m, TCP);
	middle_start(m, idle_ns);
}

static void
middle_close(struct middle *m)
{
	if (m->client >= 0)
		close(m->client);
	if (m->server >= 0)
		close(m->server);
	torc_listener_close(m->listener);
}

/* One plain socket that sends `bytes`, or reads them to the end. */
struct worker {
	int fd;
	size_t bytes;
	size_t chunk_max;
	size_t done;
};

static int
send_chunks(void *arg)
{
	struct worker *w = arg;

	while (w->done < w->bytes) {
		size_t chunk = random_size(w->chunk_max);

		if (chunk > w->bytes - w->done)
			chunk = w->bytes - w->done;
		raw_send(w->fd, w->done, chunk);
		w->done += chunk;
		if (random_u64() % 8 == 0)
			turn();
	}
	shutdown(w->fd, SHUT_WR);
	return 0;
}

static int
read_chunks(void *arg)
{
	struct worker *w = arg;
	uint8_t *buf = malloc(w->chunk_max);
	ssize_t ret;

	must(buf != NULL);
	while ((ret = raw_recv(w->fd, buf, random_size(w->chunk_max))) > 0) {
		must(is_right(buf, w->done, (size_t)ret));
		w->done += (size_t)ret;
	}
	free(buf);
	must_be(ret, 0);
	must_be(w->done, w->bytes);
	return 0;
}

static void
check_both_directions(const char *address, size_t bytes, size_t chunk_max)
{
	struct worker workers[4];
	struct torc_group group;
	struct middle m;

	middle_listen(&m, address);
	middle_connect(&m);
	torc_group_init(&group);
	for (int i = 0; i < 4; i++) {
		workers[i] =
			(struct worker){ .fd = i % 2 == 0 ? m.client : m.server,
				.bytes = bytes,
				.chunk_max = chunk_max };
		must_be(torc_group_spawn(&group,
				i < 2 ? send_chunks : read_chunks, &workers[i]),
			0);
	}

	must_be(torc_relay(m.a, m.b, 0), 0);

	must_be(torc_group_join(&group), 0);
	middle_close(&m);
}

static int
both_directions_at_once_are_byte_exact(void *unused)
{
	(void)unused;
	check_both_directions(TCP, (size_t)64 << 20, 300000);
	check_both_directions(TCP, 1 << 20, 700);
	check_both_directions(abstract_text(), (size_t)8 << 20, 100000);
	return 0;
}

static int
an_end_is_passed_on_and_the_answer_comes_back(void *unused)
{
	static struct middle m;
	char byte;

	(void)unused;
	middle_open(&m, 0);
	raw_send(m.client, 0, 200000);
	shutdown(m.client, SHUT_WR);

	raw_expect(m.server, 0, 200000);
	must_be(raw_recv(m.server, &byte, 1), 0);
	torc_sleep(5 * TORC_MS);
	must(!torc_future_is_ready(&m.relay.done));
	raw_send(m.server, 0, 300000);
	raw_expect(m.client, 0, 300000);
	must_be(raw_recv_some(m.client, &byte, 1), -EAGAIN);
	shutdown(m.server, SHUT_WR);
	must_be(raw_recv(m.client, &byte, 1), 0);

	must_be(torc_await(&m.relay.done), 0);
	must_be(m.relay.a_to_b.bytes, 200000);
	must_be(m.relay.b_to_a.bytes, 300000);
	middle_close(&m);
	return 0;
}

static int
a_side_that_closed_at_once_ends_cleanly_too(void *unused)
{
	static struct middle m;
	char byte;

	(void)unused;
	for (int i = 0; i < 50; i++) {
		middle_listen(&m, TCP);
		m.client = raw_connect(&m.address);
		close(m.client);
		m.client = -1;
		must_be(torc_accept(m.listener, &m.a), 0);
		m.server = raw_connect(&m.address);
		must_be(torc_accept(m.listener, &m.b), 0);
		if (i % 2 == 0)
			torc_sleep(TORC_MS);
		torc_relay_start(&m.relay, m.a, m.b, 0);

		must_be(raw_recv(m.server, &byte, 1), 0);
		shutdown(m.server, SHUT_WR);

		must_be(torc_await(&m.relay.done), 0);
		middle_close(&m);
	}
	return 0;
}

/* A proxy reads a header, and leaves the rest of the buffer to the relay. */
static int
what_a_read_before_it_has_left_is_passed_on(void *unused)
{
	static struct middle m;
	char buf[8];

	(void)unused;
	/* Some of both sides, all of one, nothing at all. */
	for (size_t taken = 0; taken <= 8; taken += 4) {
		middle_listen(&m, TCP);
		middle_connect(&m);
		raw_send(m.client, 0, 8);
		raw_send(m.server, 0, 500);
		must_be(torc_read_exact(m.a, buf, taken), taken);
		must_be(torc_read_exact(m.b, buf, 1), 1);

		torc_relay_start(&m.relay, m.a, m.b, 0);
		raw_send(m.client, 8, 1000);

		raw_expect(m.server, taken, 1008 - taken);
		raw_expect(m.client, 1, 499);
		shutdown(m.client, SHUT_WR);
		shutdown(m.server, SHUT_WR);
		must_be(torc_await(&m.relay.done), 0);
		must_be(m.relay.a_to_b.bytes, 1008 - taken);
		must_be(m.relay.b_to_a.bytes, 499);
		middle_close(&m);
	}
	return 0;
}

/* ---- resets ---- */

/* Which plain socket resets, and who must hear of it. */
struct reset {
	int victim, other;
};

static struct reset
reset_of(const struct middle *m, bool is_client)
{
	return is_client ? (struct reset){ m->client, m->server }
			 : (struct reset){ m->server, m->client };
}

/* Until the socket takes no more, or LARGE; `turns` of the loop in between. */
static void
fill(int fd, bool turns)
{
	ssize_t ret;

	for (size_t at = 0; at < LARGE; at += (size_t)ret) {
		ret = raw_send_some(fd, at, LARGE - at);
		must(ret >= 0);
		if (ret == 0)
			break;
		if (turns)
			turn();
	}
}

/* How the plain socket's stream ended: 0 or -errno, after whatever came. */
static ssize_t
end_of(int fd)
{
	static uint8_t buf[POOL_PIECE];
	ssize_t ret;

	while ((ret = raw_recv(fd, buf, sizeof(buf))) > 0)
		;
	return ret;
}

/*
 * The victim resets in the middle of whatever goes on: nothing, bytes to
 * it, bytes from it, or both; the other end must see a reset.
 */
static void
check_reset(struct middle *m, int n)
{
	bool is_client = n % 2 != 0, is_sending = n / 2 % 2 != 0,
	     is_receiving = n / 4 % 2 != 0, is_half_closed = n / 8 % 3 == 2;
	struct reset reset;

	middle_start(m, 0);
	reset = reset_of(m, is_client);
	if (is_half_closed)
		shutdown(reset.other, SHUT_WR);
	else if (is_receiving)
		fill(reset.other, false);
	if (is_sending)
		raw_send(reset.victim, 0, random_size(200000));
	for (uint64_t turns = random_u64() % 6; turns > 0; turns--)
		turn();
	raw_reset(reset.victim);

	must_be(end_of(reset.other), -ECONNRESET);
	must(torc_await(&m->relay.done) < 0);
	close(reset.other);
}

static int
a_reset_of_either_side_reaches_the_other_as_one(void *unused)
{
	static struct middle m;

	(void)unused;
	middle_listen(&m, TCP);
	for (int n = 0; n < 600; n++)
		check_reset(&m, n);
	torc_listener_close(m.listener);
	return 0;
}

/* It ended its half, waits for the answer, and then gives up. */
static int
a_reset_after_a_half_close_is_passed_on(void *unused)
{
	static struct middle m;
	char byte;

	(void)unused;
	middle_listen(&m, TCP);
	for (int i = 0; i < 50; i++) {
		struct reset reset;

		middle_start(&m, 0);
		reset = reset_of(&m, i % 2 == 0);
		if (i % 4 >= 2)
			raw_send(reset.victim, 0, 50000);
		shutdown(reset.victim, SHUT_WR);
		if (i % 4 >= 2)
			raw_expect(reset.other, 0, 50000);
		must_be(raw_recv(reset.other, &byte, 1), 0);

		raw_reset(reset.victim);

		must_be(torc_await(&m.relay.done), -ECONNRESET);
		/* To whom has had the end a reset shows when it writes. */
		wait_until(send(reset.other, "x", 1, MSG_NOSIGNAL) < 0);
		close(reset.other);
	}
	torc_listener_close(m.listener);
	return 0;
}

static int
a_reset_comes_through_while_the_victim_is_not_read(void *unused)
{
	static struct middle m;

	(void)unused;
	middle_open(&m, 0);
	/* Until the server's side is stuck, full of buffers that wait. */
	for (int quiet = 0; quiet < 20;) {
		ssize_t ret = raw_send_some(m.client, 0, LARGE);

		quiet = ret > 0 ? 0 : quiet + 1;
		if (ret == 0)
			torc_sleep(TORC_MS);
	}
	must(m.relay.a_to_b._queued > 0);

	raw_reset(m.server);
	m.server = -1;

	must_be(end_of(m.client), -ECONNRESET);
	must_be(torc_await(&m.relay.done), -ECONNRESET);
	middle_close(&m);
	return 0;
}

/* ---- a slow side ---- */

/*
 * Once nobody reads: how many buffers were held at most until the writer has
 * been at a stand for 100 ms. How many are left then depends on which came
 * last, a buffer over the credit or the end of a multishot.
 */
static uint32_t
held_until_it_stands(const struct middle *m, const struct worker *writer)
{
	uint32_t held = 0;
	size_t done = 0;

	for (int quiet = 0; quiet < 100; quiet++) {
		torc_sleep(TORC_MS);
		if (torc__shard->streams.taken_count > held)
			held = torc__shard->streams.taken_count;
		if (writer->done != done ||
			m->relay.a_to_b._queued <= TORC__CREDIT_LOW)
			quiet = 0;
		done = writer->done;
	}
	return held;
}

static int
a_slow_reader_stops_its_writer_and_memory_is_bounded(void *unused)
{
	static struct middle m;
	struct worker writer, reader;
	struct torc_group group;

	(void)unused;
	middle_open(&m, 0);
	writer = (struct worker){
		.fd = m.client, .bytes = LARGE, .chunk_max = POOL_PIECE
	};
	reader = (struct worker){
		.fd = m.server, .bytes = LARGE, .chunk_max = POOL_PIECE
	};
	torc_group_init(&group);
	must_be(torc_group_spawn(&group, send_chunks, &writer), 0);

	must_be_at_most(held_until_it_stands(&m, &writer), held_max());

	must(writer.done < LARGE);
	must(torc__op_is_idle(&m.a->recv_op));

	must_be(torc_group_spawn(&group, read_chunks, &reader), 0);
	shutdown(m.server, SHUT_WR);

	must_be(torc_await(&m.relay.done), 0);
	must_be(torc_group_join(&group), 0);
	middle_close(&m);
	return 0;
}

/* ---- the end of a relay ---- */

static int
a_relay_on_which_nothing_moves_times_out(void *unused)
{
	static struct middle m;
	uint64_t start_ns;

	(void)unused;
	middle_open(&m, 60 * TORC_MS);
	for (int i = 0; i < 6; i++) {
		torc_sleep(20 * TORC_MS);
		raw_send(i % 2 == 0 ? m.client : m.server, 0, 1);
	}
	start_ns = torc_clock_ns();
	must(!torc_future_is_ready(&m.relay.done));

	must_be(torc_await(&m.relay.done), -ETIMEDOUT);

	must(torc_clock_ns() - start_ns >= 59 * TORC_MS);
	must_be(end_of(m.client), -ECONNRESET);
	must_be(end_of(m.server), -ECONNRESET);
	middle_close(&m);
	return 0;
}

static int
a_relay_can_be_cancelled_with_buffers_queued(void *unused)
{
	static struct middle m;

	(void)unused;
	for (int i = 0; i < 20; i++) {
		middle_open(&m, i % 2 * TORC_S);
		if (i > 1)
			fill(m.client, i % 4 == 3);
		for (int n = i % 5; n > 0; n--)
			turn();

		torc_future_cancel(&m.relay.done);

		must_be(torc_await(&m.relay.done), -ECANCELED);
		middle_close(&m);
	}
	return 0;
}

static int
relay_both(void *arg)
{
	struct middle *m = arg;

	return torc_relay(m->a, m->b, 0);
}

static struct torc_task *
middle_open_by_task(struct middle *m)
{
	struct torc_task *task;

	middle_listen(m, TCP);
	middle_connect(m);
	must_be(torc_spawn(&task, relay_both, m), 0);
	return task;
}

static int
a_task_that_relays_can_be_cancelled(void *unused)
{
	static struct middle m;
	struct torc_task *task;
	int result;

	(void)unused;
	task = middle_open_by_task(&m);
	raw_send(m.client, 0, 1000);
	raw_expect(m.server, 0, 1000);

	torc_cancel_join(task, &result);

	must_be(result, -ECANCELED);
	must_be(end_of(m.server), -ECONNRESET);
	middle_close(&m);
	return 0;
}

static int
a_cancelled_task_gives_both_streams_away_all_the_same(void *unused)
{
	static struct middle m;
	struct torc_task *task;
	int result;

	(void)unused;
	task = middle_open_by_task(&m);
	torc_cancel(task);

	must_be(torc_join(task, &result), 0);

	must_be(result, -ECANCELED);
	must_be(end_of(m.client), -ECONNRESET);
	middle_close(&m);
	return 0;
}

/* Errors in both directions with many buffers on their way. */
static int
both_sides_may_vanish_under_load(void *unused)
{
	static struct middle m;

	(void)unused;
	middle_listen(&m, TCP);
	for (int i = 0; i < 100; i++) {
		bool is_moving = true;

		middle_start(&m, 0);
		for (size_t at = 0; is_moving && at < LARGE;) {
			ssize_t one = raw_send_some(m.client, at, LARGE);
			ssize_t two = raw_send_some(m.server, at, LARGE);

			is_moving = one > 0 && two > 0;
			at += POOL_PIECE;
			if (random_u64() % 16 == 0)
				turn();
		}
		raw_reset(m.client);
		if (i % 2 == 0)
			turn();
		raw_reset(m.server);

		must(torc_await(&m.relay.done) < 0);
	}
	torc_listener_close(m.listener);
	return 0;
}

/* No task awaits it: the runtime's end is the relay's. The plain ends stay. */
static int plain_ends[2];

static int
relays_left_running(void *unused)
{
	static struct middle m;

	(void)unused;
	middle_open(&m, TORC_S);
	raw_send(m.client, 0, 1000);
	raw_expect(m.server, 0, 1000);
	plain_ends[0] = m.client;
	plain_ends[1] = m.server;
	return 0;
}

static void
a_relay_left_running_ends_with_the_runtime(void **unused)
{
	struct torc_case c = { .fn = relays_left_running,
		.is_left_open = true,
		.options.shards = 1 };
	unsigned fds_before = fds_count();
	char byte;

	(void)unused;
	must_be(torc_run(&c.options, run_case_task, &c), 0);

	for (int i = 0; i < 2; i++) {
		must(recv(plain_ends[i], &byte, 1, 0) <= 0);
		close(plain_ends[i]);
	}
	must_be(fds_count(), fds_before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(both_directions_at_once_are_byte_exact),
		WITH_TORC(an_end_is_passed_on_and_the_answer_comes_back),
		WITH_TORC(a_side_that_closed_at_once_ends_cleanly_too),
		WITH_TORC(what_a_read_before_it_has_left_is_passed_on),
		WITH_TORC(a_reset_of_either_side_reaches_the_other_as_one),
		WITH_TORC(a_reset_after_a_half_close_is_passed_on),
		WITH_TORC(a_reset_comes_through_while_the_victim_is_not_read),
		WITH_TORC(a_slow_reader_stops_its_writer_and_memory_is_bounded),
		WITH_TORC(a_relay_on_which_nothing_moves_times_out),
		WITH_TORC(a_relay_can_be_cancelled_with_buffers_queued),
		WITH_TORC(a_task_that_relays_can_be_cancelled),
		WITH_TORC(
			a_cancelled_task_gives_both_streams_away_all_the_same),
		WITH_TORC(both_sides_may_vanish_under_load),
		cmocka_unit_test(a_relay_left_running_ends_with_the_runtime),
	};

	return cmocka_run_group_tests_name("core/io/relay", tests, NULL, NULL);
}
