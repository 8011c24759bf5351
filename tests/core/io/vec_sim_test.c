/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever the kernel is free to do, what is sent from pieces and from
 *         files arrives once and in order past every cancel, spread over
 *         pieces again.
 * Method  Hundreds of seeds, all faults, virtual time, a pair of streams.
 *         Sends and reads are cancelled at any moment; what a send says that
 *         it sent is what the other side must find.
 */
#include <errno.h>
#include <fcntl.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/core/io/chance.h"
#include "tests/test.h"

#define BYTES_MAX 60000
#define PIECES_MAX 40
#define FILE_BYTES_MAX 500000
#define MESSAGES 12

struct flow {
	struct torc_stream *from, *to;
	struct torc_file *file; /* or NULL: from memory */
	uint64_t file_bytes;
	uint64_t key;
	uint64_t sent;
	bool is_sent; /* all of it */
};

static int
open_flow(struct flow *flow)
{
	*flow = (struct flow){ .key = torc_sim_random(UINT32_MAX) };
	return torc_stream_pair(&flow->from, &flow->to);
}

static unsigned
cut(struct iovec *pieces, uint8_t *data, size_t bytes)
{
	unsigned count = 0;

	while (bytes > 0) {
		size_t part = torc_sim_random(bytes + 1);

		if (count == PIECES_MAX - 1)
			part = bytes;
		pieces[count++] = (struct iovec){ data, part };
		data += part;
		bytes -= part;
	}
	return count;
}

static int
send_pieces(struct flow *flow)
{
	static uint8_t data[BYTES_MAX];
	size_t bytes = 1 + torc_sim_random(BYTES_MAX);
	struct iovec pieces[PIECES_MAX];
	struct torc_send send, plain = { .data = data, .bytes = 1 };
	int ret;

	pattern_fill(data, flow->key, flow->sent, bytes);
	torc_send_vec_start(
		flow->from, &send, pieces, cut(pieces, data, bytes));
	ret = end_by_chance(&send.done);
	if (send.done.value >= 0 && send.sent_bytes != bytes)
		return -EBADMSG;
	flow->sent += send.sent_bytes;
	if (send.done.value < 0 && send.done.value != -ECANCELED)
		return (int)send.done.value;
	/* And one of the other kind behind it. */
	pattern_fill(data, flow->key, flow->sent, 1);
	torc_send_start(flow->from, &plain);
	if (torc_await(&plain.done) < 0)
		return (int)plain.done.value;
	flow->sent++;
	return ret;
}

/* The file's bytes are those of the stream from where it stands. */
static int
send_part_of_file(struct flow *flow)
{
	size_t bytes = torc_sim_random(FILE_BYTES_MAX);
	struct torc_send_file send;
	int ret;

	torc_send_file_start(flow->from, &send, flow->file, flow->sent, bytes);
	ret = end_by_chance(&send.done);
	if (send.done.value > (int64_t)bytes ||
		(send.done.value >= 0 &&
			send.sent_bytes != (size_t)send.done.value) ||
		flow->sent + send.sent_bytes > flow->file_bytes)
		return -EBADMSG;
	if (send.done.value >= 0 && send.sent_bytes < bytes &&
		flow->sent + send.sent_bytes != flow->file_bytes)
		return -ENODATA;
	flow->sent += send.sent_bytes;
	/* A disk may fail; what had left has left. */
	if (send.done.value < 0 && send.done.value != -ECANCELED &&
		send.done.value != -EIO)
		return (int)send.done.value;
	return ret;
}

static int
send_all(void *arg)
{
	struct flow *flow = arg;
	uint32_t count = torc_sim_size() * MESSAGES;
	int ret = 0;

	while (count-- > 0 && ret == 0)
		ret = flow->file != NULL ? send_part_of_file(flow)
					 : send_pieces(flow);
	flow->is_sent = true;
	torc_close(flow->from);
	return ret;
}

static bool
is_right(const struct flow *flow, const struct iovec *pieces, uint64_t at,
	size_t bytes)
{
	for (unsigned i = 0; bytes > 0; i++) {
		size_t part =
			pieces[i].iov_len < bytes ? pieces[i].iov_len : bytes;

		if (!pattern_is(pieces[i].iov_base, flow->key, at, part))
			return false;
		at += part;
		bytes -= part;
	}
	return true;
}

/* With a deadline that strikes at any time. 0 at the end, or -errno. */
static int
read_all(struct flow *flow)
{
	static uint8_t buf[2 * BYTES_MAX];
	uint64_t at = 0;

	for (;;) {
		struct iovec pieces[PIECES_MAX];
		struct torc_deadline deadline;
		unsigned count =
			cut(pieces, buf, 1 + torc_sim_random(sizeof(buf) - 1));
		ssize_t got;

		torc_deadline_begin(&deadline, torc_sim_random(TORC_MS));
		got = torc_read_vec(flow->to, pieces, count);
		torc_deadline_end(&deadline);
		if (got == -ETIMEDOUT)
			continue;
		if (got == 0)
			return at == flow->sent && flow->is_sent ? 0 : -ENODATA;
		if (got < 0)
			return (int)got;
		if (!is_right(flow, pieces, at, (size_t)got))
			return -EBADMSG;
		at += (uint64_t)got;
	}
}

static int
run_flow(struct flow *flow)
{
	struct torc_task *task;
	int ret = torc_spawn(&task, send_all, flow), result;

	if (ret < 0)
		return ret;
	ret = read_all(flow);
	torc_close(flow->to);
	if (ret < 0)
		torc_cancel(task);
	torc_cancel_join(task, &result);
	return ret < 0 ? ret : result;
}

static int
pieces_scenario(void *unused)
{
	struct flow flow;
	int ret = open_flow(&flow);

	(void)unused;
	if (ret < 0)
		return ret == -EMFILE ? 0 : ret;
	return run_flow(&flow);
}

/* 0; 1 when the disk failed; -errno. */
static int
write_file(struct flow *flow)
{
	static uint8_t data[FILE_BYTES_MAX];
	int ret = torc_file_open(&flow->file, "/file", O_RDWR | O_CREAT, 0600);
	ssize_t written;

	if (ret < 0)
		return 1;
	flow->file_bytes = 1 + torc_sim_random(FILE_BYTES_MAX);
	pattern_fill(data, flow->key, 0, flow->file_bytes);
	written = torc_file_pwrite_all(flow->file, data, flow->file_bytes, 0);
	if (written >= 0)
		return 0;
	torc_file_close(flow->file);
	return 1;
}

static int
file_scenario(void *arg)
{
	bool is_friendly = arg != NULL;
	struct flow flow;
	int ret = open_flow(&flow);

	if (ret < 0)
		return ret == -EMFILE ? 0 : ret;
	if (write_file(&flow) != 0) {
		torc_close(flow.from);
		torc_close(flow.to);
		return is_friendly ? -EIO : 0;
	}
	ret = run_flow(&flow);
	torc_file_close(flow.file);
	return ret;
}

static void
search(uint64_t faults, torc_task_fn *scenario)
{
	struct torc_sim_options options = { .faults = faults, .size = 4 };
	struct torc_sim_result result;
	int ret = torc_sim_search(&options, NULL, seeds_count(300), scenario,
		faults == 0 ? &result : NULL, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(result.completions > 0);
}

static void
pieces_survive_what_a_kernel_is_free_to_do(void **state)
{
	(void)state;
	search(TORC_SIM_ALL, pieces_scenario);
}

static void
pieces_arrive_on_a_friendly_machine(void **state)
{
	(void)state;
	search(0, pieces_scenario);
}

static void
files_arrive_on_a_friendly_machine(void **state)
{
	(void)state;
	search(0, file_scenario);
}

static void
files_survive_what_a_kernel_is_free_to_do(void **state)
{
	(void)state;
	search(TORC_SIM_ALL, file_scenario);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_arrive_on_a_friendly_machine),
		cmocka_unit_test(pieces_survive_what_a_kernel_is_free_to_do),
		cmocka_unit_test(files_arrive_on_a_friendly_machine),
		cmocka_unit_test(files_survive_what_a_kernel_is_free_to_do),
	};

	return cmocka_run_group_tests_name(
		"core/io/vec_sim", tests, NULL, NULL);
}
