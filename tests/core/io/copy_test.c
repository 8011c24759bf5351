/* SPDX-License-Identifier: MIT */
/*
 * Goal    Readers, writers and copies on connections: byte-exact, no more
 *         than was asked for, and a reset is never taken for an end.
 * Method  The real kernel, one shard. The other end is a plain socket, so
 *         that the test says when it reads, writes and resets.
 */
#include "tests/core/io/fixture.h"

#define LARGE ((size_t)3 << 20)

struct copying {
	struct torc_source source;
	struct torc_sink sink;
	int64_t copied;
};

static int
copy_all(void *arg)
{
	struct copying *copying = arg;

	copying->copied = torc_copy(copying->source, copying->sink);
	return 0;
}

static int
a_stream_is_copied_into_another_byte_by_byte(void *unused)
{
	struct copying copying;
	struct torc_task *task;
	struct pair in, out;
	size_t sent = 0;

	(void)unused;
	pair_open(&in, TCP);
	pair_open(&out, TCP);
	copying.source = torc_stream_source(in.stream);
	copying.sink = torc_stream_sink(out.stream);
	must_be(torc_spawn(&task, copy_all, &copying), 0);

	while (sent < LARGE) {
		size_t bytes = random_size(POOL_PIECE);

		if (bytes > LARGE - sent)
			bytes = LARGE - sent;
		raw_send(in.peer, sent, bytes);
		raw_expect(out.peer, sent, bytes);
		sent += bytes;
	}
	shutdown(in.peer, SHUT_WR);
	must_be(torc_join(task, NULL), 0);

	must_be(copying.copied, LARGE);
	pair_close(&in);
	pair_close(&out);
	return 0;
}

static int
a_bounded_copy_takes_no_more_from_a_stream(void *unused)
{
	struct torc_bytes bytes;
	struct torc_reader reader;
	struct pair pair;
	char buf[100], rest[1000];

	(void)unused;
	pair_open(&pair, TCP);
	torc_bytes_init(&bytes, 0);
	raw_send(pair.peer, 0, 50000);

	must_be(torc_copy_bytes(torc_stream_source(pair.stream),
			torc_bytes_sink(&bytes), 40000),
		40000);
	must(is_right(bytes.data, 0, 40000));
	must_be(torc_read_exact(pair.stream, rest, 1000), 1000);
	must(is_right(rest, 40000, 1000));

	/* Of a reader's no more either; what it has read ahead stays. */
	torc_reader_init(
		&reader, torc_stream_source(pair.stream), buf, sizeof(buf));
	must_be(torc_copy_bytes(torc_reader_source(&reader),
			torc_bytes_sink(&bytes), 4550),
		4550);
	must(is_right(bytes.data + 40000, 41000, 4550));
	must_be(torc_reader_exact(&reader, rest, 1000), 1000);
	must(is_right(rest, 45550, 1000));
	torc_bytes_fini(&bytes);
	pair_close(&pair);
	return 0;
}

/* Data first, so that there is something to be lost. */
static int64_t
copy_reset(bool is_read_ahead)
{
	struct torc_bytes bytes;
	struct torc_reader reader;
	struct torc_source source;
	struct pair pair;
	char buf[100];
	int64_t ret;

	pair_open(&pair, TCP);
	torc_bytes_init(&bytes, 0);
	source = torc_stream_source(pair.stream);
	if (is_read_ahead) {
		torc_reader_init(&reader, source, buf, sizeof(buf));
		source = torc_reader_source(&reader);
	}
	raw_send(pair.peer, 0, 5000);
	raw_wait_delivered(pair.peer);
	turn();
	raw_reset(pair.peer);
	pair.peer = -1;
	ret = torc_copy(source, torc_bytes_sink(&bytes));
	torc_bytes_fini(&bytes);
	pair_close(&pair);
	return ret;
}

static int
a_copy_of_a_stream_that_was_reset_is_no_whole(void *unused)
{
	(void)unused;
	must_be(copy_reset(false), -ECONNRESET);
	must_be(copy_reset(true), -ECONNRESET);
	return 0;
}

static int
a_copy_ends_with_its_sink(void *unused)
{
	struct torc_bytes bytes;
	struct pair pair;
	char memory[1000];

	(void)unused;
	pair_open(&pair, TCP);
	torc_bytes_init_buf(&bytes, memory, sizeof(memory));
	raw_send(pair.peer, 0, 2000);
	raw_wait_delivered(pair.peer);

	must_be(torc_copy(torc_stream_source(pair.stream),
			torc_bytes_sink(&bytes)),
		-ENOSPC);

	pair_close(&pair);
	return 0;
}

static int
copy_and_be_canceled(void *arg)
{
	struct copying *copying = arg;

	copying->copied =
		torc_copy_bytes(copying->source, copying->sink, UINT64_MAX);
	return 0;
}

static int
a_cancelled_copy_gives_its_memory_back(void *unused)
{
	struct copying copying;
	struct torc_bytes bytes;
	struct torc_task *task;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_bytes_init(&bytes, 0);
	copying.source = torc_stream_source(pair.stream);
	copying.sink = torc_bytes_sink(&bytes);
	must_be(torc_spawn(&task, copy_and_be_canceled, &copying), 0);
	raw_send(pair.peer, 0, 3000);
	wait_until(bytes.bytes == 3000);
	torc_cancel_join(task, NULL);
	must_be(copying.copied, -ECANCELED);

	must_be(torc_spawn(&task, copy_and_be_canceled, &copying), 0);
	torc_cancel(task);
	torc_cancel_join(task, NULL);
	must_be(copying.copied, -ECANCELED);
	torc_bytes_fini(&bytes);
	pair_close(&pair);
	return 0;
}

/* ---- lines over a connection ---- */

#define LINES 3000

/* "17: xxxxx", of any length. */
static int
make_line(char *line, size_t bytes, unsigned n)
{
	int len = snprintf(line, bytes, "%u: ", n);

	memset(line + len, 'a' + (int)(n % 26), n * 7 % 200);
	len += (int)(n * 7 % 200);
	line[len] = '\0';
	return len;
}

static int
write_lines(void *arg)
{
	struct torc_writer writer;
	char buf[1000], line[300];

	torc_writer_init(&writer, torc_stream_sink(arg), buf, sizeof(buf));
	for (unsigned n = 0; n < LINES; n++) {
		make_line(line, sizeof(line), n);
		must(torc_writer_printf(&writer, "%s%s", line,
			     n % 3 == 0 ? "\r\n" : "\n") > 0);
		/* Now and then somebody waits for what is there. */
		if (n % 100 == 99)
			must_be(torc_writer_flush(&writer), 0);
	}
	must(torc_writer_printf(&writer, "the end") == 7);
	must_be(torc_writer_flush(&writer), 0);
	return torc_shutdown(arg);
}

static unsigned
read_lines(struct torc_stream *stream)
{
	char buf[300], expected[300], *line;
	struct torc_reader reader;
	unsigned n = 0;
	int ret;

	torc_reader_init(&reader, torc_stream_source(stream), buf, sizeof(buf));
	while ((ret = torc_reader_line(&reader, &line, NULL)) > 0) {
		make_line(expected, sizeof(expected), n);
		if (n == LINES)
			snprintf(expected, sizeof(expected), "the end");
		must_be(strcmp(line, expected), 0);
		n++;
	}
	must_be(ret, 0);
	return n;
}

static int
lines_arrive_as_they_were_written(void *unused)
{
	struct torc_address at = address_of(TCP);
	struct torc_stream *ours, *theirs;
	struct torc_listener *listener;
	struct torc_task *task;

	(void)unused;
	must_be(torc_listen(&listener, &at, NULL), 0);
	torc_listener_address(listener, &at);
	must_be(torc_connect(&ours, &at), 0);
	must_be(torc_accept(listener, &theirs), 0);
	must_be(torc_spawn(&task, write_lines, ours), 0);

	must_be(read_lines(theirs), LINES + 1);

	must_be(torc_join(task, NULL), 0);
	torc_close(ours);
	torc_close(theirs);
	torc_listener_close(listener);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_stream_is_copied_into_another_byte_by_byte),
		WITH_TORC(a_bounded_copy_takes_no_more_from_a_stream),
		WITH_TORC(a_copy_of_a_stream_that_was_reset_is_no_whole),
		WITH_TORC(a_copy_ends_with_its_sink),
		WITH_TORC(a_cancelled_copy_gives_its_memory_back),
		WITH_TORC(lines_arrive_as_they_were_written),
	};

	return cmocka_run_group_tests_name("core/io/copy", tests, NULL, NULL);
}
