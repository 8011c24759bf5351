/* SPDX-License-Identifier: MIT */
#include <torc/core/io/reader.h>

#include <errno.h>
#include <string.h>

#include "core/io/source_priv.h"
#include "core/shard_priv.h"

void
torc_reader_init(struct torc_reader *reader, struct torc_source source,
	void *buf, size_t buf_bytes)
{
	torc_assert(source.read != NULL && buf != NULL && buf_bytes >= 2);
	*reader = (struct torc_reader){
		._source = source, ._buf = buf, ._max = buf_bytes - 1
	};
}

static inline char *
first(const struct torc_reader *reader)
{
	return reader->_buf + reader->_begin;
}

static inline void
take(struct torc_reader *reader, size_t bytes)
{
	reader->_begin += bytes;
	if (reader->_begin == reader->_end)
		reader->_begin = reader->_end = 0;
}

/*
 * Read ahead, once; there must be room. What is there moves to the front
 * when that leaves more of it: no more than once for each take().
 */
static ssize_t
read_ahead(struct torc_reader *reader)
{
	size_t buffered = torc_reader_buffered(reader);
	ssize_t got;

	torc_check(buffered < reader->_max);
	if (reader->_max - reader->_end < reader->_begin) {
		memmove(reader->_buf, first(reader), buffered);
		reader->_begin = 0;
		reader->_end = buffered;
	}
	got = torc__source_read(reader->_source, reader->_buf + reader->_end,
		reader->_max - reader->_end);
	if (got > 0)
		reader->_end += (size_t)got;
	return got;
}

/* Until `bytes` are there. 1; 0 at a clean end before; -errno. */
static ssize_t
read_ahead_until(struct torc_reader *reader, size_t bytes)
{
	ssize_t ret;

	if (torc_reader_buffered(reader) >= bytes) {
		torc__budget_spend();
		return 1;
	}
	do {
		ret = read_ahead(reader);
		if (ret <= 0)
			return ret;
	} while (torc_reader_buffered(reader) < bytes);
	return 1;
}

static size_t
copy_buffered(struct torc_reader *reader, void *buf, size_t bytes)
{
	size_t buffered = torc_reader_buffered(reader);

	if (bytes > buffered)
		bytes = buffered;
	if (bytes > 0)
		memcpy(buf, first(reader), bytes);
	take(reader, bytes);
	return bytes;
}

ssize_t
torc_reader_read(struct torc_reader *reader, void *buf, size_t bytes)
{
	ssize_t ret = torc__interrupted("torc_reader_read");

	if (ret < 0 || bytes == 0)
		return ret;
	if (torc_reader_buffered(reader) == 0 && bytes >= reader->_max)
		return torc__source_read(reader->_source, buf, bytes);
	ret = read_ahead_until(reader, 1);
	if (ret <= 0)
		return ret;
	return (ssize_t)copy_buffered(reader, buf, bytes);
}

/* Larger than the buffer: past it, but for the last part. */
static ssize_t
exact_large(struct torc_reader *reader, char *buf, size_t bytes)
{
	size_t at = copy_buffered(reader, buf, bytes);

	reader->done_bytes = at;
	while (bytes - at >= reader->_max) {
		ssize_t got = torc__source_read(
			reader->_source, buf + at, bytes - at);

		if (got <= 0)
			return got < 0 ? got : (ssize_t)at;
		at += (size_t)got;
		reader->done_bytes = at;
	}
	if (at < bytes) {
		ssize_t ret = read_ahead_until(reader, bytes - at);

		if (ret < 0)
			return ret;
		at += copy_buffered(reader, buf + at, bytes - at);
		reader->done_bytes = at;
	}
	return (ssize_t)at;
}

ssize_t
torc_reader_exact(struct torc_reader *reader, void *buf, size_t bytes)
{
	ssize_t ret = torc__interrupted("torc_reader_exact");

	reader->done_bytes = 0;
	if (ret < 0)
		return ret;
	if (bytes > reader->_max)
		return exact_large(reader, buf, bytes);
	ret = read_ahead_until(reader, bytes);
	if (ret < 0)
		return ret;
	reader->done_bytes = copy_buffered(reader, buf, bytes);
	return (ssize_t)reader->done_bytes;
}

ssize_t
torc_reader_peek(struct torc_reader *reader, size_t bytes, const void **data)
{
	ssize_t ret = torc__interrupted("torc_reader_peek");

	if (ret < 0)
		return ret;
	if (bytes > reader->_max)
		return -EMSGSIZE;
	ret = read_ahead_until(reader, bytes);
	if (ret < 0)
		return ret;
	*data = first(reader);
	return (ssize_t)(ret > 0 ? bytes : torc_reader_buffered(reader));
}

ssize_t
torc_reader_fill(struct torc_reader *reader, const void **data)
{
	ssize_t ret = torc__interrupted("torc_reader_fill");

	if (ret == 0)
		ret = read_ahead_until(reader, 1);
	if (ret <= 0)
		return ret;
	*data = first(reader);
	return (ssize_t)torc_reader_buffered(reader);
}

void
torc_reader_consume(struct torc_reader *reader, size_t bytes)
{
	torc_assert(bytes <= torc_reader_buffered(reader));
	take(reader, bytes);
}

/* From byte `from` of what is there; how much it ends, or 0: not there. */
static size_t
find(const struct torc_reader *reader, size_t from, const void *delimiter,
	size_t delimiter_bytes)
{
	const char *begin = first(reader) + from;
	size_t bytes = torc_reader_buffered(reader) - from;
	const char *found =
		delimiter_bytes == 1
			? memchr(begin, *(const char *)delimiter, bytes)
			: memmem(begin, bytes, delimiter, delimiter_bytes);

	if (found == NULL)
		return 0;
	return (size_t)(found - first(reader)) + delimiter_bytes;
}

/*
 * How many bytes there are with the delimiter; 0 at a clean end, whatever is
 * there; -errno. No byte is looked at twice but for those in which a
 * delimiter may have begun.
 */
static ssize_t
look_for(struct torc_reader *reader, const void *delimiter,
	size_t delimiter_bytes)
{
	size_t from = 0;

	for (;;) {
		size_t buffered = torc_reader_buffered(reader);
		size_t bytes = find(reader, from, delimiter, delimiter_bytes);
		ssize_t got;

		if (bytes > 0)
			return (ssize_t)bytes;
		if (buffered == reader->_max)
			return -EMSGSIZE;
		if (buffered >= delimiter_bytes)
			from = buffered - delimiter_bytes + 1;
		got = read_ahead(reader);
		if (got <= 0)
			return got;
	}
}

/* Of the calls below, what `call` says. */
static ssize_t
take_until(struct torc_reader *reader, const void *delimiter,
	size_t delimiter_bytes, const void **data, const char *call)
{
	ssize_t ret = torc__interrupted(call);

	torc_assert(delimiter_bytes > 0);
	if (ret < 0)
		return ret;
	ret = look_for(reader, delimiter, delimiter_bytes);
	if (ret < 0)
		return ret;
	if (ret == 0)
		ret = (ssize_t)torc_reader_buffered(reader);
	else
		torc__budget_spend();
	*data = first(reader);
	take(reader, (size_t)ret);
	return ret;
}

ssize_t
torc_reader_until(struct torc_reader *reader, const void *delimiter,
	size_t delimiter_bytes, const void **data)
{
	return take_until(
		reader, delimiter, delimiter_bytes, data, "torc_reader_until");
}

int
torc_reader_line(struct torc_reader *reader, char **line, size_t *bytes)
{
	const void *data = NULL;
	ssize_t got = take_until(reader, "\n", 1, &data, "torc_reader_line");
	char *begin = reader->_buf;
	size_t len = (size_t)got;

	if (got <= 0)
		return (int)got;
	begin += (const char *)data - begin;
	if (begin[len - 1] == '\n') {
		len--;
		if (len > 0 && begin[len - 1] == '\r')
			len--;
	}
	/* Without a \n there is the byte behind the last one for it. */
	begin[len] = '\0';
	*line = begin;
	if (bytes != NULL)
		*bytes = len;
	return 1;
}

int64_t
torc_reader_skip(struct torc_reader *reader, uint64_t bytes)
{
	ssize_t ret = torc__interrupted("torc_reader_skip");

	reader->done_bytes = 0;
	if (ret < 0)
		return ret;
	while (reader->done_bytes < bytes) {
		size_t part;

		ret = read_ahead_until(reader, 1);
		if (ret <= 0)
			return ret < 0 ? ret : (int64_t)reader->done_bytes;
		part = torc_reader_buffered(reader);
		if (part > bytes - reader->done_bytes)
			part = (size_t)(bytes - reader->done_bytes);
		take(reader, part);
		reader->done_bytes += part;
	}
	return (int64_t)bytes;
}

static ssize_t
read_reader(void *object, void *buf, size_t bytes)
{
	return torc_reader_read(object, buf, bytes);
}

struct torc_source
torc_reader_source(struct torc_reader *reader)
{
	return (struct torc_source){ read_reader, reader };
}

struct torc_reader *
torc__source_reader(struct torc_source source)
{
	return source.read == read_reader ? source.object : NULL;
}
