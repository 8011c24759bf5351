/* SPDX-License-Identifier: MIT */
#include <torc/core/io/copy.h>

#include <errno.h>

#include <torc/alloc/arena.h>

#include "core/io/source_priv.h"
#include "core/shard_priv.h"

#define BUF_BYTES ((size_t)64 << 10)

static ssize_t
put(struct torc_sink sink, const void *data, size_t bytes)
{
	ssize_t ret = sink.write_all(sink.object, data, bytes);

	torc_assert(ret < 0 || ret == (ssize_t)bytes);
	return ret;
}

static size_t
at_most(size_t bytes, uint64_t left)
{
	return bytes < left ? bytes : (size_t)left;
}

static int64_t
copy_stream(struct torc_stream *stream, struct torc_sink sink)
{
	int64_t copied = 0;
	const void *data;
	ssize_t got;

	while ((got = torc_recv(stream, &data)) > 0) {
		got = put(sink, data, (size_t)got);
		if (got < 0)
			break;
		copied += got;
	}
	return got < 0 ? got : copied;
}

static int64_t
copy_reader(
	struct torc_reader *reader, struct torc_sink sink, uint64_t bytes_max)
{
	uint64_t left = bytes_max;
	const void *data;
	ssize_t got;

	while (left > 0 && (got = torc_reader_fill(reader, &data)) != 0) {
		if (got > 0)
			got = put(sink, data, at_most((size_t)got, left));
		if (got < 0)
			return got;
		torc_reader_consume(reader, (size_t)got);
		left -= (uint64_t)got;
	}
	return (int64_t)(bytes_max - left);
}

static int64_t
copy_through(struct torc_source source, struct torc_sink sink,
	uint64_t bytes_max, char *buf, size_t buf_bytes)
{
	uint64_t left = bytes_max;

	while (left > 0) {
		ssize_t got = torc__source_read(
			source, buf, at_most(buf_bytes, left));

		if (got > 0)
			got = put(sink, buf, (size_t)got);
		if (got < 0)
			return got;
		if (got == 0)
			break;
		left -= (uint64_t)got;
	}
	return (int64_t)(bytes_max - left);
}

int64_t
torc_copy_bytes(
	struct torc_source source, struct torc_sink sink, uint64_t bytes_max)
{
	struct torc_reader *reader = torc__source_reader(source);
	size_t buf_bytes = at_most(BUF_BYTES, bytes_max);
	int64_t ret = torc__interrupted("torc_copy_bytes");
	char *buf;

	if (ret < 0 || bytes_max == 0)
		return ret;
	/* What no source will ever reach; the result has a sign. */
	if (bytes_max > INT64_MAX)
		bytes_max = INT64_MAX;
	if (reader != NULL)
		return copy_reader(reader, sink, bytes_max);
	buf = torc_malloc(buf_bytes);
	if (buf == NULL)
		return -ENOMEM;
	ret = copy_through(source, sink, bytes_max, buf, buf_bytes);
	torc_free(buf);
	return ret;
}

int64_t
torc_copy(struct torc_source source, struct torc_sink sink)
{
	struct torc_stream *stream = torc__source_stream(source);
	int ret = torc__interrupted("torc_copy");

	if (ret < 0)
		return ret;
	if (stream != NULL)
		return copy_stream(stream, sink);
	return torc_copy_bytes(source, sink, UINT64_MAX);
}
