/* SPDX-License-Identifier: MIT */
/*
 * Goal    A look-up, and a connect by name, end with what they promise at any
 *         timing, on any network; nothing is left of those that were given
 *         up.
 * Method  Hundreds of seeds: deadlines and cancels strike before, within and
 *         after the look-up and the connect.
 */
#include <errno.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

static bool
is_told_right(const char *text, int64_t value)
{
	if (value == -ECANCELED || value == -ETIMEDOUT)
		return true;
	return value == (strncmp(text, "localhost", 9) == 0 ? 1 : -ENOENT);
}

static int
look_up(const char *text)
{
	struct torc_address found[4], expected;
	struct torc_deadline deadline;
	struct torc_resolve resolve;
	int64_t value;

	torc_deadline_begin(&deadline, torc_sim_random(2 * TORC_MS));
	torc_resolve_start(&resolve, text, found, 4);
	if (torc_sim_random(3) == 0) {
		(void)torc_sleep(torc_sim_random(2 * TORC_MS));
		torc_future_cancel(&resolve.done);
		/* At once, whatever the look-up does. */
		if (!torc_future_is_ready(&resolve.done))
			return -EBUSY;
	}
	value = torc_await(&resolve.done);
	torc_deadline_end(&deadline);
	if (!is_told_right(text, value))
		return -EBADMSG;
	if (torc_address_parse(&expected, "127.0.0.1:80", NULL) < 0)
		return -EINVAL;
	if (value == 1 && memcmp(&found[0].in, &expected.in, expected.len) != 0)
		return -EBADMSG;
	return 0;
}

static int
look_up_many(void *arg)
{
	int ret = 0;

	(void)arg;
	for (int i = 0; i < 8 && ret == 0; i++)
		ret = look_up(torc_sim_random(2) ? "localhost:80"
						 : "nowhere.test:80");
	return ret;
}

static int
look_up_on_shard(void *arg)
{
	struct torc_group group;
	int ret = 0;

	torc_group_init(&group);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&group, look_up_many, arg);
	return ret < 0 ? ret : torc_group_join(&group);
}

static int
look_up_everywhere(void *arg)
{
	return torc_run_on_shards(look_up_on_shard, arg);
}

static void
a_look_up_is_told_right_whatever_the_timing(void **state)
{
	struct torc_options runtime = { .shards = 2,
		.blocking_threads_max = 2 };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL, .size = 4 };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, &runtime, seeds_count(300),
				 look_up_everywhere, NULL, &result),
		0);
	note_runs(&result);
}

/* ---- by name ---- */

static int
take(void *arg)
{
	struct torc_stream *stream;

	while (torc_accept(arg, &stream) == 0)
		torc_close(stream);
	return 0;
}

static int
connect_once(const char *text)
{
	struct torc_deadline deadline;
	struct torc_stream *stream;
	int ret;

	torc_deadline_begin(&deadline, torc_sim_random(4 * TORC_MS));
	ret = torc_connect_to(&stream, text);
	torc_deadline_end(&deadline);
	if (ret == 0)
		torc_close(stream);
	return ret == -EINVAL || ret == -ENOENT ? ret : 0;
}

static int
connect_and_cancel(const char *text)
{
	struct torc_connect_to connect;

	torc_connect_to_start(&connect, text);
	(void)torc_sleep(torc_sim_random(2 * TORC_MS));
	torc_future_cancel(&connect.done);
	if (torc_await(&connect.done) == 0)
		torc_close(connect.stream);
	return 0;
}

static int
connect_many(void *arg)
{
	struct torc_address at;
	struct torc_listener *listener;
	struct torc_task *taker;
	char text[32];
	int ret = torc_address_parse(&at, "127.0.0.1:0", NULL);

	(void)arg;
	while (ret == 0 && (ret = torc_listen(&listener, &at, NULL)) == -EMFILE)
		ret = 0;
	if (ret < 0)
		return ret;
	torc_listener_address(listener, &at);
	snprintf(text, sizeof(text), "localhost:%u", ntohs(at.in.sin_port));
	ret = torc_spawn(&taker, take, listener);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_sim_random(2) ? connect_once(text)
					 : connect_and_cancel(text);
	torc_cancel_join(taker, NULL);
	torc_listener_close(listener);
	return ret;
}

static void
a_connect_by_name_leaves_nothing_behind(void **state)
{
	struct torc_sim_options options = {
		.faults = TORC_SIM_ALL & ~TORC_SIM_EMFILE, .size = 8
	};
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, seeds_count(300),
				 connect_many, NULL, &result),
		0);
	note_runs(&result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_up_is_told_right_whatever_the_timing),
		cmocka_unit_test(a_connect_by_name_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("sim/resolve", tests, NULL, NULL);
}
