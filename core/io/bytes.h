/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_BYTES_H
#define TORC_CORE_IO_BYTES_H

/*
 * bytes - memory as a source, and as a sink
 *
 * What was written to it can be read from it, first in first out. To read
 * all of a source into memory, at most a megabyte of it:
 *
 *   torc_bytes_init(&bytes, 1 << 20);
 *   copied = torc_copy(source, torc_bytes_sink(&bytes));
 *   ... bytes.data, bytes.bytes ...
 *   torc_bytes_fini(&bytes);
 *
 * Lifetime  init or one of its kin, and fini, which gives memory of its own
 *           back. data may move with every write, unless it is the caller's.
 * Shard     Any one; one task at a time. Reading and writing never wait, but
 *           yield now and then.
 * Errors    Writing: -ENOSPC past the bound, -ENOMEM; then nothing of it was
 *           written. Reading: none. Both: -ECANCELED, -ETIMEDOUT.
 */

#include <stdbool.h>
#include <stddef.h>

#include <torc/core/io/source.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_bytes {
	/* Result. */
	char *data;   /* all that was ever written; NULL: nothing was */
	size_t bytes; /* how much of it there is */

	/* Runtime only. */
	size_t _taken; /* what was read */
	size_t _room;  /* what data has room for */
	size_t _max;
	bool _is_ours;
};

/* Empty; grows to at most `bytes_max`. 0: as far as there is memory. */
void torc_bytes_init(struct torc_bytes *bytes, size_t bytes_max);

/* Empty; writes into the caller's memory, and no further. */
void torc_bytes_init_buf(struct torc_bytes *bytes, void *buf, size_t buf_bytes);

/* Full: to be read only. */
void torc_bytes_init_data(
	struct torc_bytes *bytes, const void *data, size_t data_bytes);

void torc_bytes_fini(struct torc_bytes *bytes);

/* Give what was not read yet, and then a clean end. */
struct torc_source torc_bytes_source(struct torc_bytes *bytes);

/* Append; what lies in `data` already may be appended again. */
struct torc_sink torc_bytes_sink(struct torc_bytes *bytes);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_BYTES_H */
