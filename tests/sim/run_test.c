/* SPDX-License-Identifier: MIT */
/*
 * Goal    A run of the simulation is decided by its seed alone, takes no real
 *         time to wait, and ends also when its program does not.
 * Method  Programs with timers, several shards, signals and mistakes; their
 *         hashes are compared, and what the run says about them.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define HOUR_NS (3600 * TORC_S)

struct spread {
	struct torc_address at;
	uint32_t served;
};

static int
answer(void *arg)
{
	struct torc_stream *stream = arg;
	char data[512];
	ssize_t got;

	while ((got = torc_read(stream, data, sizeof(data))) > 0)
		if (torc_send_all(stream, data, (size_t)got) < 0)
			break;
	torc_close(stream);
	return 0;
}

struct server {
	struct torc_listener *listener;
	struct torc_group group;
	struct spread *spread;
};

static int
serve(void *arg)
{
	struct server *server = arg;
	struct torc_stream *stream;

	while (torc_accept(server->listener, &stream) == 0) {
		server->spread->served++;
		if (torc_group_spawn(&server->group, answer, stream) < 0)
			torc_abort(stream);
	}
	return 0;
}

static int
ask(const struct torc_address *at)
{
	char data[1000], back[1000];
	struct torc_stream *stream;
	int ret = torc_connect(&stream, at);

	if (ret < 0)
		return ret;
	memset(data, 'x', sizeof(data));
	if (torc_send_all(stream, data, sizeof(data)) < 0 ||
		torc_shutdown(stream) < 0)
		ret = -EPIPE;
	else if (torc_read_exact(stream, back, sizeof(back)) != sizeof(back) ||
		 memcmp(data, back, sizeof(data)) != 0)
		ret = -EBADMSG;
	torc_close(stream);
	return ret;
}

/* On every shard: a listener of the same port, and clients. */
static int
serve_and_ask(void *arg)
{
	struct spread *spread = arg;
	struct server server = { .spread = spread };
	struct torc_task *task;
	int ret = torc_listen(&server.listener, &spread->at, NULL);

	if (ret < 0)
		return ret;
	torc_group_init(&server.group);
	if (torc_spawn(&task, serve, &server) < 0)
		return -ENOMEM;
	for (int i = 0; i < 5 && ret == 0; i++)
		ret = ask(&spread->at);
	/* Others may still be asking. */
	(void)torc_sleep(20 * TORC_S);
	torc_cancel_join(task, NULL);
	torc_group_cancel_join(&server.group);
	torc_listener_close(server.listener);
	return ret;
}

static int
spread_out(void *arg)
{
	return torc_run_on_shards(serve_and_ask, arg);
}

static uint64_t
hash_of(uint64_t seed, unsigned shards)
{
	struct spread spread = { 0 };
	struct torc_sim_options options = { .seed = seed,
		.faults = TORC_SIM_HIDDEN };
	struct torc_options runtime = { .shards = shards };
	struct torc_sim_result result;

	assert_int_equal(
		torc_address_parse(&spread.at, "127.0.0.1:80", NULL), 0);
	assert_int_equal(
		torc_sim_run(&options, &runtime, spread_out, &spread, &result),
		0);
	assert_int_equal(spread.served, 5 * shards);
	return result.hash;
}

static void
one_seed_gives_one_hash_a_hundred_times(void **state)
{
	uint64_t first = hash_of(7, 1);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(hash_of(7, 1) == first);
}

static void
seeds_differ(void **state)
{
	uint64_t hashes[50];

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		hashes[seed] = hash_of(seed + 1, 1);
		for (uint64_t other = 0; other < seed; other++)
			assert_true(hashes[seed] != hashes[other]);
	}
}

static void
threads_do_not_change_the_run_of_several_shards(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		unsigned shards = 2 + (unsigned)seed % 3;
		uint64_t first = hash_of(seed, shards);

		for (int i = 0; i < 5; i++)
			assert_true(hash_of(seed, shards) == first);
	}
}

static int
sleep_an_hour(void *arg)
{
	(void)arg;
	return torc_sleep(torc_sim_random(HOUR_NS));
}

static int
many_timers(void *arg)
{
	struct torc_group group;

	(void)arg;
	torc_group_init(&group);
	for (int i = 0; i < 1000; i++)
		if (torc_group_spawn(&group, sleep_an_hour, NULL) < 0)
			return -ENOMEM;
	return torc_group_join(&group);
}

static void
an_hour_of_timers_is_virtual(void **state)
{
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(
		torc_sim_run(NULL, NULL, many_timers, NULL, &result), 0);
	assert_true(result.elapsed_ns > HOUR_NS / 2);
	assert_true(result.elapsed_ns < HOUR_NS + TORC_S);
}

static int
sleep_once(void *arg)
{
	uint64_t before_ns = torc_sim_elapsed_ns();
	int ret = torc_sleep(HOUR_NS);

	*(uint64_t *)arg = torc_sim_elapsed_ns() - before_ns;
	return ret;
}

static void
a_shard_that_never_sleeps_comes_to_its_timer(void **state)
{
	struct torc_options runtime = { .busy_poll = true };
	uint64_t slept_ns = 0;

	(void)state;
	assert_int_equal(
		torc_sim_run(NULL, &runtime, sleep_once, &slept_ns, NULL), 0);
	assert_true(slept_ns >= HOUR_NS);
	assert_true(slept_ns < HOUR_NS + HOUR_NS / 4);
	runtime = (struct torc_options){ .spin_ns = 50 * TORC_US };
	assert_int_equal(
		torc_sim_run(NULL, &runtime, sleep_once, &slept_ns, NULL), 0);
	assert_true(slept_ns >= HOUR_NS && slept_ns < HOUR_NS + TORC_S);
}

static int
accept_for_ever(void *arg)
{
	struct torc_listener *listener;
	struct torc_stream *stream;
	struct torc_address at;
	int ret = torc_address_parse(&at, "127.0.0.1:0", NULL);

	(void)arg;
	if (ret == 0)
		ret = torc_listen(&listener, &at, NULL);
	if (ret < 0)
		return ret;
	ret = torc_accept(listener, &stream);
	torc_listener_close(listener);
	return ret;
}

static void
who_waits_for_nobody_is_ended_and_reported(void **state)
{
	struct torc_sim_options options = { .is_quiet = true };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(
		torc_sim_run(&options, NULL, accept_for_ever, NULL, &result),
		-EDEADLK);
	assert_int_equal(result.fds_left, 0);
	assert_int_equal(result.ops_left, 0);
}

static int
yield_for_ever(void *arg)
{
	(void)arg;
	while (torc_yield() == 0)
		continue;
	return 0;
}

static void
who_never_waits_is_ended_by_the_budget(void **state)
{
	struct torc_sim_options options = { .is_quiet = true,
		.steps_max = 10000 };

	(void)state;
	assert_int_equal(
		torc_sim_run(&options, NULL, yield_for_ever, NULL, NULL),
		-ETIME);
	options = (struct torc_sim_options){ .is_quiet = true,
		.time_max_ns = TORC_S };
	assert_int_equal(
		torc_sim_run(&options, NULL, yield_for_ever, NULL, NULL),
		-ETIME);
}

static int
await_signal(void *arg)
{
	struct torc_signals *signals;
	sigset_t set;
	int ret;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	ret = torc_signals_open(&signals, &set);
	if (ret < 0)
		return ret;
	torc_sim_raise(SIGUSR1);
	torc_sim_raise(SIGHUP);
	ret = torc_signal_next(signals) == SIGHUP ? 0 : -EBADMSG;
	torc_sim_raise(SIGTERM);
	if (ret == 0)
		ret = torc_signal_next(signals) == SIGTERM ? 0 : -EBADMSG;
	torc_signals_close(signals);
	return ret;
}

static void
a_signal_is_raised_by_hand(void **state)
{
	(void)state;
	assert_int_equal(torc_sim_run(NULL, NULL, await_signal, NULL, NULL), 0);
}

static int
leave_open(void *arg)
{
	struct torc_address at;
	struct torc_stream *stream;

	(void)arg;
	if (torc_address_parse(&at, "127.0.0.1:9", NULL) < 0)
		return -EINVAL;
	return torc_connect(&stream, &at) == -ECONNREFUSED ? 0 : -EBADMSG;
}

static void
nobody_listens_is_refused_and_leaves_nothing(void **state)
{
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(
		torc_sim_run(NULL, NULL, leave_open, NULL, &result), 0);
	assert_int_equal(result.fds_left, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_seed_gives_one_hash_a_hundred_times),
		cmocka_unit_test(seeds_differ),
		cmocka_unit_test(
			threads_do_not_change_the_run_of_several_shards),
		cmocka_unit_test(an_hour_of_timers_is_virtual),
		cmocka_unit_test(a_shard_that_never_sleeps_comes_to_its_timer),
		cmocka_unit_test(who_waits_for_nobody_is_ended_and_reported),
		cmocka_unit_test(who_never_waits_is_ended_by_the_budget),
		cmocka_unit_test(a_signal_is_raised_by_hand),
		cmocka_unit_test(nobody_listens_is_refused_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
