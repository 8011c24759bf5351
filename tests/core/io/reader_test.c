/* SPDX-License-Identifier: MIT */
/*
 * Goal    A reader gives every byte once and in order, however its source
 *         cuts them up, whatever the buffer's size, and also to a task that
 *         was cancelled in the middle and comes again.
 * Method  A source of memory on a fake engine. Short inputs are cut in every
 *         way that there is; long ones are read by random calls and compared
 *         with what was there.
 */
#include <torc/core/io/bytes.h>
#include <torc/core/io/reader.h>

#include "tests/core/sync/support.h"

/* Bytes that arrive in pieces. */
struct script {
	const char *data;
	size_t bytes;
	size_t at;
	uint64_t cuts;     /* bit n: a piece ends behind byte n */
	int end;           /* what follows the last byte: 0 or -errno */
	uint64_t delay_ns; /* between two pieces */
	uint64_t next_ns;
	void *last_buf; /* of the last read */
	unsigned reads;
};

static ssize_t
read_script(void *object, void *buf, size_t bytes)
{
	struct script *script = object;
	size_t count = 0;

	script->last_buf = buf;
	script->reads++;
	if (script->delay_ns != 0) {
		int ret = torc_sleep_until(script->next_ns);

		if (ret < 0)
			return ret;
		script->next_ns += script->delay_ns;
	}
	while (count < bytes && script->at < script->bytes) {
		((char *)buf)[count++] = script->data[script->at++];
		if (script->cuts >> ((script->at - 1) % 64) & 1)
			break;
	}
	return count == 0 ? script->end : (ssize_t)count;
}

static struct torc_source
source_of(struct script *script)
{
	return (struct torc_source){ read_script, script };
}

/* For each way to cut `text`, and each size of the buffer. */
static void
with_each_cut(const char *text, size_t min, size_t max,
	void (*look)(struct torc_reader *, struct script *))
{
	size_t len = strlen(text);

	for (uint64_t cuts = 0; cuts < UINT64_C(1) << (len - 1); cuts++)
		for (size_t bytes = min; bytes <= max; bytes++) {
			struct script script = {
				.data = text, .bytes = len, .cuts = cuts
			};
			struct torc_reader reader;
			char *buf = test_malloc(bytes);

			torc_reader_init(
				&reader, source_of(&script), buf, bytes);
			look(&reader, &script);
			test_free(buf);
		}
}

static void
look_at_lines(struct torc_reader *reader, struct script *script)
{
	static const char *const expected[] = { "ab", "", "", "c\rd", "e" };
	size_t bytes;
	char *line;

	(void)script;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(torc_reader_line(reader, &line, &bytes), 1);
		assert_string_equal(line, expected[i]);
		assert_int_equal(bytes, strlen(expected[i]));
	}
	assert_int_equal(torc_reader_line(reader, &line, &bytes), 0);
	assert_int_equal(torc_reader_line(reader, &line, NULL), 0);
}

static int
read_lines(void *arg)
{
	(void)arg;
	with_each_cut("ab\r\n\n\r\nc\rd\ne", 5, 14, look_at_lines);
	return 0;
}

static void
lines_are_the_same_however_they_arrive(void **state)
{
	fake_shard_run(*state, read_lines, NULL);
}

/* The delimiter begins anew inside of itself. */
static void
look_at_parts(struct torc_reader *reader, struct script *script)
{
	static const char *const expected[] = { "xaaab", "baab", "ya" };
	const void *data;

	(void)script;
	for (int i = 0; i < 3; i++) {
		size_t len = strlen(expected[i]);

		assert_int_equal(
			torc_reader_until(reader, "aab", 3, &data), len);
		assert_memory_equal(data, expected[i], len);
	}
	assert_int_equal(torc_reader_until(reader, "aab", 3, &data), 0);
}

static int
read_parts(void *arg)
{
	(void)arg;
	with_each_cut("xaaabbaabya", 6, 12, look_at_parts);
	return 0;
}

static void
a_delimiter_is_found_across_every_cut(void **state)
{
	fake_shard_run(*state, read_parts, NULL);
}

/* One line is a byte longer than the longest. */
static void
look_past_the_bound(struct torc_reader *reader, struct script *script)
{
	const void *data;
	char *line;

	(void)script;
	assert_int_equal(torc_reader_line(reader, &line, NULL), 1);
	assert_string_equal(line, "a");
	assert_int_equal(torc_reader_line(reader, &line, NULL), -EMSGSIZE);
	assert_int_equal(torc_reader_line(reader, &line, NULL), -EMSGSIZE);
	assert_int_equal(torc_reader_buffered(reader), 4);
	assert_int_equal(torc_reader_fill(reader, &data), 4);
	assert_memory_equal(data, "bcde", 4);
	torc_reader_consume(reader, 4);
	assert_int_equal(torc_reader_line(reader, &line, NULL), 1);
	assert_string_equal(line, "");
	assert_int_equal(torc_reader_line(reader, &line, NULL), 1);
	assert_string_equal(line, "fgh");
	assert_int_equal(torc_reader_line(reader, &line, NULL), 0);
}

static int
read_long_lines(void *arg)
{
	(void)arg;
	/* Four bytes and a NUL: a line of three is the longest. */
	with_each_cut("a\nbcde\nfgh", 5, 5, look_past_the_bound);
	return 0;
}

static void
a_line_past_the_bound_is_refused_and_nothing_is_lost(void **state)
{
	fake_shard_run(*state, read_long_lines, NULL);
}

/* ---- any call, against what was there ---- */

#define TEXT_BYTES 3000

static char text[TEXT_BYTES];
static uint64_t random_state;

static size_t
any(size_t count)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1;
	return (size_t)(random_state >> 33) % count;
}

static void
fill_text(uint64_t seed)
{
	random_state = seed;
	for (size_t i = 0; i < TEXT_BYTES; i++)
		text[i] = "abc\n"[any(4)];
}

static size_t
at_most(size_t bytes, size_t left)
{
	return bytes < left ? bytes : left;
}

/* So many bytes from `at` on make a part that ends with "b\n". */
static size_t
part_at(size_t at)
{
	for (size_t i = at + 1; i < TEXT_BYTES; i++)
		if (text[i] == '\n' && text[i - 1] == 'b')
			return i + 1 - at;
	return TEXT_BYTES - at;
}

static ssize_t
read_any(struct torc_reader *reader, size_t at, size_t max)
{
	static char buf[TEXT_BYTES];
	size_t want = any(2 * max), left = TEXT_BYTES - at;
	const void *data = buf;
	ssize_t got;

	switch (any(6)) {
	case 0:
		got = torc_reader_read(reader, buf, want);
		assert_true(got < 0 || (got > 0) == (want > 0 && left > 0));
		break;
	case 1:
		got = torc_reader_exact(reader, buf, want);
		assert_true(got < 0 || (size_t)got == at_most(want, left));
		if (got < 0)
			got = (ssize_t)reader->done_bytes;
		break;
	case 2:
		got = torc_reader_skip(reader, want);
		assert_true(got < 0 || (size_t)got == at_most(want, left));
		return got < 0 ? (ssize_t)reader->done_bytes : got;
	case 3:
		want = at_most(want, max);
		got = torc_reader_peek(reader, want, &data);
		assert_true(got < 0 || (size_t)got == at_most(want, left));
		if (got >= 0)
			assert_memory_equal(data, text + at, (size_t)got);
		return 0;
	case 4:
		got = torc_reader_fill(reader, &data);
		assert_true(got < 0 || (got > 0) == (left > 0));
		if (got > 0)
			torc_reader_consume(reader, (size_t)got);
		break;
	default:
		got = torc_reader_until(reader, "b\n", 2, &data);
		assert_true(got < 0 || (size_t)got == part_at(at));
		if (got == -EMSGSIZE)
			assert_true(part_at(at) >= max);
	}
	if (got > 0)
		assert_memory_equal(data, text + at, (size_t)got);
	return got > 0 ? got : 0;
}

/* Each call is made in a deadline that may be shorter than it takes. */
static int
read_at_random(void *arg)
{
	uint64_t patience_ns = (uint64_t)(uintptr_t)arg;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct script script = { .data = text,
			.bytes = TEXT_BYTES,
			.cuts = seed * UINT64_C(0x9e3779b97f4a7c15),
			.delay_ns = patience_ns == 0 ? 0 : TORC_MS };
		struct torc_deadline scope;
		struct torc_reader reader;
		char buf[70];
		size_t bytes = 8 + seed;

		fill_text(seed);
		torc_reader_init(&reader, source_of(&script), buf, bytes);
		for (size_t at = 0; at < TEXT_BYTES;) {
			if (patience_ns > 0)
				torc_deadline_begin(&scope, any(patience_ns));
			at += (size_t)read_any(&reader, at, bytes - 1);
			if (patience_ns > 0)
				torc_deadline_end(&scope);
		}
	}
	return 0;
}

static void
any_calls_in_any_order_give_every_byte_once(void **state)
{
	fake_shard_run(*state, read_at_random, NULL);
}

static void
a_call_that_ran_out_of_time_loses_nothing(void **state)
{
	fake_shard_run(*state, read_at_random, (void *)(3 * TORC_MS));
}

/* ---- ends, errors, sizes ---- */

static int
read_until_the_reset(void *arg)
{
	struct script script = {
		.data = "ab\ncd", .bytes = 5, .end = -ECONNRESET
	};
	struct torc_reader reader;
	char buf[16], *line;
	const void *data;

	(void)arg;
	torc_reader_init(&reader, source_of(&script), buf, sizeof(buf));
	assert_int_equal(torc_reader_line(&reader, &line, NULL), 1);
	assert_string_equal(line, "ab");
	assert_int_equal(torc_reader_line(&reader, &line, NULL), -ECONNRESET);
	assert_int_equal(torc_reader_peek(&reader, 3, &data), -ECONNRESET);
	assert_int_equal(torc_reader_exact(&reader, buf, 3), -ECONNRESET);
	assert_int_equal(reader.done_bytes, 0);
	assert_int_equal(torc_reader_fill(&reader, &data), 2);
	assert_memory_equal(data, "cd", 2);
	assert_int_equal(torc_reader_skip(&reader, 3), -ECONNRESET);
	assert_int_equal(reader.done_bytes, 2);
	assert_int_equal(torc_reader_fill(&reader, &data), -ECONNRESET);
	return 0;
}

static void
a_reset_is_no_end_and_what_came_before_it_can_be_had(void **state)
{
	fake_shard_run(*state, read_until_the_reset, NULL);
}

static int
read_large(void *arg)
{
	struct script script = { .data = text, .bytes = TEXT_BYTES };
	struct torc_reader reader;
	char buf[65], large[1000];
	const void *data;

	(void)arg;
	fill_text(7);
	torc_reader_init(&reader, source_of(&script), buf, sizeof(buf));
	assert_int_equal(torc_reader_peek(&reader, 1, &data), 1);
	assert_int_equal(torc_reader_exact(&reader, large, 1000), 1000);
	assert_memory_equal(large, text, 1000);
	assert_ptr_equal(script.last_buf, large + 64);
	assert_int_equal(script.reads, 2);
	assert_int_equal(torc_reader_read(&reader, large, 64), 64);
	assert_ptr_equal(script.last_buf, large);
	assert_memory_equal(large, text + 1000, 64);
	assert_int_equal(torc_reader_read(&reader, large, 63), 63);
	assert_ptr_equal(script.last_buf, buf);
	return 0;
}

static void
what_is_larger_than_the_buffer_goes_past_it(void **state)
{
	fake_shard_run(*state, read_large, NULL);
}

static int
read_nothing(void *arg)
{
	struct torc_reader reader;
	struct torc_bytes bytes;
	char buf[9];

	(void)arg;
	torc_bytes_init_data(&bytes, "123", 3);
	torc_reader_init(&reader, torc_bytes_source(&bytes), buf, sizeof(buf));
	assert_int_equal(torc_reader_read(&reader, NULL, 0), 0);
	assert_int_equal(torc_reader_exact(&reader, NULL, 0), 0);
	assert_int_equal(reader.done_bytes, 0);
	assert_int_equal(torc_reader_skip(&reader, 0), 0);
	assert_int_equal(bytes._taken, 0);
	return 0;
}

static void
nothing_needs_no_memory(void **state)
{
	fake_shard_run(*state, read_nothing, NULL);
}

static int
peek_too_much(void *arg)
{
	struct torc_reader reader;
	struct torc_bytes bytes;
	const void *data;
	char buf[9];

	(void)arg;
	torc_bytes_init_data(&bytes, "12345678", 8);
	torc_reader_init(&reader, torc_bytes_source(&bytes), buf, sizeof(buf));
	assert_int_equal(torc_reader_peek(&reader, 9, &data), -EMSGSIZE);
	assert_int_equal(torc_reader_buffered(&reader), 0);
	assert_int_equal(torc_reader_peek(&reader, 8, &data), 8);
	assert_memory_equal(data, "12345678", 8);
	torc_reader_consume(&reader, 3);
	assert_int_equal(torc_reader_peek(&reader, 8, &data), 5);
	assert_memory_equal(data, "45678", 5);
	return 0;
}

static void
a_peek_reaches_as_far_as_the_buffer(void **state)
{
	fake_shard_run(*state, peek_too_much, NULL);
}

static int
read_canceled(void *arg)
{
	struct torc_reader reader;
	struct torc_bytes bytes;
	const void *data;
	char buf[9], *line;

	(void)arg;
	torc_bytes_init_data(&bytes, "12\n45678", 8);
	torc_reader_init(&reader, torc_bytes_source(&bytes), buf, sizeof(buf));
	assert_int_equal(torc_reader_fill(&reader, &data), 8);
	torc_cancel(torc_self());
	assert_int_equal(torc_reader_read(&reader, buf, 1), -ECANCELED);
	assert_int_equal(torc_reader_exact(&reader, buf, 1), -ECANCELED);
	assert_int_equal(torc_reader_peek(&reader, 1, &data), -ECANCELED);
	assert_int_equal(torc_reader_fill(&reader, &data), -ECANCELED);
	assert_int_equal(torc_reader_line(&reader, &line, NULL), -ECANCELED);
	assert_int_equal(torc_reader_skip(&reader, 1), -ECANCELED);
	assert_int_equal(torc_reader_buffered(&reader), 8);
	return 0;
}

static void
a_cancelled_task_takes_nothing(void **state)
{
	fake_shard_run(*state, read_canceled, NULL);
}

static int
read_greedily(void *is_over)
{
	struct script script = { .data = "\n\n\n\n\n\n\n\n" };
	struct torc_reader reader;
	char buf[16], *line;

	torc_reader_init(&reader, source_of(&script), buf, sizeof(buf));
	while (!*(bool *)is_over) {
		script.bytes = 8;
		script.at = 0;
		while (torc_reader_line(&reader, &line, NULL) > 0)
			;
	}
	return 0;
}

static int
read_beside_another(void *arg)
{
	bool is_over = false;
	struct torc_task *task = fake_shard_spawn(read_greedily, &is_over);

	(void)arg;
	for (int i = 0; i < 3; i++)
		assert_int_equal(torc_yield(), 0);
	is_over = true;
	return torc_join(task, NULL);
}

static void
a_task_that_always_finds_a_line_yields_all_the_same(void **state)
{
	fake_shard_run(*state, read_beside_another, NULL);
}

/* ---- mistakes ---- */

static int
consume_too_much(void *arg)
{
	struct torc_reader reader;
	struct torc_bytes bytes;
	const void *data;
	char buf[9];

	(void)arg;
	torc_bytes_init_data(&bytes, "123", 3);
	torc_reader_init(&reader, torc_bytes_source(&bytes), buf, sizeof(buf));
	assert_int_equal(torc_reader_fill(&reader, &data), 3);
	torc_reader_consume(&reader, 4);
	return 0;
}

static ssize_t
read_more_than_asked(void *object, void *buf, size_t bytes)
{
	(void)object;
	(void)buf;
	return (ssize_t)bytes + 1;
}

static int
trust_a_liar(void *arg)
{
	struct torc_source liar = { read_more_than_asked, NULL };
	struct torc_reader reader;
	const void *data;
	char buf[9];

	(void)arg;
	torc_reader_init(&reader, liar, buf, sizeof(buf));
	return (int)torc_reader_fill(&reader, &data);
}

static int
have_too_small_a_buffer(void *arg)
{
	struct script script = { 0 };
	struct torc_reader reader;
	char buf[2];

	(void)arg;
	torc_reader_init(&reader, source_of(&script), buf, 2);
	torc_reader_init(&reader, source_of(&script), buf, 1);
	return 0;
}

static void
a_mistake_ends_the_program(void **state)
{
	(void)state;
	assert_mistake(consume_too_much, NULL, "torc_reader_buffered", "");
	assert_mistake(trust_a_liar, NULL, "got <= ", "source");
	assert_mistake(have_too_small_a_buffer, NULL, "buf_bytes >= 2", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(lines_are_the_same_however_they_arrive),
		WITH_SHARD(a_delimiter_is_found_across_every_cut),
		WITH_SHARD(
			a_line_past_the_bound_is_refused_and_nothing_is_lost),
		WITH_SHARD(any_calls_in_any_order_give_every_byte_once),
		WITH_SHARD(a_call_that_ran_out_of_time_loses_nothing),
		WITH_SHARD(
			a_reset_is_no_end_and_what_came_before_it_can_be_had),
		WITH_SHARD(what_is_larger_than_the_buffer_goes_past_it),
		WITH_SHARD(nothing_needs_no_memory),
		WITH_SHARD(a_peek_reaches_as_far_as_the_buffer),
		WITH_SHARD(a_cancelled_task_takes_nothing),
		WITH_SHARD(a_task_that_always_finds_a_line_yields_all_the_same),
		cmocka_unit_test(a_mistake_ends_the_program),
	};

	return cmocka_run_group_tests_name("core/io/reader", tests, NULL, NULL);
}
