/* SPDX-License-Identifier: MIT */
/*
 * Goal    Tasks that always find their value ready delay the others by no
 *         more than core/shard_priv.h says: 128 calls each, and what a turn's
 *         messages and CQEs bring.
 * Method  Greedy tasks count their calls in one counter, on a fake engine and
 *         on simulated connections; polite ones look how far it went between
 *         two of their own runs. No clock is read.
 */
#include <errno.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/group.h>
#include <torc/core/io/connect.h>
#include <torc/core/io/listener.h>
#include <torc/core/sleep.h>
#include <torc/test/sim.h>

#define POLITE 100
#define ROUNDS 50
#define UNITS 100000

struct race {
	uint64_t units; /* calls that found their value ready, of all greedy */
	uint64_t longest;
	unsigned greedy;
	unsigned polite_left;
};

static struct race race;

static void
take_ready(void)
{
	struct torc_future ready;

	torc_future_init(&ready, NULL, NULL);
	torc_future_complete(&ready, 1);
	race.units++;
	assert_int_equal(torc_await(&ready), 1);
}

static int
be_greedy(void *arg)
{
	(void)arg;
	while (race.polite_left > 0)
		take_ready();
	return 0;
}

static void
note_delay(uint64_t before)
{
	if (race.units - before > race.longest)
		race.longest = race.units - before;
}

static int
be_polite(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t before = race.units;

		assert_int_equal(torc_yield(), 0);
		note_delay(before);
	}
	race.polite_left--;
	return 0;
}

/* The greedy ones spread among the polite. */
static int
race_them(void *arg)
{
	unsigned both = race.greedy + POLITE, greedy = 0;

	(void)arg;
	race.polite_left = POLITE;
	for (unsigned i = 0; i < both; i++) {
		bool is_greedy = race.greedy * (i + 1) / both > greedy;

		greedy += is_greedy;
		assert_int_equal(
			torc_spawn(
				NULL, is_greedy ? be_greedy : be_polite, NULL),
			0);
	}
	return 0;
}

static void
expect_delay(struct fake_shard *f, unsigned greedy)
{
	race = (struct race){ .greedy = greedy };
	fake_shard_run(f, race_them, NULL);

	assert_true(race.longest > 0);
	assert_true(race.longest <= (uint64_t)greedy * TORC__TASK_BUDGET);
}

static void
one_greedy_task_delays_a_hundred_by_one_budget(void **state)
{
	expect_delay(*state, 1);
	assert_int_equal(race.longest, TORC__TASK_BUDGET);
}

static void
many_greedy_tasks_delay_by_one_budget_each(void **state)
{
	expect_delay(*state, 10);
	/* More of them than one turn runs. */
	expect_delay(*state, TORC__READY_MAX + 50);
}

/* ---- a polite task that waits for the ring ---- */

static int
be_greedy_for_long(void *arg)
{
	(void)arg;
	while (race.units < UNITS)
		take_ready();
	return 0;
}

static int
wait_for_cqes(void *arg)
{
	struct torc_ring *ring = &torc__shard->ring;

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct nop nop;
		uint64_t before;

		nop_start(&nop);
		while (fake_count(ring, IORING_OP_NOP) == i)
			assert_int_equal(torc_yield(), 0);
		before = race.units;
		nop_complete(i, 0);
		assert_int_equal(torc_await(&nop.done), 0);
		note_delay(before);
	}
	return 0;
}

static int
race_for_cqes(void *arg)
{
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(torc_spawn(NULL, be_greedy_for_long, NULL), 0);
	return wait_for_cqes(arg);
}

static void
a_cqe_waits_for_one_pass_over_the_ready_tasks(void **state)
{
	race = (struct race){ 0 };
	fake_shard_run(*state, race_for_cqes, NULL);

	/* What is left of this turn's pass, which may run all 256. */
	assert_true(race.longest <= TORC__READY_MAX * TORC__TASK_BUDGET);
}

/* ---- a greedy task that each CQE resumes at once ---- */

struct torrent {
	struct torc_op op;
	struct torc_future *next; /* what the task waits for */
	unsigned left;
};

static void
on_drop(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torrent *t = torc__container_of(op, struct torrent, op);
	struct torc_future *next = t->next;

	(void)res;
	t->left = cqe_flags & IORING_CQE_F_MORE ? t->left : 0;
	t->next = NULL;
	if (next != NULL)
		torc_future_complete(next, 0);
}

static int
drink(void *arg)
{
	struct torrent *t = arg;

	while (t->left > 0) {
		struct torc_future next;

		torc_future_init(&next, NULL, NULL);
		t->next = &next;
		assert_int_equal(torc_await(&next), 0);
		/* As much as it can have without a yield. */
		for (unsigned i = 0; i < TORC__TASK_BUDGET - 1; i++)
			take_ready();
	}
	race.polite_left = 0;
	return 0;
}

static int
race_with_a_torrent(void *arg)
{
	struct torc_ring *ring = &torc__shard->ring;
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);
	static struct torrent t;

	(void)arg;
	t = (struct torrent){ .left = 1 };
	torc__op_init(&t.op, on_drop);
	io_uring_prep_nop(sqe);
	torc__op_submit(ring, &t.op, sqe);
	assert_int_equal(torc_spawn(NULL, drink, &t), 0);
	assert_int_equal(torc_sleep(TORC_MS), 0);
	for (unsigned i = 0; i < 1000; i++)
		fake_post(ring, torc__op_user_data(&t.op), 0,
			i < 999 ? IORING_CQE_F_MORE : 0);
	while (t.left > 0) {
		uint64_t before = race.units;

		assert_int_equal(torc_yield(), 0);
		note_delay(before);
	}
	return 0;
}

static void
a_torrent_of_cqes_delays_by_one_turns_share(void **state)
{
	race = (struct race){ 0 };
	fake_shard_run(*state, race_with_a_torrent, NULL);

	assert_int_equal(race.units, 1000 * (TORC__TASK_BUDGET - 1));
	assert_true(race.longest <= TORC__CQE_MAX * TORC__TASK_BUDGET);
}

/* ---- messages ---- */

#define LETTERS 2000

static struct torc_msg letters[LETTERS];
static unsigned letters_count;

static void
on_letter(struct torc_msg *msg)
{
	assert_ptr_equal(msg, &letters[letters_count]);
	letters_count++;
}

static void
a_turn_reads_a_bounded_number_of_messages(void **state)
{
	struct fake_shard *f = *state;

	letters_count = 0;
	for (unsigned i = 0; i < LETTERS; i++) {
		letters[i].fn = on_letter;
		torc__shard_post_remote(&f->shard, &letters[i]);
	}
	for (unsigned turn = 1; turn <= 3; turn++) {
		/* Also when it might sleep: there is mail. */
		assert_int_equal(torc__shard_turn(&f->shard, true), 0);
		assert_int_equal(letters_count, turn * TORC__MSG_MAX);
	}
	fake_shard_turn(f, 1);

	assert_int_equal(letters_count, LETTERS);
	assert_int_equal(f->fake->waits, 0);
}

/* ---- sleepers among many that are ready ---- */

static unsigned sleepers_left;
static uint64_t woken_ns;

static int
sleep_in_order(void *when_ns)
{
	assert_int_equal(torc_sleep_until(*(uint64_t *)when_ns), 0);
	assert_true(*(uint64_t *)when_ns >= woken_ns);
	woken_ns = *(uint64_t *)when_ns;
	sleepers_left--;
	return 0;
}

static int
stay_ready(void *arg)
{
	(void)arg;
	while (sleepers_left > 0) {
		fake_sleep_ns(&torc__shard->ring, TORC_US);
		assert_int_equal(torc_yield(), 0);
	}
	return 0;
}

static int
sleep_among_the_ready(void *arg)
{
	static uint64_t when_ns[1000];
	const unsigned count = 1000;

	(void)arg;
	sleepers_left = count;
	woken_ns = 0;
	for (unsigned i = 0; i < count; i++) {
		/* Two ticks apart, in no order. */
		when_ns[i] = torc_now_ns() + ((uint64_t)(i * 7919 % count + 1)
						     << (TORC_TICK_BITS + 1));
		assert_int_equal(
			torc_spawn(NULL, sleep_in_order, &when_ns[i]), 0);
	}
	for (unsigned i = 0; i < 2 * TORC__READY_MAX; i++)
		assert_int_equal(torc_spawn(NULL, stay_ready, NULL), 0);
	return 0;
}

static void
sleepers_wake_in_order_whoever_else_is_ready(void **state)
{
	fake_shard_run(*state, sleep_among_the_ready, NULL);

	assert_int_equal(sleepers_left, 0);
}

/* ---- the same on simulated connections ---- */

static int
send_much(void *arg)
{
	static char data[64 << 10];
	ssize_t ret = 0;

	while (race.polite_left > 0 && ret >= 0)
		ret = torc_send_all(arg, data, sizeof(data));
	torc_close(arg);
	return ret < 0 ? (int)ret : 0;
}

static int
read_bytewise(void *arg)
{
	ssize_t ret;
	char byte;

	while ((ret = torc_read(arg, &byte, 1)) > 0)
		race.units++;
	torc_close(arg);
	return (int)ret;
}

static int
be_polite_until_done(void *arg)
{
	uint64_t end = race.units + 20000;

	(void)arg;
	while (race.units < end) {
		uint64_t before = race.units;
		int ret = torc_yield();

		if (ret < 0)
			return ret;
		note_delay(before);
	}
	race.polite_left--;
	return 0;
}

static int
race_on_a_connection(void *arg)
{
	struct torc_address address;
	struct torc_listener *listener;
	struct torc_stream *near, *far;
	struct torc_group group;
	int ret;

	(void)arg;
	race = (struct race){ .polite_left = POLITE };
	torc_group_init(&group);
	if (torc_address_parse(&address, "127.0.0.1:7000", NULL) < 0 ||
		torc_listen(&listener, &address, NULL) < 0 ||
		torc_connect(&near, &address) < 0 ||
		torc_accept(listener, &far) < 0)
		return -EPROTO;
	torc_listener_close(listener);
	ret = torc_group_spawn(&group, send_much, near);
	if (ret == 0)
		ret = torc_group_spawn(&group, read_bytewise, far);
	for (unsigned i = 0; i < POLITE && ret == 0; i++)
		ret = torc_group_spawn(&group, be_polite_until_done, NULL);
	if (ret == 0)
		ret = torc_group_join(&group);
	return race.longest <= 2 * TORC__TASK_BUDGET ? ret : -EPROTO;
}

static void
a_reader_that_never_waits_lets_a_hundred_run(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_HIDDEN &
						      ~TORC_SIM_SLOW };

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, 5,
				 race_on_a_connection, NULL, NULL),
		0);
	assert_in_range(
		race.longest, TORC__TASK_BUDGET - 1, 2 * TORC__TASK_BUDGET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(one_greedy_task_delays_a_hundred_by_one_budget),
		WITH_SHARD(many_greedy_tasks_delay_by_one_budget_each),
		WITH_SHARD(a_cqe_waits_for_one_pass_over_the_ready_tasks),
		WITH_SHARD(a_torrent_of_cqes_delays_by_one_turns_share),
		WITH_SHARD(a_turn_reads_a_bounded_number_of_messages),
		WITH_SHARD(sleepers_wake_in_order_whoever_else_is_ready),
		cmocka_unit_test(a_reader_that_never_waits_lets_a_hundred_run),
	};

	return cmocka_run_group_tests_name("core/fairness", tests, NULL, NULL);
}
