/* SPDX-License-Identifier: MIT */
/*
 * Goal    Numbers and dump of a shard tell what is there, and follow it.
 * Method  The real kernel, one shard: tasks and sockets come and go; the dump
 *         goes to a file.
 */
#include "tests/core/io/fixture.h"

static char text[65536];

static void
dump(void)
{
	FILE *file = tmpfile();

	must(file != NULL);
	torc_dump(fileno(file));
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
}

static int
sleep_long(void *name)
{
	torc_task_name_set(name);
	return torc_sleep(3600 * TORC_S);
}

static int
numbers_follow_what_is_there(void *unused)
{
	struct torc_metrics before, with, after;
	struct torc_stream *a, *b;
	struct torc_task *task;

	(void)unused;
	torc_metrics(&before);
	must_be(torc_spawn(&task, sleep_long, "dreamer"), 0);
	must_be(torc_stream_pair(&a, &b), 0);
	turn();
	torc_metrics(&with);
	torc_cancel_join(task, NULL);
	torc_close(a);
	torc_close(b);
	wait_until(is_shard_quiet());
	torc_metrics(&after);

	must_be(with.tasks_count, before.tasks_count + 1);
	must_be(with.stacks_count, before.stacks_count + 1);
	must_be(with.timers_count, before.timers_count + 1);
	must_be(with.resources_count, before.resources_count + 2);
	must(with.turns > before.turns && after.turns > with.turns);
	must_be(after.tasks_count, before.tasks_count);
	must_be(after.resources_count, before.resources_count);
	must_be(after.ops_count, before.ops_count);
	return 0;
}

static int
a_receive_that_nobody_took_is_a_buffer(void *unused)
{
	struct torc_stream *a, *b;
	struct torc_future readable;
	struct torc_metrics now;

	(void)unused;
	must_be(torc_stream_pair(&a, &b), 0);
	torc_recv_start(b, &readable);
	must_be(torc_send_all(a, "x", 1), 1);
	must_be(torc_await(&readable), 1);
	torc_metrics(&now);

	must_be(now.buffers_count, 1);
	torc_close(a);
	torc_close(b);
	return 0;
}

static int
a_dump_names_each_task_that_waits(void *unused)
{
	struct torc_task *one, *two;

	(void)unused;
	must_be(torc_spawn(&one, sleep_long, "dreamer"), 0);
	must_be(torc_spawn(&two, sleep_long, "sleeper"), 0);
	turn();
	dump();

	must(strstr(text, "shard 0: ") == text);
	must(strstr(text, " 3 tasks, ") != NULL);
	must(strstr(text, "task dreamer waits in\n") != NULL);
	must(strstr(text, "task sleeper waits in\n") != NULL);
	torc_cancel_join(one, NULL);
	torc_cancel_join(two, NULL);
	dump();
	must(strstr(text, "dreamer") == NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(numbers_follow_what_is_there),
		WITH_TORC(a_receive_that_nobody_took_is_a_buffer),
		WITH_TORC(a_dump_names_each_task_that_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
