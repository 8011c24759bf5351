/* SPDX-License-Identifier: MIT */
/*
 * Goal    What goes into a pipe comes out of it, once and in order, whoever
 *         gives up waiting in between; and each end hears of the other's end.
 * Method  Hundreds of seeds of writers and readers with short patience, on
 *         pipes and on pairs of sockets.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/core/io/pair.h>
#include <torc/core/io/pipe.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define TOTAL_BYTES 300000u
#define PART_MAX 100000u

struct line {
	struct torc_pipe *reader, *writer;
	uint64_t key;
	uint64_t written; /* for certain */
	uint64_t read;
	int64_t writer_end; /* what its last write said */
	bool leaves_early;
};

/* Zero, or the deadline's end, which is no mistake. */
static bool
is_patience_over(int64_t ret)
{
	return ret == -ETIMEDOUT || ret == -ECANCELED;
}

static int64_t
write_part(struct line *line, uint8_t *buf)
{
	uint64_t left = TOTAL_BYTES - line->written;
	struct torc_pipe_write write = { .data = buf,
		.bytes = 1 +
			 torc_sim_random(left < PART_MAX ? left : PART_MAX) };
	int64_t ret;

	pattern_fill(buf, line->key, line->written, write.bytes);
	torc_pipe_write_start(line->writer, &write);
	if (torc_sim_random(4) == 0) {
		(void)torc_sleep(torc_sim_random(200 * TORC_US));
		torc_future_cancel(&write.done);
	}
	ret = torc_await(&write.done);
	line->written += write.written_bytes;
	if (ret >= 0 && (uint64_t)ret != write.bytes)
		return -EBADMSG;
	return is_patience_over(ret) ? 0 : ret;
}

static int
write_all(void *arg)
{
	struct line *line = arg;
	uint8_t *buf = torc_malloc(PART_MAX);
	int64_t ret = buf != NULL ? 0 : -ENOMEM;

	while (ret >= 0 && line->written < TOTAL_BYTES)
		ret = write_part(line, buf);
	line->writer_end = ret;
	torc_free(buf);
	torc_pipe_close(line->writer);
	return ret == -EPIPE || ret >= 0 ? 0 : (int)ret;
}

static int64_t
read_part(struct line *line, uint8_t *buf)
{
	struct torc_deadline deadline;
	int64_t got;

	torc_deadline_begin(&deadline, 1 + torc_sim_random(300 * TORC_US));
	got = torc_pipe_read(line->reader, buf, 1 + torc_sim_random(PART_MAX));
	torc_deadline_end(&deadline);
	if (is_patience_over(got))
		return 1;
	if (got <= 0)
		return got;
	if (!pattern_is(buf, line->key, line->read, (size_t)got))
		return -EBADMSG;
	line->read += (uint64_t)got;
	return 1;
}

static int
read_all(void *arg)
{
	struct line *line = arg;
	uint8_t *buf = torc_malloc(PART_MAX);
	int64_t ret = buf != NULL ? 1 : -ENOMEM;

	while (ret > 0 &&
		!(line->leaves_early && line->read > TOTAL_BYTES / 3)) {
		ret = read_part(line, buf);
		if (torc_sim_random(8) == 0)
			(void)torc_sleep(torc_sim_random(TORC_MS));
	}
	torc_free(buf);
	torc_pipe_close(line->reader);
	return ret < 0 ? (int)ret : 0;
}

/* All of it, or as much as was wanted and the news of it. */
static int
judge(const struct line *line)
{
	if (line->leaves_early)
		return line->writer_end == -EPIPE ||
				       line->written == TOTAL_BYTES
			       ? 0
			       : -EBADMSG;
	return line->read == TOTAL_BYTES && line->written == TOTAL_BYTES
		       ? 0
		       : -EBADMSG;
}

static int
one_line(void *arg)
{
	struct line line = { .key = torc_sim_random(UINT32_MAX),
		.leaves_early = torc_sim_random(3) == 0 };
	struct torc_group group;
	int ret;

	(void)arg;
	do
		ret = torc_pipe_open(&line.reader, &line.writer);
	while (ret == -EMFILE);
	if (ret < 0)
		return ret;
	torc_group_init(&group);
	ret = torc_group_spawn(&group, write_all, &line);
	if (ret == 0)
		ret = torc_group_spawn(&group, read_all, &line);
	if (ret == 0)
		ret = torc_group_join(&group);
	return ret == 0 ? judge(&line) : ret;
}

static int
lines(void *arg)
{
	struct torc_group group;
	int ret = 0;

	(void)arg;
	torc_group_init(&group);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&group, one_line, NULL);
	return ret == 0 ? torc_group_join(&group) : ret;
}

/* ---- pairs of sockets ---- */

static int
answer(void *arg)
{
	struct torc_stream *stream = arg;
	int64_t ret = 0;

	for (;;) {
		const void *data;
		ssize_t got = torc_recv(stream, &data);

		if (got <= 0) {
			ret = got;
			break;
		}
		ret = torc_send_all(stream, data, (size_t)got);
		if (ret < 0)
			break;
	}
	torc_close(stream);
	return ret < 0 ? (int)ret : 0;
}

static int64_t
expect(struct torc_stream *stream, uint64_t key, uint64_t bytes)
{
	uint64_t done = 0;

	while (done < bytes) {
		const void *data;
		ssize_t got = torc_recv(stream, &data);

		if (got <= 0)
			return got < 0 ? got : -EBADMSG;
		if (!pattern_is(data, key, done, (size_t)got))
			return -EBADMSG;
		done += (uint64_t)got;
	}
	return done == bytes ? 0 : -EBADMSG;
}

static int
echo(void *arg)
{
	uint64_t bytes = 1 + torc_sim_random(30000), key = bytes;
	struct torc_stream *near, *far;
	struct torc_task *task;
	uint8_t data[30000];
	int64_t ret;

	(void)arg;
	do
		ret = torc_stream_pair(&near, &far);
	while (ret == -EMFILE);
	if (ret == 0)
		ret = torc_spawn(&task, answer, far);
	if (ret < 0)
		return (int)ret;
	pattern_fill(data, key, 0, bytes);
	ret = torc_send_all(near, data, bytes);
	if (ret >= 0)
		ret = expect(near, key, bytes);
	torc_close(near);
	torc_cancel_join(task, NULL);
	return (int)ret;
}

static int
pairs(void *arg)
{
	struct torc_group group;
	int ret = 0;

	(void)arg;
	torc_group_init(&group);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&group, echo, NULL);
	return ret == 0 ? torc_group_join(&group) : ret;
}

/* ---- searching ---- */

static void
search(torc_task_fn *fn, uint64_t faults, uint32_t permille)
{
	struct torc_sim_options options = {
		.faults = faults, .fault_permille = permille, .size = 5
	};
	struct torc_sim_result result;
	int ret = torc_sim_search(
		&options, NULL, seeds_count(100), fn, NULL, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(faults == 0 || result.faults_count > 0);
}

static void
what_goes_into_a_pipe_comes_out(void **state)
{
	(void)state;
	search(lines, 0, 0);
	search(lines, TORC_SIM_ALL, 20);
	search(lines, TORC_SIM_ALL, 200);
}

static void
two_ends_talk_without_a_name(void **state)
{
	(void)state;
	search(pairs, 0, 0);
	search(pairs, TORC_SIM_ALL, 20);
	search(pairs, TORC_SIM_ALL, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_into_a_pipe_comes_out),
		cmocka_unit_test(two_ends_talk_without_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
