/* SPDX-License-Identifier: MIT */
/*
 * Goal    Numbers and dump of a shard tell what is there and what was done,
 *         and follow it.
 * Method  The real kernel, one shard: tasks and sockets come and go; the dump
 *         goes to a file. The count of resources, which is kept, is compared
 *         with their list after each step.
 */
#include "tests/core/io/fixture.h"

#define STALL_NS (50 * TORC_MS)

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

static void
do_nothing_with(struct torc_msg *msg)
{
	(void)msg;
}

static int
what_was_done_is_counted(void *unused)
{
	struct torc_msg messages[3] = { 0 };
	struct torc_metrics before, after;
	struct torc_stream *a, *b;

	(void)unused;
	must_be(torc_stream_pair(&a, &b), 0);
	torc_metrics(&before);
	for (int i = 0; i < 3; i++) {
		messages[i].fn = do_nothing_with;
		torc__shard_post_remote(torc__shard, &messages[i]);
	}
	for (int i = 0; i < 5; i++)
		must_be(torc_spawn(NULL, do_nothing, NULL), 0);
	must_be(torc_send_all(a, "x", 1), 1);
	turn();
	torc_metrics(&after);

	must_be(after.messages_count, before.messages_count + 3);
	must_be(after.spawned_count, before.spawned_count + 5);
	must(after.sqes_count > before.sqes_count);
	must(after.cqes_count > before.cqes_count);
	must(after.enters_count > before.enters_count);
	must_be(after.overflows_count, 0);
	torc_close(a);
	torc_close(b);
	return 0;
}

/* A queue of 16, of which nobody takes anything meanwhile. */
static int
a_full_completion_queue_is_counted(void *unused)
{
	enum { PAIRS = 100 };
	struct torc_stream *a[PAIRS], *b[PAIRS];
	struct torc_metrics before, after;

	(void)unused;
	for (int i = 0; i < PAIRS; i++)
		must_be(torc_stream_pair(&a[i], &b[i]), 0);
	turn();
	torc_metrics(&before);
	for (int i = 0; i < PAIRS; i++) {
		torc_close(a[i]);
		torc_close(b[i]);
	}
	wait_until(is_shard_quiet());
	torc_metrics(&after);

	must_be(before.overflows_count, 0);
	must(after.overflows_count > 0);
	must(after.overflows_count < after.enters_count);
	return 0;
}

static int
sleep_is_counted_apart_from_looking(void *unused)
{
	struct torc_metrics before, after;

	(void)unused;
	torc_metrics(&before);
	must_be(torc_sleep(5 * TORC_MS), 0);
	torc_metrics(&after);

	must(after.sleeps_count > before.sleeps_count);
	must(after.asleep_ns > before.asleep_ns);
	must(after.waited_ns - before.waited_ns >=
		after.asleep_ns - before.asleep_ns);
	return 0;
}

static int
who_never_sleeps_waits_all_the_same(void *unused)
{
	struct torc_metrics before, after;

	(void)unused;
	torc_metrics(&before);
	must_be(torc_sleep(5 * TORC_MS), 0);
	torc_metrics(&after);

	must(after.waited_ns > before.waited_ns);
	must_be(after.asleep_ns, 0);
	must_be(after.sleeps_count, 0);
	return 0;
}

static int
a_stall_is_counted_once(void *unused)
{
	struct torc_metrics now;
	uint64_t end_ns = torc_clock_ns() + PATIENCE_NS;

	(void)unused;
	/* A turn so long that the watcher sees it, however slow it is. */
	while (torc__pulse_stalls(&torc__shard->pulse) == 0)
		must(torc_clock_ns() < end_ns);
	/* And so that it looks at the same turn again. */
	end_ns = torc_clock_ns() + 3 * STALL_NS;
	while (torc_clock_ns() < end_ns)
		continue;
	turn();
	torc_metrics(&now);

	must_be(now.stalls_count, 1);
	return 0;
}

static void
must_be_as_listed(void)
{
	const struct torc_link *list = &torc__shard->resources;
	struct torc_metrics now;
	uint64_t count = 0;

	for (const struct torc_link *link = list->next; link != list;
		link = link->next)
		count++;
	torc_metrics(&now);
	must_be(now.resources_count, count);
}

/* One of each, at once; two connections are accepted and one is taken. */
static void
open_and_close_all(void)
{
	struct torc_address at = address_of("udp:127.0.0.1:0");
	struct torc_pipe *reader, *writer;
	struct torc_signals *signals;
	struct torc_file *file;
	struct torc_dir *dir;
	struct torc_udp *udp;
	struct pair pair;
	sigset_t set;
	int ahead;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pair_open(&pair, TCP);
	ahead = raw_connect(&pair.address);
	must_be(torc_udp_bind(&udp, &at), 0);
	must_be(torc_file_open(&file, "/dev/null", O_RDONLY, 0), 0);
	must_be(torc_dir_open(&dir, "/"), 0);
	must_be(torc_pipe_open(&reader, &writer), 0);
	must_be(torc_signals_open(&signals, &set), 0);
	must_be_as_listed();
	pair_close(&pair);
	must_be_as_listed();
	turn();
	must_be_as_listed();
	torc_udp_close(udp);
	torc_file_close(file);
	torc_dir_close(dir);
	torc_pipe_close(reader);
	torc_pipe_close(writer);
	torc_signals_close(signals);
	must_be_as_listed();
	close(ahead);
}

static int
the_count_of_resources_is_that_of_their_list(void *unused)
{
	(void)unused;
	for (int i = 0; i < 50; i++)
		open_and_close_all();
	wait_until(is_shard_quiet());
	must_be_as_listed();
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
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(numbers_follow_what_is_there),
		WITH_TORC(a_receive_that_nobody_took_is_a_buffer),
		WITH_TORC(what_was_done_is_counted),
		TORC_CASE(a_full_completion_queue_is_counted,
			.options.sq_entries = 16, .options.cq_entries = 16),
		TORC_CASE(sleep_is_counted_apart_from_looking,
			.options.spin_ns = TORC_SPIN_NEVER),
		TORC_CASE(who_never_sleeps_waits_all_the_same,
			.options.busy_poll = true),
		TORC_CASE(
			a_stall_is_counted_once, .options.stall_ns = STALL_NS),
		WITH_TORC(the_count_of_resources_is_that_of_their_list),
		WITH_TORC(a_dump_names_each_task_that_waits),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name("core/metrics", tests, NULL, NULL);
}
