/* SPDX-License-Identifier: MIT */
/*
 * Goal    A table says what the numbers are, in columns that hold whatever
 *         they are; each thing that is wrong is advised on, and nothing else.
 * Method  Processes by hand, printed into memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"
#include "top/table.h"

#define S UINT64_C(1000000000)

static struct process *process;
static char *text;

/* Two shards that turn and have nothing to complain of, up for 93784 s. */
static int
make_process(void **state)
{
	(void)state;
	process = calloc(1, sizeof(*process) + 2 * sizeof(struct shard));
	assert_non_null(process);
	*process = (struct process){ .pid = 123,
		.state = 'S',
		.rss_bytes = 3 << 19,
		.looked_ns = 93785 * S,
		.page = { .shards_count = 2,
			.began_ns = S,
			.engine = "kernel",
			.program = "server" } };
	for (int i = 0; i < 2; i++)
		process->shards[i].rates = (struct rates){
			.seconds = 1, .busy = 0.5, .looking = 0.25
		};
	return 0;
}

static int
free_process(void **state)
{
	(void)state;
	free(process);
	free(text);
	text = NULL;
	return 0;
}

static void
print(void)
{
	size_t bytes;
	FILE *out;

	free(text);
	out = open_memstream(&text, &bytes);
	assert_non_null(out);
	table_print(process, out);
	fclose(out);
}

static void
assert_number(double number, const char *expected)
{
	char got[TABLE_NUMBER_BYTES];

	table_number(got, number);
	assert_string_equal(got, expected);
}

static void
a_number_has_five_columns_at_most(void **state)
{
	(void)state;
	assert_number(0, "0");
	assert_number(1, "1");
	assert_number(0.04, "0.0");
	assert_number(9.94, "9.9");
	assert_number(9.96, "10");
	assert_number(9999, "9999");
	assert_number(9999.6, "10.0k");
	assert_number(12345, "12.3k");
	assert_number(99960, "100k");
	assert_number(999499, "999k");
	assert_number(999501, "1.0M");
	assert_number(4e9, "4.0G");
	assert_number(998e12, "998T");
	assert_number(1e15, "lots");
	assert_number(1.8e28, "lots");
}

static void
a_table_has_a_head_a_row_per_shard_and_their_sum(void **state)
{
	struct shard *first = &process->shards[0];

	(void)state;
	first->rates = (struct rates){ .seconds = 1,
		.busy = 1,
		.turns = 12345,
		.enters = 1000,
		.cqes = 2500,
		.spawned = 0.5,
		.messages = 42 };
	first->now.metrics = (struct torc_metrics){ .tasks_count = 1,
		.stacks_count = 1,
		.ops_count = 2,
		.timers_count = 3,
		.resources_count = 4,
		.buffers_count = 5 };
	process->shards[1].rates.busy = 0.5;
	print();

	assert_string_equal(text,
		"server, pid 123, kernel, 2 shards, up 1d 02:03:04, "
		"1.5 MiB resident\n"
		"shard busy look turn/s CQE/s /enter spawn/s msg/s tasks   "
		"ops timers  open bufs\n"
		"    0 100%   0%  12.3k  2500    2.5     0.5    42     1     "
		"2      3     4    5\n"
		"    1  50%  25%      0     0      0       0     0     0     "
		"0      0     0    0\n"
		"  all  75%  12%  12.3k  2500    2.5     0.5    42     1     "
		"2      3     4    5\n");
}

/* A terminal has 80, and its last column stays empty. */
static void
a_row_has_79_columns_and_keeps_its_numbers_apart(void **state)
{
	const char *row;

	(void)state;
	process->shards[0].rates = (struct rates){ .seconds = 1,
		.busy = 1,
		.looking = 1,
		.turns = 12345,
		.enters = 1,
		.cqes = 12345,
		.spawned = 12345,
		.messages = 12345 };
	process->shards[0].now.metrics = (struct torc_metrics){
		.tasks_count = 12345,
		.ops_count = 12345,
		.timers_count = 12345,
		.resources_count = 12345,
		.buffers_count = 12345,
	};
	print();
	row = strstr(text, "\nshard ");

	assert_non_null(row);
	for (int i = 0; i < 4; i++, row = strchr(row + 1, '\n'))
		assert_int_equal(strcspn(row + 1, "\n"), 79);
	assert_non_null(strstr(text,
		"\n    0 100% 100%  12.3k 12.3k  12.3k   12.3k 12.3k 12.3k "
		"12.3k  12.3k 12.3k  12k\n"));
}

static void
a_shard_that_has_told_nothing_is_starting(void **state)
{
	(void)state;
	process->shards[1].rates = (struct rates){ 0 };
	print();

	assert_non_null(strstr(text, "\n    1 is starting\n"));
	assert_null(strstr(text, "!"));
}

/* The advice is this line, and there is no other. */
static void
assert_advice(const char *line)
{
	const char *at;

	print();
	at = strstr(text, "  ! ");
	assert_non_null(at);
	assert_string_equal(at, line);
}

static void
no_buffer_is_advised_on_while_it_happens(void **state)
{
	struct shard *shard = &process->shards[1];

	(void)state;
	shard->now.metrics.buffers_lack_count = 1000;
	print();
	assert_null(strstr(text, "!"));

	shard->rates.buffers_lack = 30;
	shard->now.metrics.buffers_count = 4096;
	assert_advice(
		"  ! shard 1 finds no buffer for 30 receives/s, 4096 "
		"are not read yet: raise receive_bytes_max, or read sooner\n");
}

static void
stalls_and_overflows_are_advised_on_for_good(void **state)
{
	(void)state;
	process->shards[0].now.metrics.stalls_count = 2;
	assert_advice("  ! shard 0 has stalled 2 times since it began: "
		      "torc_yield() between steps, or torc_blocking(); its log "
		      "names the task\n");
	process->shards[0].now.metrics.stalls_count = 0;
	process->shards[0].now.metrics.overflows_count = 3;
	assert_advice(
		"  ! shard 0 has had a full completion queue 3 times since "
		"it began: raise cq_entries\n");
}

static void
a_stuck_shard_is_advised_on_unless_it_was_stopped(void **state)
{
	(void)state;
	process->shards[1].now.stuck_ns = 5 * S / 2;
	assert_advice("  ! shard 1 has not turned for 2.5 s: a task computes "
		      "or blocks: torc_yield() between steps, or "
		      "torc_blocking()\n");
	process->state = 'T';
	assert_advice("  ! the process is stopped: kill -CONT, or let its "
		      "debugger go on\n");
}

static void
a_bad_spread_is_advised_on(void **state)
{
	(void)state;
	process->shards[0].rates.busy = 0.95;
	process->shards[1].rates.busy = 0.31;
	print();
	assert_null(strstr(text, "!"));

	process->shards[1].rates.busy = 0.29;
	assert_advice("  ! shard 0 is 95 % busy while shard 1 is at 29 %: "
		      "torc_spawn_any() for its tasks, or a listener on each "
		      "shard\n");
	process->shards[0].rates.busy = 0.89;
	print();
	assert_null(strstr(text, "!"));
}

static void
tasks_that_nobody_joins_are_advised_on(void **state)
{
	struct torc_metrics *now = &process->shards[0].now.metrics;

	(void)state;
	now->tasks_count = 5;
	now->stacks_count = 1004;
	print();
	assert_null(strstr(text, "!"));

	now->stacks_count = 1005;
	assert_advice(
		"  ! shard 0 holds 1000 tasks that have returned and "
		"nobody has joined: torc_join() or torc_detach() them, or use "
		"a group\n");
}

static void
epoll_is_advised_on(void **state)
{
	(void)state;
	memcpy(process->page.engine, "epoll", sizeof("epoll"));
	assert_advice("  ! the epoll engine takes a system call for each "
		      "receive and send: torc-doctor says why io_uring is not "
		      "used\n");
}

#define WITH_PROCESS(fn) \
	cmocka_unit_test_setup_teardown(fn, make_process, free_process)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_has_five_columns_at_most),
		WITH_PROCESS(a_table_has_a_head_a_row_per_shard_and_their_sum),
		WITH_PROCESS(a_row_has_79_columns_and_keeps_its_numbers_apart),
		WITH_PROCESS(a_shard_that_has_told_nothing_is_starting),
		WITH_PROCESS(no_buffer_is_advised_on_while_it_happens),
		WITH_PROCESS(stalls_and_overflows_are_advised_on_for_good),
		WITH_PROCESS(a_stuck_shard_is_advised_on_unless_it_was_stopped),
		WITH_PROCESS(a_bad_spread_is_advised_on),
		WITH_PROCESS(tasks_that_nobody_joins_are_advised_on),
		WITH_PROCESS(epoll_is_advised_on),
	};

	return cmocka_run_group_tests_name("top/table", tests, NULL, NULL);
}
