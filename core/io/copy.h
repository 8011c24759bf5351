/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_COPY_H
#define TORC_CORE_IO_COPY_H

/*
 * copy - all that a source has, into a sink
 *
 * For both directions of two streams there is the relay, which needs no task.
 *
 * Lifetime  Source and sink must last until it returns.
 * Shard     That of both. Needs a task.
 * Errors    The first of either side, and -ENOMEM. The sink may then have
 *           more than its user can know, and less than was taken from the
 *           source: there is no going on. -ECANCELED, -ETIMEDOUT.
 * Cost      Of a reader, and of a stream whose end is what is waited for,
 *           bytes are sent from where they lie: no copy, no allocation. Else,
 *           and so for torc_copy_bytes() of a stream, one buffer of at most
 *           64 KiB for the time it takes, and one copy.
 */

#include <stdint.h>

#include <torc/core/io/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Until the source's clean end. Returns how many bytes, or -errno. */
int64_t torc_copy(struct torc_source source, struct torc_sink sink)
	__attribute__((warn_unused_result));

/*
 * At most `bytes_max`, and no more is taken from the source. Returns how
 * many: fewer when the source ended cleanly before; -errno.
 */
int64_t torc_copy_bytes(struct torc_source source, struct torc_sink sink,
	uint64_t bytes_max) __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_COPY_H */
