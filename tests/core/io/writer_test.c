/* SPDX-License-Identifier: MIT */
/*
 * Goal    What is written arrives once and in order, in few large pieces; an
 *         error is never forgotten; memory is a source and a sink.
 * Method  A sink that writes down what it gets, on a fake engine, and random
 *         writes that are compared with what arrived.
 */
#include <torc/core/io/bytes.h>
#include <torc/core/io/copy.h>
#include <torc/core/io/writer.h>

#include "tests/core/sync/support.h"

#define ALL_BYTES 4000

/* What arrives, until an error. */
struct drain {
	char data[ALL_BYTES + 100];
	size_t bytes;
	size_t bytes_max; /* past it there is an error */
	int error;
	uint64_t delay_ns;
	unsigned writes;
	const void *last;
};

static struct drain drain;

static ssize_t
write_drain(void *object, const void *data, size_t bytes)
{
	struct drain *d = object;
	int ret = d->delay_ns == 0 ? 0 : torc_sleep(d->delay_ns);

	d->writes++;
	d->last = data;
	if (ret < 0)
		return ret;
	if (bytes > d->bytes_max - d->bytes)
		return d->error;
	memcpy(d->data + d->bytes, data, bytes);
	d->bytes += bytes;
	return (ssize_t)bytes;
}

static struct torc_sink
new_sink(void)
{
	drain = (struct drain){ .bytes_max = ALL_BYTES, .error = -EPIPE };
	return (struct torc_sink){ write_drain, &drain };
}

static int
gather(void *arg)
{
	struct torc_writer writer;
	char buf[10];

	(void)arg;
	torc_writer_init(&writer, new_sink(), buf, sizeof(buf));
	assert_int_equal(torc_writer_write(&writer, "1234", 4), 4);
	assert_int_equal(torc_writer_write(&writer, "", 0), 0);
	assert_int_equal(torc_writer_write(&writer, "567890", 6), 6);
	assert_int_equal(torc_writer_buffered(&writer), 10);
	assert_int_equal(drain.writes, 0);
	assert_int_equal(torc_writer_write(&writer, "a", 1), 1);
	assert_int_equal(drain.writes, 1);
	assert_int_equal(torc_writer_flush(&writer), 0);
	assert_int_equal(torc_writer_flush(&writer), 0);
	assert_int_equal(drain.writes, 2);
	assert_string_equal(drain.data, "1234567890a");
	return 0;
}

static void
small_writes_leave_together(void **state)
{
	fake_shard_run(*state, gather, NULL);
}

static int
write_large(void *arg)
{
	static const char large[] = "0123456789";
	struct torc_writer writer;
	char buf[10];

	(void)arg;
	torc_writer_init(&writer, new_sink(), buf, sizeof(buf));
	assert_int_equal(torc_writer_write(&writer, "ab", 2), 2);
	assert_int_equal(torc_writer_write(&writer, large, 10), 10);
	assert_int_equal(torc_writer_buffered(&writer), 0);
	assert_ptr_equal(drain.last, large);
	assert_int_equal(drain.writes, 2);
	assert_string_equal(drain.data, "ab0123456789");
	return 0;
}

static void
a_large_write_goes_past_the_buffer(void **state)
{
	fake_shard_run(*state, write_large, NULL);
}

static int
print(void *arg)
{
	struct torc_writer writer;
	char buf[8];

	(void)arg;
	torc_writer_init(&writer, new_sink(), buf, sizeof(buf));
	assert_int_equal(torc_writer_printf(&writer, "%d,", 123), 4);
	assert_int_equal(torc_writer_printf(&writer, "%s", "abc"), 3);
	assert_int_equal(drain.writes, 0);
	/* Seven there, and the whole buffer for seven and a NUL. */
	assert_int_equal(torc_writer_printf(&writer, "%07d", 42), 7);
	assert_int_equal(drain.writes, 1);
	assert_int_equal(torc_writer_printf(&writer, "%08d", 42), -EMSGSIZE);
	assert_int_equal(torc_writer_printf(&writer, "%s", ""), 0);
	assert_int_equal(torc_writer_error(&writer), 0);
	assert_int_equal(torc_writer_write(&writer, "!", 1), 1);
	assert_int_equal(torc_writer_flush(&writer), 0);
	assert_string_equal(drain.data, "123,abc0000042!");
	return 0;
}

static void
text_is_formatted_into_the_buffer(void **state)
{
	fake_shard_run(*state, print, NULL);
}

static int
write_into_an_error(void *arg)
{
	struct torc_writer writer;
	char buf[4];

	(void)arg;
	torc_writer_init(&writer, new_sink(), buf, sizeof(buf));
	drain.bytes_max = 4;
	assert_int_equal(torc_writer_write(&writer, "1234", 4), 4);
	assert_int_equal(torc_writer_write(&writer, "5678", 4), -EPIPE);
	drain.bytes_max = ALL_BYTES;
	assert_int_equal(torc_writer_write(&writer, "9", 1), -EPIPE);
	assert_int_equal(torc_writer_printf(&writer, "9"), -EPIPE);
	assert_int_equal(torc_writer_flush(&writer), -EPIPE);
	assert_int_equal(torc_writer_error(&writer), -EPIPE);
	assert_string_equal(drain.data, "1234");
	return 0;
}

static void
an_error_sticks(void **state)
{
	fake_shard_run(*state, write_into_an_error, NULL);
}

static int
write_canceled(void *arg)
{
	struct torc_deadline scope;
	struct torc_writer writer;
	char buf[4];

	(void)arg;
	torc_writer_init(&writer, new_sink(), buf, sizeof(buf));
	drain.delay_ns = TORC_S;
	assert_int_equal(torc_writer_write(&writer, "12", 2), 2);
	torc_deadline_begin(&scope, 0);
	assert_int_equal(torc_sleep(TORC_MS), -ETIMEDOUT);
	assert_int_equal(torc_writer_write(&writer, "34", 2), -ETIMEDOUT);
	assert_int_equal(torc_writer_flush(&writer), -ETIMEDOUT);
	torc_deadline_end(&scope);
	/* Nothing had begun: it goes on. */
	assert_int_equal(torc_writer_error(&writer), 0);
	torc_deadline_begin(&scope, TORC_MS);
	assert_int_equal(torc_writer_flush(&writer), -ETIMEDOUT);
	torc_deadline_end(&scope);
	/* Nobody knows how much of it has arrived. */
	assert_int_equal(torc_writer_flush(&writer), -ETIMEDOUT);
	return 0;
}

static void
a_cancel_sticks_when_it_came_in_the_middle(void **state)
{
	fake_shard_run(*state, write_canceled, NULL);
}

static uint64_t random_state;

static size_t
any(size_t count)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1;
	return (size_t)(random_state >> 33) % count;
}

static int
write_at_random(void *arg)
{
	static char all[ALL_BYTES];

	(void)arg;
	for (size_t i = 0; i < ALL_BYTES; i++)
		all[i] = (char)('a' + i * 7 % 23);
	for (size_t max = 1; max <= 60; max++) {
		struct torc_writer writer;
		char buf[60];

		torc_writer_init(&writer, new_sink(), buf, max);
		for (size_t at = 0, bytes; at < ALL_BYTES; at += bytes) {
			bytes = any(100);
			if (bytes > ALL_BYTES - at)
				bytes = ALL_BYTES - at;
			assert_int_equal(
				torc_writer_write(&writer, all + at, bytes),
				bytes);
			assert_int_equal(
				drain.bytes + torc_writer_buffered(&writer),
				at + bytes);
		}
		assert_int_equal(torc_writer_flush(&writer), 0);
		assert_int_equal(drain.bytes, ALL_BYTES);
		assert_memory_equal(drain.data, all, ALL_BYTES);
	}
	return 0;
}

static void
any_writes_arrive_once_and_in_order(void **state)
{
	fake_shard_run(*state, write_at_random, NULL);
}

static ssize_t
write_half(void *object, const void *data, size_t bytes)
{
	(void)object;
	(void)data;
	return (ssize_t)bytes / 2;
}

static int
trust_a_liar(void *arg)
{
	struct torc_sink liar = { write_half, NULL };
	struct torc_writer writer;
	char buf[4];

	(void)arg;
	torc_writer_init(&writer, liar, buf, sizeof(buf));
	(void)torc_writer_write(&writer, "1234", 4);
	return torc_writer_flush(&writer);
}

static void
a_sink_that_takes_a_part_is_a_mistake(void **state)
{
	(void)state;
	assert_mistake(trust_a_liar, NULL, "ret == ", "writer.c");
}

/* ---- memory ---- */

static int
write_and_read_memory(void *arg)
{
	struct torc_bytes bytes;
	struct torc_sink sink;
	struct torc_source source;
	char buf[1000];

	(void)arg;
	torc_bytes_init(&bytes, 1500);
	sink = torc_bytes_sink(&bytes);
	source = torc_bytes_source(&bytes);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(source.read(source.object, buf, 10), 0);
	assert_int_equal(sink.write_all(sink.object, buf, 0), 0);
	assert_int_equal(sink.write_all(sink.object, buf, 1000), 1000);
	assert_int_equal(source.read(source.object, buf, 400), 400);
	assert_int_equal(sink.write_all(sink.object, buf, 501), -ENOSPC);
	assert_int_equal(sink.write_all(sink.object, buf, 500), 500);
	assert_int_equal(sink.write_all(sink.object, buf, 1), -ENOSPC);
	assert_int_equal(bytes.bytes, 1500);
	assert_int_equal(source.read(source.object, buf, 1000), 1000);
	assert_int_equal(source.read(source.object, buf, 1000), 100);
	assert_int_equal(source.read(source.object, buf, 1000), 0);
	torc_bytes_fini(&bytes);
	return 0;
}

static void
memory_gives_what_was_written_to_it_up_to_its_bound(void **state)
{
	fake_shard_run(*state, write_and_read_memory, NULL);
}

/* The block that grows is the one that the bytes come from. */
static int
append_to_itself(void *arg)
{
	struct torc_bytes bytes;
	struct torc_sink sink;

	(void)arg;
	torc_bytes_init(&bytes, 0);
	sink = torc_bytes_sink(&bytes);
	assert_int_equal(sink.write_all(sink.object, "01234567", 8), 8);
	for (size_t count = 8; count < 64 << 10; count *= 2)
		assert_int_equal(
			sink.write_all(sink.object, bytes.data, count), count);
	for (size_t i = 0; i < bytes.bytes; i++)
		assert_int_equal(bytes.data[i], '0' + i % 8);
	torc_bytes_fini(&bytes);
	return 0;
}

static void
memory_can_be_appended_to_itself(void **state)
{
	fake_shard_run(*state, append_to_itself, NULL);
}

static int
copy_memory(void *arg)
{
	static char from[200000], to[200000];
	struct torc_bytes in, out;

	(void)arg;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (char)(i * 31 % 251);
	torc_bytes_init_data(&in, from, sizeof(from));
	torc_bytes_init_buf(&out, to, sizeof(to));
	assert_int_equal(torc_copy_bytes(torc_bytes_source(&in),
				 torc_bytes_sink(&out), 70001),
		70001);
	assert_int_equal(
		torc_copy(torc_bytes_source(&in), torc_bytes_sink(&out)),
		sizeof(from) - 70001);
	assert_memory_equal(from, to, sizeof(from));
	assert_int_equal(
		torc_copy(torc_bytes_source(&in), torc_bytes_sink(&out)), 0);
	in._taken = 0;
	assert_int_equal(
		torc_copy(torc_bytes_source(&in), torc_bytes_sink(&in)),
		-ENOSPC);
	assert_memory_equal(from, to, sizeof(from));
	return 0;
}

static void
a_copy_takes_all_or_as_much_as_it_may(void **state)
{
	fake_shard_run(*state, copy_memory, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(small_writes_leave_together),
		WITH_SHARD(a_large_write_goes_past_the_buffer),
		WITH_SHARD(text_is_formatted_into_the_buffer),
		WITH_SHARD(an_error_sticks),
		WITH_SHARD(a_cancel_sticks_when_it_came_in_the_middle),
		WITH_SHARD(any_writes_arrive_once_and_in_order),
		cmocka_unit_test(a_sink_that_takes_a_part_is_a_mistake),
		WITH_SHARD(memory_gives_what_was_written_to_it_up_to_its_bound),
		WITH_SHARD(memory_can_be_appended_to_itself),
		WITH_SHARD(a_copy_takes_all_or_as_much_as_it_may),
	};

	return cmocka_run_group_tests_name("core/io/writer", tests, NULL, NULL);
}
