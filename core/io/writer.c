/* SPDX-License-Identifier: MIT */
#include <torc/core/io/writer.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/shard_priv.h"

void
torc_writer_init(struct torc_writer *writer, struct torc_sink sink, void *buf,
	size_t buf_bytes)
{
	torc_assert(sink.write_all != NULL && buf != NULL && buf_bytes > 0);
	*writer = (struct torc_writer){
		._sink = sink, ._buf = buf, ._max = buf_bytes
	};
}

/* 0, or what stands against writing anything. */
static int
may_write(const struct torc_writer *writer, const char *call)
{
	return writer->_error != 0 ? writer->_error : torc__interrupted(call);
}

static ssize_t
send_now(struct torc_writer *writer, const void *data, size_t bytes)
{
	ssize_t ret =
		writer->_sink.write_all(writer->_sink.object, data, bytes);

	torc_assert(ret < 0 || ret == (ssize_t)bytes);
	if (ret < 0)
		writer->_error = (int)ret;
	return ret;
}

static int
send_kept(struct torc_writer *writer)
{
	size_t bytes = writer->_used;

	if (bytes == 0)
		return 0;
	if (send_now(writer, writer->_buf, bytes) < 0)
		return writer->_error;
	writer->_used = 0;
	return 0;
}

static void
keep(struct torc_writer *writer, const void *data, size_t bytes)
{
	memcpy(writer->_buf + writer->_used, data, bytes);
	writer->_used += bytes;
	torc__budget_spend();
}

ssize_t
torc_writer_write(struct torc_writer *writer, const void *data, size_t bytes)
{
	int ret = may_write(writer, "torc_writer_write");

	if (ret < 0 || bytes == 0)
		return ret;
	if (bytes > writer->_max - writer->_used) {
		ret = send_kept(writer);
		if (ret < 0)
			return ret;
	}
	if (bytes >= writer->_max)
		return send_now(writer, data, bytes);
	keep(writer, data, bytes);
	return (ssize_t)bytes;
}

/* What fits is kept. How long the text is, or -errno. */
static int
print(struct torc_writer *writer, const char *fmt, va_list args)
{
	size_t room = writer->_max - writer->_used;
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(writer->_buf + writer->_used, room, fmt, again);
	va_end(again);
	if (len < 0)
		return -EINVAL;
	if ((size_t)len < room) {
		writer->_used += (size_t)len;
		torc__budget_spend();
	} else if ((size_t)len >= writer->_max) {
		return -EMSGSIZE;
	}
	return len;
}

ssize_t
torc_writer_vprintf(struct torc_writer *writer, const char *fmt, va_list args)
{
	int ret = may_write(writer, "torc_writer_printf");
	size_t room;

	if (ret < 0)
		return ret;
	room = writer->_max - writer->_used;
	ret = print(writer, fmt, args);
	if (ret < 0 || (size_t)ret < room)
		return ret;
	ret = send_kept(writer);
	return ret < 0 ? ret : print(writer, fmt, args);
}

ssize_t
torc_writer_printf(struct torc_writer *writer, const char *fmt, ...)
{
	va_list args;
	ssize_t ret;

	va_start(args, fmt);
	ret = torc_writer_vprintf(writer, fmt, args);
	va_end(args);
	return ret;
}

int
torc_writer_flush(struct torc_writer *writer)
{
	int ret = may_write(writer, "torc_writer_flush");

	return ret < 0 ? ret : send_kept(writer);
}

static ssize_t
write_writer(void *object, const void *data, size_t bytes)
{
	return torc_writer_write(object, data, bytes);
}

struct torc_sink
torc_writer_sink(struct torc_writer *writer)
{
	return (struct torc_sink){ write_writer, writer };
}
