/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_STREAM_FIXTURE_H
#define TORC_TESTS_CORE_IO_STREAM_FIXTURE_H

/*
 * stream_fixture - who reads a stream to its end, and who fills it
 */

#include "tests/core/io/fixture.h"

/* Receive to the end; how it ended. */
static inline ssize_t
drain(struct torc_stream *stream, size_t *got)
{
	const void *data;
	ssize_t ret;

	while ((ret = torc_recv(stream, &data)) > 0) {
		must(is_right(data, *got, (size_t)ret));
		*got += (size_t)ret;
	}
	return ret;
}

static inline int
receive_to_the_end(void *arg)
{
	size_t got = 0;

	return (int)drain(arg, &got);
}

/* What a plain socket sends, from a task. */
struct flooder {
	int fd;
	size_t from;
	size_t bytes;
};

#endif /* TORC_TESTS_CORE_IO_STREAM_FIXTURE_H */
