/* SPDX-License-Identifier: MIT */
/*
 * Goal    Lines that a writer sends are the lines that a reader gets, through
 *         a copy on the way, whatever the kernel, the network and deadlines
 *         do; what is lost is said.
 * Method  Hundreds of seeds. Clients send lines of random lengths to a server
 *         that copies them back, and read with deadlines that are too short.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define LINES_MAX 200
#define LINE_MAX_BYTES 120

struct lines {
	struct torc_address at;
	struct torc_listener *listener;
	struct torc_group sessions;
	bool may_fail; /* the network does as it likes */
};

static int
copy_back(void *arg)
{
	struct torc_stream *stream = arg;
	struct torc_source source = torc_stream_source(stream);
	struct torc_reader reader;
	char buf[100];
	int64_t ret;

	/* Half of them with a reader in between. */
	if (torc_sim_random(2) == 0) {
		torc_reader_init(&reader, source, buf, sizeof(buf));
		source = torc_reader_source(&reader);
	}
	ret = torc_copy(source, torc_stream_sink(stream));
	if (ret < 0)
		torc_abort(stream);
	else
		torc_close(stream);
	return 0;
}

static int
serve(void *arg)
{
	struct lines *lines = arg;
	struct torc_stream *stream;

	while (torc_accept(lines->listener, &stream) == 0)
		if (torc_group_spawn(&lines->sessions, copy_back, stream) < 0)
			torc_abort(stream);
	return 0;
}

struct sender {
	struct torc_stream *stream;
	uint32_t key;
	uint32_t count;
};

/* What the nth line of this key is. */
static size_t
line_of(char *line, uint32_t key, uint32_t n)
{
	size_t len = (size_t)snprintf(line, LINE_MAX_BYTES, "%u/%u ", key, n);
	size_t more = (key + n * 37) % (LINE_MAX_BYTES - len - 1);

	memset(line + len, 'a' + (int)((key + n) % 26), more);
	line[len + more] = '\0';
	return len + more;
}

static int
send_lines(void *arg)
{
	struct sender *sender = arg;
	struct torc_writer writer;
	char buf[500], line[LINE_MAX_BYTES];
	int ret;

	torc_writer_init(&writer, torc_stream_sink(sender->stream), buf,
		1 + LINE_MAX_BYTES + torc_sim_random(300));
	for (uint32_t n = 0; n < sender->count; n++) {
		line_of(line, sender->key, n);
		torc_writer_printf(&writer, "%s\n", line);
		if (torc_sim_random(10) == 0 && torc_writer_flush(&writer) < 0)
			break;
		if (torc_sim_random(10) == 0)
			(void)torc_sleep(torc_sim_random(TORC_MS));
	}
	ret = torc_writer_flush(&writer);
	return ret < 0 ? ret : torc_shutdown(sender->stream);
}

/* As torc_reader_line(), from which a deadline takes nothing away. */
static int
next_line(struct torc_reader *reader, char **line)
{
	for (int tries = 0;; tries++) {
		struct torc_deadline scope;
		int ret;

		torc_deadline_begin(
			&scope, torc_sim_random(TORC_MS) << (tries / 4));
		ret = torc_reader_line(reader, line, NULL);
		torc_deadline_end(&scope);
		if (ret != -ETIMEDOUT || tries == 60)
			return ret;
	}
}

/* 0 when all came back, -errno when that was said, 1 when it was not. */
static int
compare_lines(struct sender *sender)
{
	char buf[LINE_MAX_BYTES + 2], expected[LINE_MAX_BYTES], *line;
	struct torc_reader reader;
	uint32_t n = 0;
	int ret;

	torc_reader_init(
		&reader, torc_stream_source(sender->stream), buf, sizeof(buf));
	while ((ret = next_line(&reader, &line)) > 0) {
		line_of(expected, sender->key, n++);
		if (strcmp(line, expected) != 0)
			return 1;
	}
	if (ret == -EMSGSIZE)
		return 1;
	return ret < 0 ? ret : n != sender->count;
}

static int
talk(struct torc_stream *stream)
{
	struct sender sender = { .stream = stream,
		.key = (uint32_t)torc_sim_random(1000),
		.count = (uint32_t)torc_sim_random(LINES_MAX) };
	struct torc_task *task;
	int ret, sent;

	if (torc_spawn(&task, send_lines, &sender) < 0)
		return -ENOMEM;
	ret = compare_lines(&sender);
	torc_cancel_join(task, &sent);
	/* An end before the whole is excused by the sender's error only. */
	return ret == 1 && sent < 0 ? sent : ret;
}

static int
client(void *arg)
{
	struct lines *lines = arg;
	struct torc_stream *stream;
	int ret;

	(void)torc_sleep(torc_sim_random(20 * TORC_MS));
	ret = torc_connect(&stream, &lines->at);
	if (ret == 0) {
		ret = talk(stream);
		torc_close(stream);
	}
	return ret < 0 && lines->may_fail ? 0 : ret;
}

static int
lines_scenario(void *arg)
{
	struct lines *lines = arg;
	struct torc_address at = lines->at;
	struct torc_group clients;
	struct torc_task *server;
	int ret;

	torc_group_init(&clients);
	torc_group_init(&lines->sessions);
	do
		ret = torc_listen(&lines->listener, &at, NULL);
	while (ret == -EMFILE);
	if (ret < 0)
		return ret;
	torc_listener_address(lines->listener, &lines->at);
	ret = torc_spawn(&server, serve, lines);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&clients, client, lines);
	if (ret == 0)
		ret = torc_group_join(&clients);
	torc_cancel_join(server, NULL);
	torc_group_cancel_join(&lines->sessions);
	torc_listener_close(lines->listener);
	lines->at = at;
	return ret;
}

static void
search(uint64_t faults)
{
	struct lines lines = { .may_fail = (faults & TORC_SIM_ERRORS) != 0 };
	struct torc_sim_options options = { .faults = faults, .size = 5 };
	struct torc_sim_result result;
	int ret;

	assert_int_equal(torc_address_parse(&lines.at, "127.0.0.1:0", NULL), 0);
	ret = torc_sim_search(&options, NULL, seeds_count(150), lines_scenario,
		&lines, &result);
	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(result.completions > 0);
}

static void
no_line_is_lost_by_what_a_kernel_is_free_to_do(void **state)
{
	(void)state;
	search(TORC_SIM_HIDDEN);
}

static void
what_the_network_takes_is_said(void **state)
{
	(void)state;
	search(TORC_SIM_ALL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			no_line_is_lost_by_what_a_kernel_is_free_to_do),
		cmocka_unit_test(what_the_network_takes_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
