/* SPDX-License-Identifier: MIT */
/*
 * A child from its first byte to its last, and one that has to go: what is
 * built from the calls of process.h alone.
 */
#include "core/io/process_priv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <torc/alloc/arena.h>
#include <torc/core/sleep.h>
#include <torc/core/task.h>

#include "core/shard_priv.h"

#define OUTPUT_BYTES_MAX_DEFAULT ((size_t)16 << 20)
#define OUTPUT_BYTES_MIN ((size_t)4096)

int
torc_process_stop(struct torc_process *process, uint64_t grace_ns,
	struct torc_exit_status *status)
{
	struct torc_future done;
	struct torc_sleep grace;
	int ret = torc__interrupted("torc_process_stop");

	if (ret < 0)
		return ret;
	/* -ESRCH: it was faster. */
	(void)torc_process_kill(process, SIGTERM);
	torc__process_hold(process);
	torc_process_wait_start(process, &done);
	torc_sleep_start(&grace, grace_ns);
	ret = torc_select(
		(struct torc_future *const[]){ &done, &grace.done }, 2);
	if (torc__process_let_go(process))
		return ret < 0 ? ret : -ECANCELED;
	if (ret < 0)
		return ret;
	if (ret == 1)
		(void)torc_process_kill(process, SIGKILL);
	return torc_process_wait(process, status);
}

struct run;

/* One of the two that are read to their end. */
struct collector {
	struct torc_pipe_read read;
	struct torc_pipe *pipe;
	struct run *run;
	char *data;
	size_t bytes;
	size_t room; /* of data, its last byte aside */
};

/* All that goes on at the same time; done when the last of it is. */
struct run {
	struct torc_process *process;
	struct collector collectors[2];
	struct torc_pipe_write write;
	struct torc_future done;
	size_t bytes_max;
	unsigned pending;
	int error; /* the first */
};

static void
cancel_parts(struct run *run)
{
	for (int i = 0; i < 2; i++)
		if (run->collectors[i].pipe != NULL)
			torc_future_cancel(&run->collectors[i].read.done);
	if (run->write.data != NULL)
		torc_future_cancel(&run->write.done);
}

static void
part_done(struct run *run, int64_t value)
{
	if (value < 0 && run->error == 0) {
		run->error = (int)value;
		cancel_parts(run);
	}
	if (--run->pending == 0)
		torc_future_complete(&run->done, run->error);
}

/* One byte more than there may be, to find out. 0 or -errno. */
static int
make_room(struct collector *collector)
{
	size_t max = collector->run->bytes_max;
	size_t room = collector->room;
	char *data;

	if (collector->bytes > max)
		return -EMSGSIZE;
	if (collector->bytes < room)
		return 0;
	room = room == 0 ? OUTPUT_BYTES_MIN : 2 * room;
	if (room > max)
		room = max + 1;
	data = torc_malloc(room + 1);
	if (data == NULL)
		return -ENOMEM;
	if (collector->bytes > 0)
		memcpy(data, collector->data, collector->bytes);
	torc_free(collector->data);
	collector->data = data;
	collector->room = room;
	return 0;
}

static void on_some(struct torc_future *done);

/* 0, or why it is not read on. */
static int
read_on(struct collector *collector)
{
	int ret = make_room(collector);

	if (ret < 0)
		return ret;
	collector->read.buf = collector->data + collector->bytes;
	collector->read.bytes = collector->room - collector->bytes;
	torc_pipe_read_start(collector->pipe, &collector->read);
	torc_future_then(&collector->read.done, on_some, collector);
	return 0;
}

static void
on_some(struct torc_future *done)
{
	struct collector *collector = torc_future_waiter(done);
	int64_t value = done->value;

	if (value > 0) {
		collector->bytes += (size_t)value;
		value = collector->run->error;
		if (value == 0)
			value = read_on(collector);
		if (value == 0)
			return;
	}
	part_done(collector->run, value);
}

static void
on_written(struct torc_future *done)
{
	struct run *run = torc_future_waiter(done);

	/* The child sees the end of its input. */
	torc_pipe_close(torc_process_stdin(run->process));
	/* That it did not read all of it is its own affair. */
	part_done(run, done->value == -EPIPE ? 0 : done->value);
}

static void
cancel_run(struct torc_future *done)
{
	struct run *run = torc_future_source(done);

	/* Each of them is cancelled by the first that is. */
	if (run->error == 0)
		run->error = -ECANCELED;
	cancel_parts(run);
}

static void
collect(struct run *run, int index, struct torc_pipe *pipe)
{
	struct collector *collector = &run->collectors[index];
	int ret;

	if (pipe == NULL || run->error != 0)
		return;
	collector->pipe = pipe;
	collector->run = run;
	run->pending++;
	/* What is cancelled before it was started is done. */
	torc_future_init(&collector->read.done, NULL, NULL);
	ret = read_on(collector);
	if (ret < 0)
		part_done(run, ret);
}

static int
exchange(struct run *run, const void *input, size_t bytes)
{
	torc_future_init(&run->done, cancel_run, run);
	/* Itself a part, so that it is not done before all have begun. */
	run->pending = 1;
	collect(run, 0, torc_process_stdout(run->process));
	collect(run, 1, torc_process_stderr(run->process));
	if (input != NULL && run->error == 0) {
		run->pending++;
		run->write.data = input;
		run->write.bytes = bytes;
		torc_pipe_write_start(
			torc_process_stdin(run->process), &run->write);
		torc_future_then(&run->write.done, on_written, run);
	}
	part_done(run, 0);
	return (int)torc_await(&run->done);
}

static void
hand_over(const struct collector *collector, char **data, size_t *bytes)
{
	*data = collector->data;
	*bytes = collector->bytes;
	if (collector->data != NULL)
		collector->data[collector->bytes] = '\0';
}

static struct torc_process_options
fill_options(const struct torc_process_options *user, const void *input)
{
	struct torc_process_options options = *user;

	if (input != NULL)
		options.in.how = TORC_PROCESS_PIPE;
	else if (options.in.how == TORC_PROCESS_INHERIT ||
		 options.in.how == TORC_PROCESS_PIPE)
		options.in.how = TORC_PROCESS_NULL;
	if (options.out.how == TORC_PROCESS_INHERIT)
		options.out.how = TORC_PROCESS_PIPE;
	if (options.err.how == TORC_PROCESS_INHERIT)
		options.err.how = TORC_PROCESS_PIPE;
	if (options.output_bytes_max == 0)
		options.output_bytes_max = OUTPUT_BYTES_MAX_DEFAULT;
	return options;
}

int
torc_process_run(const struct torc_process_options *user, const void *input,
	size_t input_bytes, struct torc_process_output *output)
{
	struct torc_process_options options = fill_options(user, input);
	struct run run = { .bytes_max = options.output_bytes_max };
	int ret = torc_process_spawn(&run.process, &options);

	if (ret < 0)
		return ret;
	*output = (struct torc_process_output){ 0 };
	ret = exchange(&run, input, input_bytes);
	if (ret == 0)
		ret = torc_process_wait(run.process, &output->status);
	torc_process_close(run.process);
	hand_over(&run.collectors[0], &output->out, &output->out_bytes);
	hand_over(&run.collectors[1], &output->err, &output->err_bytes);
	if (ret < 0)
		torc_process_output_free(output);
	return ret;
}

void
torc_process_output_free(struct torc_process_output *output)
{
	torc_free(output->out);
	torc_free(output->err);
	output->out = NULL;
	output->err = NULL;
}
