/* SPDX-License-Identifier: MIT */
#include "core/io/stat_priv.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <liburing.h>

_Static_assert(
	sizeof(struct statx) == sizeof(((struct torc_stat *)NULL)->_kernel),
	"room for what the kernel writes");

#define SECOND_NS INT64_C(1000000000)

/* 6.1; older headers lack it, older kernels leave the fields 0. */
#ifdef STATX_DIOALIGN
#define WANTED (STATX_BASIC_STATS | STATX_BTIME | STATX_DIOALIGN)
#else
#define WANTED (STATX_BASIC_STATS | STATX_BTIME)
#endif

void
torc__stat_prepare(struct io_uring_sqe *sqe, int dir_fd, const char *path,
	int flags, struct torc_stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	io_uring_prep_statx(sqe, dir_fd, path, flags, WANTED,
		(struct statx *)(void *)stat->_kernel);
}

static int64_t
since_1970_ns(struct statx_timestamp time)
{
	int64_t ns;

	/* A file system may hold what 64 bits of nanoseconds do not. */
	if (__builtin_mul_overflow(time.tv_sec, SECOND_NS, &ns) ||
		__builtin_add_overflow(ns, (int64_t)time.tv_nsec, &ns))
		return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

void
torc__stat_take(struct torc_stat *stat)
{
	const struct statx *from = (const struct statx *)(void *)stat->_kernel;

	stat->bytes = from->stx_size;
	stat->allocated_bytes = from->stx_blocks * 512;
	stat->inode = from->stx_ino;
	stat->device = makedev(from->stx_dev_major, from->stx_dev_minor);
	stat->accessed_ns = since_1970_ns(from->stx_atime);
	stat->modified_ns = since_1970_ns(from->stx_mtime);
	stat->changed_ns = since_1970_ns(from->stx_ctime);
	if (from->stx_mask & STATX_BTIME)
		stat->created_ns = since_1970_ns(from->stx_btime);
	stat->mode = from->stx_mode;
	stat->links_count = from->stx_nlink;
	stat->user = from->stx_uid;
	stat->group = from->stx_gid;
	stat->block_bytes = from->stx_blksize;
#ifdef STATX_DIOALIGN
	stat->direct_memory_bytes = from->stx_dio_mem_align;
	stat->direct_offset_bytes = from->stx_dio_offset_align;
#endif
}
