/* SPDX-License-Identifier: MIT */
/*
 * Goal    A call that needs a task, or the shard of one, and is made outside
 *         ends the process with its own name, not with that of a call below.
 * Method  Each is made in a child that runs no task, which must abort; the
 *         line that it wrote is compared. None comes as far as its object.
 */
#include <stdio.h>

#include <torc.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"

static _Alignas(64) char zeros[4096];
static char item[64];
static const void *data;
static void *const object = zeros;

#define OUTSIDE(call, ...)                            \
	static int call##_outside(void)               \
	{                                             \
		return (int)torc_##call(__VA_ARGS__); \
	}

#define OUTSIDE_START(call, ...)          \
	static int call##_outside(void)   \
	{                                 \
		torc_##call(__VA_ARGS__); \
		return 0;                 \
	}

OUTSIDE(spawn, NULL, NULL, NULL)
OUTSIDE(interrupted)
OUTSIDE(yield)
OUTSIDE(run_on_shards, NULL, NULL)
OUTSIDE(shard_index)
OUTSIDE(shard_count)
OUTSIDE(group_spawn, object, NULL, NULL)
OUTSIDE(barrier_wait, object)
OUTSIDE(condition_wait, object, object)
OUTSIDE(mutex_lock, object)
OUTSIDE(notify_wait, object)
OUTSIDE(once_begin, object)
OUTSIDE(once_run, object, NULL, NULL)
OUTSIDE(rwlock_read, object)
OUTSIDE(rwlock_write, object)
OUTSIDE(semaphore_acquire, object, 1)
OUTSIDE(broadcast_recv, object, item)
OUTSIDE(channel_recv, object, item)
OUTSIDE(channel_send, object, item)
OUTSIDE(oneshot_recv, object, item)
OUTSIDE(watch_changed, object, object)
OUTSIDE(copy, torc_bytes_source(object), torc_bytes_sink(object))
OUTSIDE(copy_bytes, torc_bytes_source(object), torc_bytes_sink(object), 1)
OUTSIDE(reader_read, object, item, 1)
OUTSIDE(reader_exact, object, item, 1)
OUTSIDE(reader_peek, object, 1, &data)
OUTSIDE(reader_fill, object, &data)
OUTSIDE(reader_until, object, "x", 1, &data)
OUTSIDE(reader_line, object, object, NULL)
OUTSIDE(reader_skip, object, 1)
OUTSIDE(writer_write, object, item, 1)
OUTSIDE(writer_printf, object, "x")
OUTSIDE(writer_flush, object)
OUTSIDE(path_stat, "x", object)
OUTSIDE(path_lstat, "x", object)
OUTSIDE(path_rename, "x", "y")
OUTSIDE(path_unlink, "x")
OUTSIDE(path_rmdir, "x")
OUTSIDE(path_mkdir, "x", 0700)
OUTSIDE(resolve, "localhost:1", object, 1)
OUTSIDE(connect_to, object, "localhost:1")
OUTSIDE(connect, object, object)
OUTSIDE(connect_from, object, object, object)
OUTSIDE(listen, object, object, NULL)
OUTSIDE(udp_bind, object, object)
OUTSIDE(stream_pair, object, object)
OUTSIDE(packet_pair, object, object)
OUTSIDE(stream_adopt, object, -1)
OUTSIDE(listener_adopt, object, -1)
OUTSIDE(udp_adopt, object, -1)
OUTSIDE(pipe_open, object, object)
OUTSIDE(pipe_from_fd, object, -1)
OUTSIDE(file_open, object, "x", 0, 0)
OUTSIDE(dir_open, object, "x")
OUTSIDE(process_spawn, object, object)
OUTSIDE(signals_open, object, object)
OUTSIDE(interrupt_wait)
OUTSIDE_START(connect_start, object, object)
OUTSIDE_START(connect_from_start, object, object, object)
OUTSIDE_START(connect_to_start, object, "localhost:1")
OUTSIDE_START(resolve_start, object, "localhost:1", object, 1)
OUTSIDE_START(process_spawn_start, object, object)
OUTSIDE_START(interrupt_start, object)
OUTSIDE_START(blocking_counts, object)
OUTSIDE_START(metrics, object)
OUTSIDE_START(dump, 2)
OUTSIDE_START(stdin)
OUTSIDE_START(stdout)
OUTSIDE_START(stderr)

static const struct row {
	const char *name;
	int (*fn)(void);
} rows[] = {
#define ROW(call)                             \
	{                                     \
		"torc_" #call, call##_outside \
	}
	ROW(spawn),
	ROW(interrupted),
	ROW(yield),
	ROW(run_on_shards),
	ROW(shard_index),
	ROW(shard_count),
	ROW(group_spawn),
	ROW(barrier_wait),
	ROW(condition_wait),
	ROW(mutex_lock),
	ROW(notify_wait),
	ROW(once_begin),
	ROW(once_run),
	ROW(rwlock_read),
	ROW(rwlock_write),
	ROW(semaphore_acquire),
	ROW(broadcast_recv),
	ROW(channel_recv),
	ROW(channel_send),
	ROW(oneshot_recv),
	ROW(watch_changed),
	ROW(copy),
	ROW(copy_bytes),
	ROW(reader_read),
	ROW(reader_exact),
	ROW(reader_peek),
	ROW(reader_fill),
	ROW(reader_until),
	ROW(reader_line),
	ROW(reader_skip),
	ROW(writer_write),
	ROW(writer_printf),
	ROW(writer_flush),
	ROW(path_stat),
	ROW(path_lstat),
	ROW(path_rename),
	ROW(path_unlink),
	ROW(path_rmdir),
	ROW(path_mkdir),
	ROW(resolve),
	ROW(connect_to),
	ROW(connect),
	ROW(connect_from),
	ROW(listen),
	ROW(udp_bind),
	ROW(stream_pair),
	ROW(packet_pair),
	ROW(stream_adopt),
	ROW(listener_adopt),
	ROW(udp_adopt),
	ROW(pipe_open),
	ROW(pipe_from_fd),
	ROW(file_open),
	ROW(dir_open),
	ROW(process_spawn),
	ROW(signals_open),
	ROW(interrupt_wait),
	ROW(connect_start),
	ROW(connect_from_start),
	ROW(connect_to_start),
	ROW(resolve_start),
	ROW(process_spawn_start),
	ROW(interrupt_start),
	ROW(blocking_counts),
	ROW(metrics),
	ROW(dump),
	ROW(stdin),
	ROW(stdout),
	ROW(stderr),
};

static void
expect_name(const struct row *row)
{
	char words[128];

	snprintf(words, sizeof(words), "%s outside a task", row->name);
	assert_says(last_words(row->fn), words);
}

static void
each_call_is_named(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_name(&rows[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_is_named),
	};

	return cmocka_run_group_tests_name("core/outside", tests, NULL, NULL);
}
