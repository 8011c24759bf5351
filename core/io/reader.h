/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_READER_H
#define TORC_CORE_IO_READER_H

/*
 * reader - bytes of any source, by lines, delimiters or exact counts
 *
 *   char buf[4096], *line;
 *   torc_reader_init(&reader, torc_stream_source(stream), buf, sizeof(buf));
 *   while ((ret = torc_reader_line(&reader, &line, NULL)) > 0)
 *           puts(line);
 *
 * It reads ahead into a buffer of the caller's, whose size bounds what one
 * line may take, and shows what it has found where it lies. What asks for
 * more than the buffer holds goes past it, without a second copy.
 *
 * Cancel    Loses nothing: what was read ahead stays, and the call may be
 *           made again. torc_reader_exact() and torc_reader_skip() of more
 *           than the buffer say in done_bytes how far they came.
 * Select    While torc_reader_buffered() is 0, on what the source is made of:
 *           torc_recv_start() for a stream.
 * Lifetime  The caller's memory, buffer included. Nothing to end. What is
 *           shown is there until the next call on this reader.
 * Shard     That of the source; one task at a time.
 * Errors    The source's, once for each call: what had arrived before can
 *           still be had, and a reset is never taken for an end. -EMSGSIZE:
 *           more than the buffer holds. -ECANCELED, -ETIMEDOUT.
 * Cost      One copy from the source into the buffer. Found there: no call
 *           to the source, a unit of the task's budget.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <torc/core/io/source.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_reader {
	/* Result, of exact and skip: how far the last one came. */
	uint64_t done_bytes;

	/* Runtime only. */
	struct torc_source _source;
	char *_buf;
	size_t _max;   /* how much of it is used: one byte is for a NUL */
	size_t _begin; /* what was read ahead ... */
	size_t _end;   /* ... and not taken */
};

/* At most `buf_bytes` - 1 are read ahead. At least 2: asserted. */
void torc_reader_init(struct torc_reader *reader, struct torc_source source,
	void *buf, size_t buf_bytes);

/* How much was read ahead: so much can be had without waiting. */
static inline size_t
torc_reader_buffered(const struct torc_reader *reader)
{
	return reader->_end - reader->_begin;
}

/*
 * Wait for bytes and copy at most `bytes` of them.
 *
 * Returns  how many (> 0); 0 at a clean end, or for 0 bytes; -errno.
 */
ssize_t torc_reader_read(struct torc_reader *reader, void *buf, size_t bytes)
	__attribute__((warn_unused_result));

/*
 * Wait until `bytes` have been copied. Returns `bytes`; fewer when the
 * source ended cleanly before; -errno, and buf then has done_bytes of them:
 * go on behind these.
 */
ssize_t torc_reader_exact(struct torc_reader *reader, void *buf, size_t bytes)
	__attribute__((warn_unused_result));

/*
 * Wait until `bytes` were read ahead, and show them without taking them.
 * Returns `bytes`; fewer when the source ended cleanly before; -EMSGSIZE
 * when the buffer is too small; -errno.
 */
ssize_t torc_reader_peek(struct torc_reader *reader, size_t bytes,
	const void **data) __attribute__((warn_unused_result));

/*
 * Show what was read ahead, and wait only when that is nothing. Returns how
 * many bytes (> 0); 0 at a clean end; -errno. They stay until consumed.
 */
ssize_t torc_reader_fill(struct torc_reader *reader, const void **data)
	__attribute__((warn_unused_result));

/* Take `bytes` of what was shown: no more than was read ahead; asserted. */
void torc_reader_consume(struct torc_reader *reader, size_t bytes);

/*
 * Take all up to the delimiter, and the delimiter. *data shows it.
 *
 * Returns  how many bytes, delimiter included; what was left, without one,
 *          at a clean end; 0 when nothing was; -errno. -EMSGSIZE when the
 *          buffer is full without one: nothing was taken, and what is there
 *          can be had by torc_reader_fill() and torc_reader_consume().
 */
ssize_t torc_reader_until(struct torc_reader *reader, const void *delimiter,
	size_t delimiter_bytes, const void **data)
	__attribute__((warn_unused_result));

/*
 * Take a line. *line is it, without its \n or \r\n, and with a NUL instead:
 * it may be changed. The last one need not end in \n. `bytes`, unless NULL,
 * receives its length, for lines with NULs in them.
 *
 * Returns  1; 0 at a clean end; -errno as torc_reader_until(): a line has at
 *          most buf_bytes - 2 bytes.
 */
int torc_reader_line(struct torc_reader *reader, char **line, size_t *bytes)
	__attribute__((warn_unused_result));

/*
 * Throw `bytes` away. Returns `bytes`; fewer when the source ended cleanly
 * before; -errno, and done_bytes of them are gone.
 */
int64_t torc_reader_skip(struct torc_reader *reader, uint64_t bytes)
	__attribute__((warn_unused_result));

/* What it has read ahead and what follows, for whoever takes a source. */
struct torc_source torc_reader_source(struct torc_reader *reader);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_READER_H */
