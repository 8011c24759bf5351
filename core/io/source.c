/* SPDX-License-Identifier: MIT */
#include "core/io/source_priv.h"

#include "base/assert_priv.h"

ssize_t
torc__source_read(struct torc_source source, void *buf, size_t bytes)
{
	ssize_t got = source.read(source.object, buf, bytes);

	torc_assert(got <= (ssize_t)bytes);
	return got;
}

static ssize_t
read_stream(void *object, void *buf, size_t bytes)
{
	return torc_read(object, buf, bytes);
}

struct torc_source
torc_stream_source(struct torc_stream *stream)
{
	return (struct torc_source){ read_stream, stream };
}

struct torc_stream *
torc__source_stream(struct torc_source source)
{
	return source.read == read_stream ? source.object : NULL;
}

static ssize_t
send_stream(void *object, const void *data, size_t bytes)
{
	return torc_send_all(object, data, bytes);
}

struct torc_sink
torc_stream_sink(struct torc_stream *stream)
{
	return (struct torc_sink){ send_stream, stream };
}
