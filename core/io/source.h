/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_SOURCE_H
#define TORC_CORE_IO_SOURCE_H

/*
 * source, sink - anything that bytes come from, anything that they go to
 *
 * What buffers, copies or parses bytes takes one of these, so that it works
 * on a connection, a file, a pipe and a test's memory alike. Whatever can be
 * one has a call that says so: torc_stream_source(), torc_file_sink() ...
 *
 * Lifetime  Plain values of two words; `object` must outlive them.
 * Shard     That of the object.
 * Errors    As the object's own calls; -ECANCELED, -ETIMEDOUT.
 */

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_source {
	/*
	 * Wait for bytes and put at most `bytes` of them into buf. How many
	 * (> 0); 0 at a clean end; -errno. What it did not return is not lost.
	 */
	ssize_t (*read)(void *object, void *buf, size_t bytes);
	void *object;
};

struct torc_sink {
	/* Wait until all of it is on its way. `bytes`, or -errno. */
	ssize_t (*write_all)(void *object, const void *data, size_t bytes);
	void *object;
};

struct torc_stream;

struct torc_source torc_stream_source(struct torc_stream *stream);
struct torc_sink torc_stream_sink(struct torc_stream *stream);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_SOURCE_H */
