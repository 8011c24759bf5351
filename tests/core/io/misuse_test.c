/* SPDX-License-Identifier: MIT */
/*
 * Goal    Mistakes with a stream, a listener or signals end the program with
 *         a line that names them.
 * Method  Programs that make one, in a child.
 */
#include <signal.h>
#include <unistd.h>

#include <torc.h>

#include "tests/support/child.h"
#include "tests/test.h"

static struct torc_stream *
open_stream(void)
{
	static struct torc_stream *near, *far;

	if (torc_stream_pair(&near, &far) < 0)
		_exit(99);
	return near;
}

static int
receive(void *stream)
{
	const void *data;

	return (int)torc_recv(stream, &data);
}

static int
receive_twice(void *arg)
{
	struct torc_stream *stream = open_stream();

	(void)arg;
	if (torc_spawn(NULL, receive, stream) < 0)
		return 99;
	return receive(stream);
}

static int
receive_under_a_relay(void *arg)
{
	struct torc_stream *stream = open_stream();
	struct torc_relay relay;

	(void)arg;
	torc_relay_start(&relay, stream, open_stream(), 0);
	torc_sleep(TORC_MS);
	return receive(stream);
}

static int
await_a_reset_too_early(void *arg)
{
	struct torc_future future;

	(void)arg;
	torc_reset_start(open_stream(), &future);
	return 0;
}

static int
await_a_reset_twice(void *arg)
{
	struct torc_future futures[2];
	struct torc_stream *near, *far;

	(void)arg;
	if (torc_stream_pair(&near, &far) < 0 || torc_shutdown(far) < 0 ||
		receive(near) != 0)
		return 99;
	torc_reset_start(near, &futures[0]);
	torc_reset_start(near, &futures[1]);
	return 0;
}

static int
accept_twice(void *arg)
{
	struct torc_future futures[2];
	struct torc_listener *listener;
	struct torc_address address;

	(void)arg;
	if (torc_address_parse(&address, "127.0.0.1:0", NULL) < 0 ||
		torc_listen(&listener, &address, NULL) < 0)
		return 99;
	torc_accept_start(listener, &futures[0]);
	torc_accept_start(listener, &futures[1]);
	return 0;
}

static int
await_an_interrupt(void *arg)
{
	(void)arg;
	return torc_interrupt_wait();
}

static int
await_an_interrupt_elsewhere(void *arg)
{
	int result;

	return torc_call_remote(1, await_an_interrupt, arg, &result);
}

static void
a_mistake_is_named(void **state)
{
	static const struct {
		torc_task_fn *fn;
		const char *words;
	} mistakes[] = {
		{ receive_twice, "two receive from one stream" },
		{ receive_under_a_relay, "two receive from one stream" },
		{ await_a_reset_too_early,
			"torc_reset_start() before the end of a stream" },
		{ await_a_reset_twice, "two receive from one stream" },
		{ accept_twice, "two accept from one listener" },
		{ await_an_interrupt_elsewhere,
			"signals are caught on shard 0 alone" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
		assert_says(last_words_of_run(mistakes[i].fn, NULL, 2),
			mistakes[i].words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name("core/io/misuse", tests, NULL, NULL);
}
