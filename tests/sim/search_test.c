/* SPDX-License-Identifier: MIT */
/*
 * Goal    A search finds a mistake that tests on a quiet machine do not, and
 *         makes it small.
 * Method  Echo servers with one mistake each, and without. The search must
 *         fail for each mistake, and pass for none.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

#define MESSAGE_BYTES 20000

enum mistake {
	NO_MISTAKE,
	TRUSTS_ONE_READ,  /* takes what one read gives for the message */
	ENDS_AFTER_RESET, /* passes a broken message on as a whole one */
	FORGETS_TO_CLOSE, /* a connection that was reset */
	WAITS_FOR_NEWS,   /* of one that was reset */
};

struct server {
	struct torc_listener *listener;
	struct torc_address at;
	struct torc_group group;
	enum mistake mistake;
	uint32_t truncated; /* messages that were taken for whole */
};

struct session {
	struct server *server;
	struct torc_stream *stream;
};

static ssize_t
read_message(enum mistake mistake, struct torc_stream *stream, char *message)
{
	if (mistake == TRUSTS_ONE_READ)
		return torc_read(stream, message, MESSAGE_BYTES);
	return torc_read_exact(stream, message, MESSAGE_BYTES);
}

static void
no_news(struct torc_future *never)
{
	torc_future_complete(never, -ECANCELED);
}

static int
wait_for_news(void)
{
	struct torc_future never;

	torc_future_init(&never, no_news, NULL);
	return (int)torc_await(&never);
}

static int
serve_one(void *arg)
{
	struct session session = *(struct session *)arg;
	enum mistake mistake = session.server->mistake;
	char message[MESSAGE_BYTES];
	ssize_t got = read_message(mistake, session.stream, message);
	ssize_t ret = 0;

	torc_free(arg);
	if (got < 0 && mistake == ENDS_AFTER_RESET)
		got = 0;
	if (got >= 0 && got < MESSAGE_BYTES)
		session.server->truncated++;
	if (got == MESSAGE_BYTES)
		ret = torc_send_all(session.stream, message, MESSAGE_BYTES);
	if (mistake == FORGETS_TO_CLOSE && got < 0)
		return torc_sleep(TORC_S * 3600 * 24 * 365);
	if (mistake == WAITS_FOR_NEWS && got < 0)
		return wait_for_news();
	if (got < 0 || ret < 0)
		torc_abort(session.stream);
	else
		torc_close(session.stream);
	return 0;
}

static int
serve(void *arg)
{
	struct server *server = arg;
	struct torc_stream *stream;

	while (torc_accept(server->listener, &stream) == 0) {
		struct session *session = torc_malloc(sizeof(*session));

		*session = (struct session){ server, stream };
		if (torc_group_spawn(&server->group, serve_one, session) == 0)
			continue;
		torc_free(session);
		torc_abort(stream);
	}
	return 0;
}

static int
ask(void *arg)
{
	struct server *server = arg;
	char message[MESSAGE_BYTES], back[MESSAGE_BYTES];
	struct torc_stream *stream;
	ssize_t ret;

	memset(message, 'm', sizeof(message));
	if (torc_connect(&stream, &server->at) < 0)
		return 0;
	ret = torc_send_all(stream, message, sizeof(message));
	if (ret > 0)
		ret = torc_read_exact(stream, back, sizeof(back));
	if (ret == MESSAGE_BYTES && memcmp(message, back, sizeof(back)) != 0)
		ret = 0;
	if (ret < 0)
		torc_abort(stream);
	else
		torc_close(stream);
	/* Less than all of it and no error: that is the server's mistake. */
	return ret < 0 || ret == MESSAGE_BYTES ? 0 : -EBADMSG;
}

static int
scenario(void *arg)
{
	struct server *server = arg;
	struct torc_group clients;
	struct torc_task *task;
	int ret;

	server->truncated = 0;
	torc_group_init(&clients);
	torc_group_init(&server->group);
	ret = torc_address_parse(&server->at, "127.0.0.1:80", NULL);
	if (ret == 0)
		ret = torc_listen(&server->listener, &server->at, NULL);
	if (ret < 0)
		return ret;
	if (torc_spawn(&task, serve, server) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&clients, ask, server);
	if (ret == 0)
		ret = torc_group_join(&clients);
	torc_cancel_join(task, NULL);
	torc_listener_close(server->listener);
	/* Each session ends by itself. */
	if (ret == 0)
		ret = torc_group_join(&server->group);
	if (ret == 0 && server->truncated > 0)
		ret = -EBADMSG;
	return ret;
}

static int
search(enum mistake mistake, struct torc_sim_result *result)
{
	struct server server = { .mistake = mistake };
	struct torc_sim_options options = { .size = 20,
		.faults = TORC_SIM_ALL & ~TORC_SIM_EMFILE,
		.is_quiet = true,
		.time_max_ns = 3600 * TORC_S };

	return torc_sim_search(&options, NULL, 200, scenario, &server, result);
}

static void
a_server_without_a_mistake_passes(void **state)
{
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(search(NO_MISTAKE, &result), 0);
	assert_int_equal(result.runs, 200);
	assert_true(result.faults_count > 200);
}

static void
a_read_that_is_trusted_is_found_and_made_small(void **state)
{
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(search(TRUSTS_ONE_READ, &result), -EBADMSG);
	assert_int_equal(result.size, 1);
	/* Few kinds of faults are left of all of them. */
	assert_true(__builtin_popcountll(result.faults) <= 1);
}

static void
a_reset_that_is_taken_for_an_end_is_found(void **state)
{
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(search(ENDS_AFTER_RESET, &result), -EBADMSG);
	assert_true(result.faults & TORC_SIM_RESET);
	assert_true(__builtin_popcountll(result.faults) <= 2);
	assert_int_equal(result.size, 1);
}

static void
a_session_that_lingers_is_found(void **state)
{
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(search(FORGETS_TO_CLOSE, &result), -ETIME);
}

static void
a_session_that_waits_for_ever_is_a_deadlock(void **state)
{
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(search(WAITS_FOR_NEWS, &result), -EDEADLK);
	assert_int_equal(result.size, 1);
}

static int
never_told(void *arg)
{
	(void)arg;
	return wait_for_news();
}

static int
wait_aloud(void)
{
	return torc_sim_run(NULL, NULL, never_told, NULL, NULL) != -EDEADLK;
}

static void
a_deadlock_says_where_each_task_waits(void **state)
{
	char text[8192];
	const char *tasks;

	(void)state;
	assert_int_equal(run_in_child(wait_aloud, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "a deadlock"));
	tasks = strstr(text, "shard 0, task main waits in\n");
	assert_non_null(tasks);
	/* From the await outwards: wait_for_news, never_told, the task. */
	assert_non_null(strstr(tasks, "search_test"));
}

/* The run that is left fails again, in the same way, to the last event. */
static void
what_was_found_is_found_again(void **state)
{
	struct server server = { .mistake = ENDS_AFTER_RESET };
	struct torc_sim_result found, again;
	struct torc_sim_options options = { .is_quiet = true,
		.time_max_ns = 3600 * TORC_S };

	(void)state;
	assert_int_equal(search(ENDS_AFTER_RESET, &found), -EBADMSG);
	options.seed = found.seed;
	options.faults = found.faults;
	options.size = found.size;
	assert_int_equal(
		torc_sim_run(&options, NULL, scenario, &server, &again),
		-EBADMSG);
	assert_true(again.hash == found.hash);
}

static int
fail_the_third_time(void *arg)
{
	unsigned *times = arg;

	return ++*times >= 3 ? -EBADMSG : 0;
}

static void
a_search_without_options_begins_at_the_first_seed(void **state)
{
	struct torc_sim_result result;
	unsigned times = 0;

	(void)state;
	assert_int_equal(torc_sim_search(NULL, NULL, 2, fail_the_third_time,
				 &times, &result),
		0);
	assert_int_equal(result.runs, 2);
	assert_int_equal(result.seed, 2);
	assert_int_equal(result.size, 1);
	assert_int_equal(result.faults, 0);
}

static int
search_aloud(void)
{
	unsigned times = 0;

	return torc_sim_search(NULL, NULL, 10, fail_the_third_time, &times,
		       NULL) != -EBADMSG;
}

static void
a_search_without_options_tells_what_it_found(void **state)
{
	char text[8192];

	(void)state;
	assert_int_equal(run_in_child(search_aloud, text, sizeof(text)), 0);
	assert_non_null(strstr(
		text, "TORC_SEED=3 TORC_SIM_FAULTS=none TORC_SIM_SIZE=1\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_without_a_mistake_passes),
		cmocka_unit_test(
			a_read_that_is_trusted_is_found_and_made_small),
		cmocka_unit_test(a_reset_that_is_taken_for_an_end_is_found),
		cmocka_unit_test(a_session_that_lingers_is_found),
		cmocka_unit_test(a_session_that_waits_for_ever_is_a_deadlock),
		cmocka_unit_test(a_deadlock_says_where_each_task_waits),
		cmocka_unit_test(what_was_found_is_found_again),
		cmocka_unit_test(
			a_search_without_options_begins_at_the_first_seed),
		cmocka_unit_test(a_search_without_options_tells_what_it_found),
	};

	/* A seed of somebody's would be the only one. */
	unsetenv("TORC_SEED");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
