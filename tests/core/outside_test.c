/* SPDX-License-Identifier: MIT */
/*
 * Goal    A call that may wait and is made outside a task ends the process
 *         with its own name, not with that of a call below it.
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

OUTSIDE(interrupted)
OUTSIDE(yield)
OUTSIDE(run_on_shards, NULL, NULL)
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

static const struct row {
	const char *name;
	int (*fn)(void);
} rows[] = {
#define ROW(call)                             \
	{                                     \
		"torc_" #call, call##_outside \
	}
	ROW(interrupted),
	ROW(yield),
	ROW(run_on_shards),
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
