/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_WRITER_H
#define TORC_CORE_IO_WRITER_H

/*
 * writer - many small writes gathered into few large ones
 *
 *   char buf[4096];
 *   torc_writer_init(&writer, torc_stream_sink(stream), buf, sizeof(buf));
 *   torc_writer_printf(&writer, "%d items\r\n", count);
 *   ...
 *   ret = torc_writer_flush(&writer);
 *
 * What is written waits in a buffer of the caller's until that is full or
 * flushed; what is larger than the buffer goes past it. Nothing is flushed
 * by itself: not after a while, and not at an end.
 *
 * Errors    The sink's first error sticks: a part of what was written has
 *           arrived, nobody knows which, and every later call returns it. So
 *           only the result of the flush need be looked at. -ECANCELED and
 *           -ETIMEDOUT stick when they came in the middle of sending; a call
 *           that begins when its task is cancelled does nothing.
 * Lifetime  The caller's memory, buffer included. Nothing to end.
 * Shard     That of the sink; one task at a time.
 * Cost      One copy into the buffer, a unit of the task's budget.
 */

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include <torc/core/io/source.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_writer {
	/* Runtime only. */
	struct torc_sink _sink;
	char *_buf;
	size_t _max;
	size_t _used;
	int _error;
};

void torc_writer_init(struct torc_writer *writer, struct torc_sink sink,
	void *buf, size_t buf_bytes);

/* Write all of it, or keep it. Returns `bytes`, or -errno. */
ssize_t torc_writer_write(
	struct torc_writer *writer, const void *data, size_t bytes);

/*
 * As printf(). Returns how many bytes; -EMSGSIZE when they do not fit into
 * the whole buffer with a NUL behind them: none was written; -errno.
 */
ssize_t torc_writer_printf(struct torc_writer *writer, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
ssize_t torc_writer_vprintf(struct torc_writer *writer, const char *fmt,
	va_list args) __attribute__((format(printf, 2, 0)));

/* Send what was kept. Returns 0, or -errno, of this or an earlier call. */
int torc_writer_flush(struct torc_writer *writer)
	__attribute__((warn_unused_result));

/* How much is kept. */
static inline size_t
torc_writer_buffered(const struct torc_writer *writer)
{
	return writer->_used;
}

/* The error that sticks, or 0. */
static inline int
torc_writer_error(const struct torc_writer *writer)
{
	return writer->_error;
}

/* For whoever takes a sink. It does not flush. */
struct torc_sink torc_writer_sink(struct torc_writer *writer);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_WRITER_H */
