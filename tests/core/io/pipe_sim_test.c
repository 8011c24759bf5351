/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever the kernel is free to do, a pipe's bytes come once and in
 *         order, past every cancel; an interrupt is told once or stays caught
 *         until it is; a child is refused where there is no system.
 * Method  Hundreds of seeds, all faults, virtual time. Writes and reads are
 *         cancelled at any moment, and what a cancelled write says it wrote
 *         is what the reader must find.
 */
#include <errno.h>
#include <signal.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define BYTES_MAX 20000
#define MESSAGES 20

struct flow {
	struct torc_pipe *reader;
	struct torc_pipe *writer;
	uint64_t key;
	uint64_t written;
	bool is_written; /* all of it */
};

/* A message, or as much of it as left before a cancel. 0 or -errno. */
static int
write_one(struct flow *flow)
{
	static char data[BYTES_MAX];
	struct torc_pipe_write write = { .data = data,
		.bytes = 1 + torc_sim_random(BYTES_MAX) };
	int ret = 0;

	pattern_fill(data, flow->key, flow->written, write.bytes);
	torc_pipe_write_start(flow->writer, &write);
	if (torc_sim_random(3) == 0) {
		ret = torc_sleep(torc_sim_random(200 * TORC_US));
		torc_future_cancel(&write.done);
	}
	if (torc_await(&write.done) >= 0 && write.written_bytes != write.bytes)
		return -EBADMSG;
	flow->written += write.written_bytes;
	if (write.done.value < 0 && write.done.value != -ECANCELED)
		return (int)write.done.value;
	return ret;
}

static int
write_all(void *arg)
{
	struct flow *flow = arg;
	uint32_t count = torc_sim_size() * MESSAGES;
	int ret = 0;

	while (count-- > 0 && ret == 0)
		ret = write_one(flow);
	flow->is_written = true;
	torc_pipe_close(flow->writer);
	return ret;
}

/* With a deadline that strikes at any time. 0 at the end, or -errno. */
static int
read_all(struct flow *flow)
{
	static char buf[BYTES_MAX];
	uint64_t at = 0;

	for (;;) {
		struct torc_deadline deadline;
		ssize_t got;

		torc_deadline_begin(&deadline, torc_sim_random(TORC_MS));
		got = torc_pipe_read(
			flow->reader, buf, 1 + torc_sim_random(BYTES_MAX));
		torc_deadline_end(&deadline);
		if (got == 0)
			return at == flow->written && flow->is_written
				       ? 0
				       : -ENODATA;
		if (got < 0 && got != -ETIMEDOUT)
			return (int)got;
		if (got < 0)
			continue;
		if (!pattern_is(buf, flow->key, at, (size_t)got))
			return -EBADMSG;
		at += (uint64_t)got;
	}
}

static int
flow_scenario(void *unused)
{
	struct flow flow = { .key = torc_sim_random(UINT32_MAX) };
	struct torc_task *task;
	int ret, result;

	(void)unused;
	ret = torc_pipe_open(&flow.reader, &flow.writer);
	if (ret < 0)
		return ret == -EMFILE ? 0 : ret;
	ret = torc_spawn(&task, write_all, &flow);
	if (ret < 0)
		return ret;
	ret = read_all(&flow);
	torc_pipe_close(flow.reader);
	if (ret < 0)
		torc_cancel(task);
	torc_cancel_join(task, &result);
	return ret < 0 ? ret : result;
}

/* The reader goes away, any time. */
static int
broken_scenario(void *unused)
{
	static char data[4 * BYTES_MAX * 10];
	struct torc_pipe_write writes[3];
	struct torc_pipe *reader, *writer;
	int ret = torc_pipe_open(&reader, &writer);

	(void)unused;
	if (ret < 0)
		return ret == -EMFILE ? 0 : ret;
	for (int i = 0; i < 3; i++) {
		writes[i] = (struct torc_pipe_write){ .data = data,
			.bytes = sizeof(data) };
		torc_pipe_write_start(writer, &writes[i]);
	}
	ret = torc_sleep(torc_sim_random(TORC_MS));
	torc_pipe_close(reader);
	for (int i = 0; i < 3; i++)
		if (torc_await(&writes[i].done) != -EPIPE && ret == 0)
			ret = -EBADMSG;
	torc_pipe_close(writer);
	return ret;
}

static int
raise_later(void *unused)
{
	int ret = torc_sleep(torc_sim_random(TORC_MS));

	(void)unused;
	torc_sim_raise(torc_sim_random(2) == 0 ? SIGINT : SIGTERM);
	return ret;
}

/* Told to who waits, and afterwards anybody else may catch it. */
static int
interrupt_scenario(void *unused)
{
	struct torc_signals *other;
	struct torc_task *task;
	sigset_t set;
	int ret = torc_spawn(&task, raise_later, NULL), result;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	if (ret < 0)
		return ret;
	ret = torc_interrupt_wait();
	torc_cancel_join(task, &result);
	if (ret == -EMFILE)
		return 0;
	if (ret != SIGINT && ret != SIGTERM)
		return -EBADMSG;
	/* The two are free again. */
	ret = torc_signals_open(&other, &set);
	if (ret == 0)
		torc_signals_close(other);
	return ret == -EMFILE ? 0 : ret;
}

static int
process_scenario(void *unused)
{
	struct torc_process_options options = { .argv = (const char *const[]){
							"true", NULL } };
	struct torc_process *process;
	char byte;

	(void)unused;
	if (torc_process_spawn(&process, &options) != -EOPNOTSUPP)
		return -EBADMSG;
	return torc_pipe_read(torc_stdin(), &byte, 1) == -EBADF ? 0 : -EBADMSG;
}

static void
search(torc_task_fn *scenario, uint32_t seeds)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL,
		.fault_permille = 50,
		.size = size_usual(2) };
	struct torc_sim_result result;

	assert_int_equal(torc_sim_search(&options, NULL, seeds_count(seeds),
				 scenario, NULL, &result),
		0);
	note_runs(&result);
}

static void
every_byte_comes_once_past_every_cancel(void **unused)
{
	(void)unused;
	search(flow_scenario, 300);
}

static void
a_reader_that_leaves_is_told_to_every_writer(void **unused)
{
	(void)unused;
	search(broken_scenario, 300);
}

static void
an_interrupt_is_told_once(void **unused)
{
	(void)unused;
	search(interrupt_scenario, 300);
}

static void
there_is_no_system_in_a_simulation(void **unused)
{
	(void)unused;
	search(process_scenario, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_comes_once_past_every_cancel),
		cmocka_unit_test(a_reader_that_leaves_is_told_to_every_writer),
		cmocka_unit_test(an_interrupt_is_told_once),
		cmocka_unit_test(there_is_no_system_in_a_simulation),
	};

	return cmocka_run_group_tests_name(
		"core/io/pipe_sim", tests, NULL, NULL);
}
