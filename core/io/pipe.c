/* SPDX-License-Identifier: MIT */
#include "core/io/pipe_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include <torc/alloc/arena.h>

#include "core/shard_priv.h"

/* The place in the file that its descriptor has, as read(2) uses it. */
#define AT_ITS_PLACE ((uint64_t)-1)

/* One read or write takes at most so much of Linux. */
#define PART_BYTES_MAX ((size_t)1 << 30)

struct torc_pipe {
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_pipe **home; /* NULL, or who is to forget it */
	struct torc_pipe_read *reader;
	struct torc_pipe_write *writer; /* the first is in flight */
	struct torc_pipe_write *writer_last;
	int fd;
	bool is_borrowed;
	bool is_closing;
	bool is_gone;
};

static inline void
own(const struct torc_pipe *pipe)
{
	torc__shard_own(pipe->shard, "a pipe", "adopt its descriptor");
}

static uint32_t
part_of(size_t bytes)
{
	return (uint32_t)(bytes < PART_BYTES_MAX ? bytes : PART_BYTES_MAX);
}

void
torc__pipe_block_signal(struct torc_shard *shard, bool is_blocked)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (is_blocked)
		torc__mask_block(&shard->mask, &set);
	else
		torc__mask_unblock(&shard->mask, &set);
}

static void
release(struct torc_pipe *pipe)
{
	if (!pipe->is_gone || pipe->resource.is_ending)
		return;
	torc__list_remove(&pipe->resource.link);
	torc_free(pipe);
}

/* When nothing in flight names the descriptor any more. */
static void
close_when_quiet(struct torc_pipe *pipe)
{
	struct torc_shard *shard = pipe->shard;

	if (!pipe->is_closing || pipe->reader != NULL || pipe->writer != NULL)
		return;
	torc__resource_gone(shard, &pipe->resource);
	if (!pipe->is_borrowed) {
		shard->ring.engine->close_fd(&shard->ring, pipe->fd);
		torc__shard_fd_freed(shard);
	}
	torc__pipe_block_signal(shard, false);
	pipe->is_gone = true;
	release(pipe);
}

/* ---- reading ---- */

static void
submit_read(struct torc_pipe *pipe, struct torc_pipe_read *read)
{
	struct torc_ring *ring = &pipe->shard->ring;
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	if (read->_is_polling)
		io_uring_prep_poll_add(sqe, pipe->fd, POLLIN);
	else
		io_uring_prep_read(sqe, pipe->fd, read->buf,
			part_of(read->bytes), AT_ITS_PLACE);
	torc__op_submit(ring, &read->_op, sqe);
}

static void
on_read(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_pipe_read *read =
		torc__container_of(op, struct torc_pipe_read, _op);
	struct torc_pipe *pipe = read->_pipe;
	bool was_polling = read->_is_polling;

	(void)cqe_flags;
	read->_is_polling = !was_polling && res == -EAGAIN;
	if ((was_polling && res >= 0) || res == -EAGAIN || res == -EINTR) {
		if (!read->_is_canceled && !pipe->is_closing) {
			submit_read(pipe, read);
			return;
		}
		/* A cancel may reach a worker thread as a signal. */
		res = -ECANCELED;
	}
	pipe->reader = NULL;
	close_when_quiet(pipe);
	torc_future_complete(&read->done, res);
}

static void
cancel_read(struct torc_future *done)
{
	struct torc_pipe_read *read = torc_future_source(done);

	read->_is_canceled = true;
	torc__op_cancel(&read->_pipe->shard->ring, &read->_op);
}

void
torc_pipe_read_start(struct torc_pipe *pipe, struct torc_pipe_read *read)
{
	torc_assert(read->bytes > 0);
	torc_future_init(&read->done, cancel_read, read);
	if (torc_unlikely(pipe == NULL)) {
		torc_future_complete(&read->done, -ENOMEM);
		return;
	}
	own(pipe);
	if (torc_unlikely(pipe->is_closing)) {
		torc__resource_refuse(&pipe->resource, "a pipe", &read->done);
		return;
	}
	if (torc_unlikely(pipe->reader != NULL))
		torc__panic("a pipe that is being read is read again: one "
			    "task at a time");
	torc__op_init(&read->_op, on_read);
	read->_pipe = pipe;
	read->_is_canceled = false;
	read->_is_polling = false;
	pipe->reader = read;
	submit_read(pipe, read);
}

ssize_t
torc_pipe_read(struct torc_pipe *pipe, void *buf, size_t bytes)
{
	struct torc_pipe_read read = { .buf = buf, .bytes = bytes };
	int ret = torc__interrupted("torc_pipe_read");

	if (ret < 0)
		return ret;
	torc_pipe_read_start(pipe, &read);
	return (ssize_t)torc_await(&read.done);
}

/* ---- writing ---- */

static void
submit_write(struct torc_pipe *pipe, struct torc_pipe_write *write)
{
	struct torc_ring *ring = &pipe->shard->ring;
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	if (write->_is_polling)
		io_uring_prep_poll_add(sqe, pipe->fd, POLLOUT);
	else
		io_uring_prep_write(sqe, pipe->fd,
			(const char *)write->data + write->written_bytes,
			part_of(write->bytes - write->written_bytes),
			AT_ITS_PLACE);
	torc__op_submit(ring, &write->_op, sqe);
}

/* False when the close has taken it out, and its completion is due. */
static bool
unqueue(struct torc_pipe *pipe, struct torc_pipe_write *write)
{
	struct torc_pipe_write **at = &pipe->writer;
	struct torc_pipe_write *before = NULL;

	while (*at != NULL && *at != write) {
		before = *at;
		at = &before->_next;
	}
	if (*at == NULL)
		return false;
	*at = write->_next;
	if (pipe->writer_last == write)
		pipe->writer_last = before;
	return true;
}

/* It is the first; the next one follows. */
static void
finish_write(
	struct torc_pipe *pipe, struct torc_pipe_write *write, int64_t value)
{
	(void)unqueue(pipe, write);
	if (pipe->writer != NULL)
		submit_write(pipe, pipe->writer);
	close_when_quiet(pipe);
	torc_future_complete(&write->done, value);
}

static void
on_write(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_pipe_write *write =
		torc__container_of(op, struct torc_pipe_write, _op);
	struct torc_pipe *pipe = write->_pipe;
	bool was_polling = write->_is_polling;
	int64_t value = res;

	(void)cqe_flags;
	write->_is_polling = !was_polling && res == -EAGAIN;
	if (!was_polling && res > 0)
		write->written_bytes += (size_t)res;
	if (!was_polling && write->written_bytes == write->bytes) {
		value = (int64_t)write->bytes;
	} else if (res > 0 || res == -EAGAIN || res == -EINTR) {
		if (!write->_is_canceled && !pipe->is_closing) {
			submit_write(pipe, write);
			return;
		}
		value = -ECANCELED;
	} else if (res == 0) {
		/* A device that takes nothing, and would for ever. */
		value = -EIO;
	}
	finish_write(pipe, write, value);
}

static void
cancel_write(struct torc_future *done)
{
	struct torc_pipe_write *write = torc_future_source(done);
	struct torc_pipe *pipe = write->_pipe;

	if (pipe->writer == write) {
		write->_is_canceled = true;
		torc__op_cancel(&pipe->shard->ring, &write->_op);
		return;
	}
	if (unqueue(pipe, write))
		torc_future_complete(done, -ECANCELED);
}

void
torc_pipe_write_start(struct torc_pipe *pipe, struct torc_pipe_write *write)
{
	torc_future_init(&write->done, cancel_write, write);
	write->written_bytes = 0;
	if (torc_unlikely(pipe == NULL || write->bytes == 0)) {
		torc_future_complete(&write->done, pipe == NULL ? -ENOMEM : 0);
		return;
	}
	own(pipe);
	if (torc_unlikely(pipe->is_closing)) {
		torc__resource_refuse(&pipe->resource, "a pipe", &write->done);
		return;
	}
	torc__op_init(&write->_op, on_write);
	write->_pipe = pipe;
	write->_next = NULL;
	write->_is_canceled = false;
	write->_is_polling = false;
	if (pipe->writer != NULL) {
		pipe->writer_last->_next = write;
		pipe->writer_last = write;
		return;
	}
	pipe->writer = write;
	pipe->writer_last = write;
	submit_write(pipe, write);
}

ssize_t
torc_pipe_write_all(struct torc_pipe *pipe, const void *data, size_t bytes)
{
	struct torc_pipe_write write = { .data = data, .bytes = bytes };
	int ret = torc__interrupted("torc_pipe_write_all");

	if (ret < 0)
		return ret;
	torc_pipe_write_start(pipe, &write);
	return (ssize_t)torc_await(&write.done);
}

/* ---- life ---- */

static void
close_resource(struct torc_resource *resource)
{
	struct torc_pipe *pipe =
		torc__container_of(resource, struct torc_pipe, resource);

	if (pipe->is_gone) {
		release(pipe);
	} else if (!pipe->is_closing) {
		resource->is_ending = true;
		torc_pipe_close(pipe);
	}
}

int
torc__pipe_make(struct torc_pipe **home, int fd, bool is_borrowed)
{
	struct torc_shard *shard = torc__shard_current("a torc_pipe call");
	struct torc_pipe *pipe;

	pipe = torc_calloc(1, sizeof(*pipe));
	if (pipe == NULL)
		return -ENOMEM;
	pipe->shard = shard;
	pipe->home = home;
	pipe->fd = fd;
	pipe->is_borrowed = is_borrowed;
	pipe->resource.close = close_resource;
	torc__resource_join(shard, &pipe->resource);
	torc__pipe_block_signal(shard, true);
	*home = pipe;
	return 0;
}

int
torc_pipe_from_fd(struct torc_pipe **out, int fd)
{
	struct torc_shard *shard = torc__shard_current("torc_pipe_from_fd");
	struct torc_pipe *pipe;
	int ret;

	/* A simulated descriptor means nothing to the system. */
	if (!shard->ring.engine->is_simulated &&
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	ret = torc__pipe_make(&pipe, fd, false);
	if (ret < 0)
		return ret;
	pipe->home = NULL;
	*out = pipe;
	return 0;
}

int
torc_pipe_open(struct torc_pipe **reader, struct torc_pipe **writer)
{
	struct torc_ring *ring = &torc__shard_current("torc_pipe_open")->ring;
	int fds[2], ret;

	ret = ring->engine->pipe(ring, fds);
	if (ret < 0)
		return ret;
	ret = torc_pipe_from_fd(reader, fds[0]);
	if (ret < 0) {
		ring->engine->close_fd(ring, fds[0]);
		ring->engine->close_fd(ring, fds[1]);
		return ret;
	}
	ret = torc_pipe_from_fd(writer, fds[1]);
	if (ret < 0) {
		torc_pipe_close(*reader);
		ring->engine->close_fd(ring, fds[1]);
	}
	return ret;
}

int
torc_pipe_fd(const struct torc_pipe *pipe)
{
	return pipe->fd;
}

static ssize_t
source_read(void *object, void *buf, size_t bytes)
{
	return torc_pipe_read(object, buf, bytes);
}

struct torc_source
torc_pipe_source(struct torc_pipe *pipe)
{
	return (struct torc_source){ .read = source_read, .object = pipe };
}

static ssize_t
sink_write_all(void *object, const void *data, size_t bytes)
{
	return torc_pipe_write_all(object, data, bytes);
}

struct torc_sink
torc_pipe_sink(struct torc_pipe *pipe)
{
	return (struct torc_sink){ .write_all = sink_write_all,
		.object = pipe };
}

void
torc_pipe_close(struct torc_pipe *pipe)
{
	struct torc_pipe_write *queued = NULL;

	if (pipe == NULL)
		return;
	own(pipe);
	if (torc_unlikely(pipe->is_closing)) {
		torc__resource_close_again(&pipe->resource, "a pipe");
		release(pipe);
		return;
	}
	pipe->is_closing = true;
	if (pipe->home != NULL)
		*pipe->home = NULL;
	if (pipe->reader != NULL)
		torc__op_cancel(&pipe->shard->ring, &pipe->reader->_op);
	if (pipe->writer != NULL) {
		torc__op_cancel(&pipe->shard->ring, &pipe->writer->_op);
		queued = pipe->writer->_next;
		pipe->writer->_next = NULL;
		pipe->writer_last = pipe->writer;
	}
	close_when_quiet(pipe);
	while (queued != NULL) {
		struct torc_pipe_write *next = queued->_next;

		torc_future_complete(&queued->done, -ECANCELED);
		queued = next;
	}
}
