/* SPDX-License-Identifier: MIT */
/*
 * Goal    What is sent leaves once, in the order of the calls, one send in
 *         flight at a time; a cancel says how far it came and disturbs no
 *         other.
 * Method  The real kernel, one shard. The other end is a plain socket that
 *         reads when the test says so; the ring counts what was submitted.
 */
#include "tests/core/io/fixture.h"

/* More than the sockets of both ends hold. */
#define LARGE ((size_t)16 << 20)

static uint64_t
sqes_submitted(void)
{
	return torc__shard->ring.stats.sqes;
}

static int
sends_of_one_turn_leave_as_one(void *unused)
{
	struct torc_send sends[20];
	struct pair pair;
	uint64_t before;

	(void)unused;
	pair_open(&pair, TCP);
	turn();
	turn();
	before = sqes_submitted();
	for (size_t i = 0; i < 20; i++) {
		sends[i] = (struct torc_send){ .data = bytes_at(i * 100),
			.bytes = 100 };
		torc_send_start(pair.stream, &sends[i]);
	}

	for (size_t i = 0; i < 20; i++)
		must_be(torc_await(&sends[i].done), 100);

	must_be(sqes_submitted() - before, 1);
	raw_expect(pair.peer, 0, 2000);
	pair_close(&pair);
	return 0;
}

static void
note_sqes(struct torc_future *done)
{
	*(uint64_t *)torc_future_waiter(done) = sqes_submitted();
}

/* Until nothing leaves any more: the sockets of both ends are full. */
static void
wait_until_stuck(void)
{
	uint64_t before;

	do {
		before = sqes_submitted();
		torc_sleep(20 * TORC_MS);
	} while (sqes_submitted() != before);
}

/* A large send may take several; those behind it never add one each. */
static int
sends_behind_one_in_flight_wait_and_then_leave_as_one(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_send first = { .data = large, .bytes = LARGE };
	struct torc_send rest[10];
	struct pair pair;
	uint64_t before, at_first_done = 0;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_start(pair.stream, &first);
	torc_future_then(&first.done, note_sqes, &at_first_done);
	wait_until_stuck();
	must(!torc_future_is_ready(&first.done));
	before = sqes_submitted();
	for (size_t i = 0; i < 10; i++) {
		rest[i] = (struct torc_send){ .data = bytes_at(LARGE + i * 7),
			.bytes = 7 };
		torc_send_start(pair.stream, &rest[i]);
	}
	torc_sleep(10 * TORC_MS);
	must_be(sqes_submitted() - before, 0);

	raw_expect(pair.peer, 0, LARGE + 70);

	must_be(torc_await(&first.done), LARGE);
	must_be(torc_await(&rest[9].done), 7);
	must(at_first_done > before);
	must_be_at_most(sqes_submitted() - at_first_done, 1);
	pair_close(&pair);
	free(large);
	return 0;
}

struct writer {
	struct torc_stream *stream;
	size_t offset;
	size_t bytes;
};

static int
write_piece(void *arg)
{
	struct writer *w = arg;

	return torc_send_all(w->stream, bytes_at(w->offset), w->bytes) ==
			       (ssize_t)w->bytes
		       ? 0
		       : -1;
}

static int
sends_of_many_tasks_keep_the_order_of_the_calls(void *unused)
{
	static struct writer writers[300];
	struct torc_group group;
	struct pair pair;
	size_t total = 0;

	(void)unused;
	pair_open(&pair, TCP);
	torc_group_init(&group);
	for (size_t i = 0; i < 300; i++) {
		writers[i] = (struct writer){ pair.stream, total,
			random_size(POOL_PIECE) };
		total += writers[i].bytes;
		must_be(torc_group_spawn(&group, write_piece, &writers[i]), 0);
	}

	raw_expect(pair.peer, 0, total);

	must_be(torc_group_join(&group), 0);
	pair_close(&pair);
	return 0;
}

/* ---- cancelling a send ---- */

static int
a_send_cancelled_in_the_queue_sends_nothing(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_send first = { .data = large, .bytes = LARGE };
	struct torc_send gone[3], last;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_start(pair.stream, &first);
	torc_sleep(5 * TORC_MS);
	for (int i = 0; i < 3; i++) {
		gone[i] = (struct torc_send){ .data = "wrong", .bytes = 5 };
		torc_send_start(pair.stream, &gone[i]);
	}
	last = (struct torc_send){ .data = bytes_at(LARGE), .bytes = 100 };
	torc_future_cancel(&gone[1].done);
	torc_future_cancel(&gone[2].done);
	torc_send_start(pair.stream, &last);
	torc_future_cancel(&gone[0].done);

	raw_expect(pair.peer, 0, LARGE + 100);

	must_be(torc_await(&first.done), LARGE);
	must_be(torc_await(&last.done), 100);
	for (int i = 0; i < 3; i++) {
		must_be(gone[i].done.value, -ECANCELED);
		must_be(gone[i].sent_bytes, 0);
	}
	pair_close(&pair);
	free(large);
	return 0;
}

static int
a_send_cancelled_in_flight_says_how_far_it_came(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);

	(void)unused;
	/* Alone in flight, and as the first of several. */
	for (int behind = 0; behind < 3; behind++) {
		struct torc_send first = { .data = large, .bytes = LARGE };
		struct torc_send next[3];
		struct pair pair;

		pair_open(&pair, TCP);
		torc_send_start(pair.stream, &first);
		for (int i = 0; i < behind; i++) {
			next[i] = (struct torc_send){ .data = large,
				.bytes = 1000 };
			torc_send_start(pair.stream, &next[i]);
		}
		torc_sleep(5 * TORC_MS);
		must(!torc_future_is_ready(&first.done));

		torc_future_cancel(&first.done);
		must_be(torc_await(&first.done), -ECANCELED);

		must(first.sent_bytes > 0 && first.sent_bytes < LARGE);
		raw_expect(pair.peer, 0, first.sent_bytes);
		for (int i = 0; i < behind; i++) {
			raw_expect(pair.peer, 0, 1000);
			must_be(torc_await(&next[i].done), 1000);
		}
		must_be(torc_send_all(pair.stream, large, 500), 500);
		raw_expect(pair.peer, 0, 500);
		pair_close(&pair);
	}
	free(large);
	return 0;
}

/* One vectored send; it is sent anew from where it was. */
static int
a_send_goes_on_when_its_neighbour_is_cancelled(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE + 1000);

	(void)unused;
	for (size_t after = 0; after < 2; after++) {
		struct torc_send first = { .data = large, .bytes = LARGE };
		struct torc_send gone = { .data = "wrong", .bytes = 5 };
		struct torc_send last = { .data = large + LARGE,
			.bytes = 1000 };
		struct pair pair;

		pair_open(&pair, TCP);
		torc_send_start(pair.stream, &first);
		torc_send_start(pair.stream, &gone);
		if (after > 0)
			torc_send_start(pair.stream, &last);
		torc_sleep(5 * TORC_MS);

		torc_future_cancel(&gone.done);
		must_be(torc_await(&gone.done), -ECANCELED);

		must_be(gone.sent_bytes, 0);
		raw_expect(pair.peer, 0, LARGE + after * 1000);
		must_be(torc_await(&first.done), LARGE);
		if (after > 0)
			must_be(torc_await(&last.done), 1000);
		pair_close(&pair);
	}
	free(large);
	return 0;
}

static int
a_deadline_ends_a_send_that_nobody_reads(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_deadline deadline;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_deadline_begin(&deadline, 10 * TORC_MS);

	must_be(torc_send_all(pair.stream, large, LARGE), -ETIMEDOUT);

	torc_deadline_end(&deadline);
	pair_close(&pair);
	free(large);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(sends_of_one_turn_leave_as_one),
		WITH_TORC(
			sends_behind_one_in_flight_wait_and_then_leave_as_one),
		WITH_TORC(sends_of_many_tasks_keep_the_order_of_the_calls),
		WITH_TORC(a_send_cancelled_in_the_queue_sends_nothing),
		WITH_TORC(a_send_cancelled_in_flight_says_how_far_it_came),
		WITH_TORC(a_send_goes_on_when_its_neighbour_is_cancelled),
		WITH_TORC(a_deadline_ends_a_send_that_nobody_reads),
	};

	return cmocka_run_group_tests_name("core/io/send", tests, NULL, NULL);
}
