/* SPDX-License-Identifier: MIT */
#include <torc/core/io/path.h>

#include <errno.h>
#include <fcntl.h>

#include "core/io/dir_priv.h"
#include "core/io/path_priv.h"
#include "core/io/stat_priv.h"
#include "core/shard_priv.h"

enum kind { STAT, RENAME, UNLINK, MKDIR, LINK, SYMLINK };

static void
prepare(const struct torc_path_op *op, struct io_uring_sqe *sqe)
{
	switch ((enum kind)op->_kind) {
	case STAT:
		torc__stat_prepare(
			sqe, AT_FDCWD, op->_path, op->_flags, op->_stat);
		return;
	case RENAME:
		io_uring_prep_renameat(
			sqe, AT_FDCWD, op->_path, AT_FDCWD, op->_to, 0);
		return;
	case UNLINK:
		io_uring_prep_unlinkat(sqe, op->_dir_fd, op->_path, op->_flags);
		return;
	case MKDIR:
		io_uring_prep_mkdirat(sqe, AT_FDCWD, op->_path, op->_mode);
		return;
	case LINK:
		io_uring_prep_linkat(
			sqe, AT_FDCWD, op->_path, AT_FDCWD, op->_to, 0);
		return;
	case SYMLINK:
		io_uring_prep_symlinkat(sqe, op->_path, AT_FDCWD, op->_to);
		return;
	}
	torc__panic("a path operation of unknown kind %u", op->_kind);
}

static void
submit(struct torc_path_op *op)
{
	struct torc_ring *ring = &op->_shard->ring;
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	prepare(op, sqe);
	torc__op_submit(ring, &op->_op, sqe);
}

static void
on_cqe(struct torc_op *cqe_op, int32_t res, uint32_t cqe_flags)
{
	struct torc_path_op *op =
		torc__container_of(cqe_op, struct torc_path_op, _op);

	(void)cqe_flags;
	/* To a worker thread of the kernel a cancel may come as a signal. */
	if (res == -EINTR) {
		if (!op->_is_canceled) {
			submit(op);
			return;
		}
		res = -ECANCELED;
	}
	if (op->_kind == STAT && res == 0)
		torc__stat_take(op->_stat);
	torc_future_complete(&op->done, res);
}

static void
cancel_op(struct torc_future *done)
{
	struct torc_path_op *op = torc_future_source(done);

	op->_is_canceled = true;
	torc__op_cancel(&op->_shard->ring, &op->_op);
}

static void
start(struct torc_path_op *op, struct torc_path_op how)
{
	*op = how;
	op->_shard = torc__shard_current("a torc_path call");
	torc_future_init(&op->done, cancel_op, op);
	torc__op_init(&op->_op, on_cqe);
	submit(op);
}

static int
wait_for(struct torc_path_op how, const char *call)
{
	struct torc_path_op op;
	int ret = torc__interrupted(call);

	if (ret < 0)
		return ret;
	start(&op, how);
	return (int)torc_await(&op.done);
}

static struct torc_path_op
stat_of(const char *path, int flags, struct torc_stat *stat)
{
	return (struct torc_path_op){
		._kind = STAT, ._path = path, ._flags = flags, ._stat = stat
	};
}

int
torc_path_stat(const char *path, struct torc_stat *stat)
{
	return wait_for(stat_of(path, 0, stat), "torc_path_stat");
}

void
torc_path_stat_start(
	const char *path, struct torc_stat *stat, struct torc_path_op *op)
{
	start(op, stat_of(path, 0, stat));
}

int
torc_path_lstat(const char *path, struct torc_stat *stat)
{
	return wait_for(
		stat_of(path, AT_SYMLINK_NOFOLLOW, stat), "torc_path_lstat");
}

void
torc_path_lstat_start(
	const char *path, struct torc_stat *stat, struct torc_path_op *op)
{
	start(op, stat_of(path, AT_SYMLINK_NOFOLLOW, stat));
}

static struct torc_path_op
rename_of(const char *from, const char *to)
{
	return (struct torc_path_op){
		._kind = RENAME, ._path = from, ._to = to
	};
}

int
torc_path_rename(const char *from, const char *to)
{
	return wait_for(rename_of(from, to), "torc_path_rename");
}

void
torc_path_rename_start(
	const char *from, const char *to, struct torc_path_op *op)
{
	start(op, rename_of(from, to));
}

static struct torc_path_op
unlink_of(int dir_fd, const char *path, int flags)
{
	return (struct torc_path_op){ ._kind = UNLINK,
		._dir_fd = dir_fd,
		._path = path,
		._flags = flags };
}

int
torc__path_unlink_in(const struct torc_dir *above, const char *name, int flags)
{
	return wait_for(unlink_of(torc__dir_fd(above), name, flags),
		"torc_path_remove_all");
}

int
torc_path_unlink(const char *path)
{
	return wait_for(unlink_of(AT_FDCWD, path, 0), "torc_path_unlink");
}

void
torc_path_unlink_start(const char *path, struct torc_path_op *op)
{
	start(op, unlink_of(AT_FDCWD, path, 0));
}

int
torc_path_rmdir(const char *path)
{
	return wait_for(
		unlink_of(AT_FDCWD, path, AT_REMOVEDIR), "torc_path_rmdir");
}

void
torc_path_rmdir_start(const char *path, struct torc_path_op *op)
{
	start(op, unlink_of(AT_FDCWD, path, AT_REMOVEDIR));
}

static struct torc_path_op
mkdir_of(const char *path, mode_t mode)
{
	return (struct torc_path_op){
		._kind = MKDIR, ._path = path, ._mode = mode
	};
}

int
torc_path_mkdir(const char *path, mode_t mode)
{
	return wait_for(mkdir_of(path, mode), "torc_path_mkdir");
}

void
torc_path_mkdir_start(const char *path, mode_t mode, struct torc_path_op *op)
{
	start(op, mkdir_of(path, mode));
}

static struct torc_path_op
link_of(enum kind kind, const char *from, const char *to)
{
	return (struct torc_path_op){
		._kind = (uint8_t)kind, ._path = from, ._to = to
	};
}

int
torc_path_link(const char *from, const char *to)
{
	return wait_for(link_of(LINK, from, to), "torc_path_link");
}

void
torc_path_link_start(const char *from, const char *to, struct torc_path_op *op)
{
	start(op, link_of(LINK, from, to));
}

int
torc_path_symlink(const char *target, const char *path)
{
	return wait_for(link_of(SYMLINK, target, path), "torc_path_symlink");
}

void
torc_path_symlink_start(
	const char *target, const char *path, struct torc_path_op *op)
{
	start(op, link_of(SYMLINK, target, path));
}
