/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_STAT_H
#define TORC_CORE_IO_STAT_H

/*
 * stat - what the file system knows of a file
 *
 * Filled by torc_file_stat(), torc_path_stat() and torc_path_lstat().
 *
 * Lifetime  The caller's memory; the kernel's from start until the call's
 *           future is ready.
 * Errors    What a file system does not tell is 0.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_stat {
	/* Result. */
	uint64_t bytes;           /* as far as can be read */
	uint64_t allocated_bytes; /* less, where it has holes */
	uint64_t inode;
	uint64_t device;
	int64_t accessed_ns; /* since 1970 */
	int64_t modified_ns;
	int64_t changed_ns; /* what is known of it, not its bytes */
	int64_t created_ns;
	uint32_t mode; /* type and permissions: S_ISDIR(mode), mode & 0777 */
	uint32_t links_count;
	uint32_t user;
	uint32_t group;
	uint32_t block_bytes; /* good multiples for reads and writes */
	/* What O_DIRECT wants of memory and of offsets; Linux 6.1. */
	uint32_t direct_memory_bytes;
	uint32_t direct_offset_bytes;

	/* Runtime only. */
	uint64_t _kernel[32]; /* a struct statx */
};

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_STAT_H */
