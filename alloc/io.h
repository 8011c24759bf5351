/* SPDX-License-Identifier: MIT */
#ifndef TORC_ALLOC_IO_H
#define TORC_ALLOC_IO_H

/*
 * io - memory that files are read into and written from
 *
 * It lies in one mapping per shard, in huge pages where there are some, that
 * is registered with the shard's ring when a file operation first uses it:
 * the kernel then need not find and pin the pages of each read and write.
 * What does not fit there, and all of it where locked memory is short
 * (ulimit -l), is ordinary memory: it works the same and costs more per
 * operation. How much is registered is io_bytes_max of struct torc_options.
 *
 * Aligned   To 4096 from 4096 bytes on, and to 512 from 512 on: whatever
 *           O_DIRECT may want.
 * Lifetime  torc_io_alloc() to torc_io_free(), or the end of its shard.
 * Shard     torc_io_alloc() takes from the calling shard: asserted. Another
 *           shard may use the memory, at the price of ordinary memory.
 *           torc_io_free(): any shard, until that one ends.
 * Errors    NULL is exhaustion, its one cause.
 */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* So much of it per shard is registered: less than the usual ulimit -l. */
#define TORC_IO_BYTES_DEFAULT ((size_t)4 << 20)

/* The most that io_bytes_max may be: what the kernel takes in one piece. */
#define TORC_IO_BYTES_LIMIT ((size_t)1 << 30)

/*
 * `bytes` of memory, not cleared; bytes > 0. Cost: some 150 ns with its
 * torc_io_free(); the first use of a shard maps and pins, which takes
 * milliseconds where there are no huge pages. Keep what is used again.
 */
void *torc_io_alloc(size_t bytes)
	__attribute__((malloc, alloc_size(1), warn_unused_result));

/* Give back what torc_io_alloc() gave; NULL does nothing. */
void torc_io_free(void *block);

#ifdef __cplusplus
}
#endif

#endif /* TORC_ALLOC_IO_H */
