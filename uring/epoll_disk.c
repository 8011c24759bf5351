/* SPDX-License-Identifier: MIT */
/*
 * What is about files but for their bytes. None of it is ever known to be
 * quick, so all of it is a worker's. The calls are those that io_uring makes.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int32_t
torc__epoll_try_disk(struct torc_ring *ring, struct torc_epoll_op *op)
{
	(void)ring;
	if (op->sqe.ioprio != 0 || op->sqe.file_index != 0)
		return -EINVAL;
	return TORC__EPOLL_WORK;
}

static void *
memory(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static int32_t
result(int ret)
{
	return ret < 0 ? -errno : ret;
}

/* One of a fifo waits for the other end, and keeps its worker. */
int32_t
torc__epoll_work_openat(struct torc_epoll_op *op)
{
	return result(openat(op->sqe.fd, memory(op->sqe.addr),
		(int)op->sqe.open_flags, (mode_t)op->sqe.len));
}

int32_t
torc__epoll_work_statx(struct torc_epoll_op *op)
{
	return result(statx(op->sqe.fd, memory(op->sqe.addr),
		(int)op->sqe.statx_flags, op->sqe.len, memory(op->sqe.off)));
}

int32_t
torc__epoll_work_fsync(struct torc_epoll_op *op)
{
	bool is_data_only = op->sqe.fsync_flags & IORING_FSYNC_DATASYNC;

	if ((op->sqe.fsync_flags & ~IORING_FSYNC_DATASYNC) || op->sqe.addr != 0)
		return -EINVAL;
	return result(is_data_only ? fdatasync(op->sqe.fd) : fsync(op->sqe.fd));
}

int32_t
torc__epoll_work_ftruncate(struct torc_epoll_op *op)
{
	return result(ftruncate(op->sqe.fd, (off_t)op->sqe.off));
}

int32_t
torc__epoll_work_renameat(struct torc_epoll_op *op)
{
	return result(renameat2(op->sqe.fd, memory(op->sqe.addr),
		(int)op->sqe.len, memory(op->sqe.addr2), op->sqe.rename_flags));
}

int32_t
torc__epoll_work_unlinkat(struct torc_epoll_op *op)
{
	return result(unlinkat(
		op->sqe.fd, memory(op->sqe.addr), (int)op->sqe.unlink_flags));
}

int32_t
torc__epoll_work_mkdirat(struct torc_epoll_op *op)
{
	return result(
		mkdirat(op->sqe.fd, memory(op->sqe.addr), (mode_t)op->sqe.len));
}

int32_t
torc__epoll_work_symlinkat(struct torc_epoll_op *op)
{
	return result(symlinkat(
		memory(op->sqe.addr), op->sqe.fd, memory(op->sqe.addr2)));
}

int32_t
torc__epoll_work_linkat(struct torc_epoll_op *op)
{
	return result(linkat(op->sqe.fd, memory(op->sqe.addr), (int)op->sqe.len,
		memory(op->sqe.addr2), (int)op->sqe.hardlink_flags));
}
