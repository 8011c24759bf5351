/* SPDX-License-Identifier: MIT */
/*
 * What is about files but for their bytes: each takes its time, as on a
 * worker's thread, and does all of it at one moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <torc/base/clock.h>

#include "uring/sim_disk_priv.h"

#define LATENCY_MAX_NS (100 * TORC_US)
#define AT_ONCE_ONE_IN 4
#define UMASK 022u

/* What a disk would need more than memory for. */
#define OPEN_UNKNOWN (O_PATH | (O_TMPFILE & ~O_DIRECTORY))

bool
torc__sim_is_busy(struct torc_sim *sim, struct torc_sim_op *op)
{
	uint64_t span_ns;

	if (op->tries++ > 0)
		return false;
	if (!(op->sqe.flags & IOSQE_ASYNC) &&
		torc__sim_draw_below(sim, AT_ONCE_ONE_IN) == 0)
		return false;
	span_ns = 1 + torc__sim_draw_below(sim, LATENCY_MAX_NS);
	torc__sim_event_arm(sim, &op->event, sim->now_ns + span_ns);
	op->waits_on = NULL;
	return true;
}

int
torc__sim_spot_find_at(struct torc_sim *sim, int fd, uint64_t path,
	unsigned follow, struct torc_sim_spot *spot)
{
	const char *text = (const void *)(uintptr_t)path;
	struct torc_sim_node *from = NULL;
	struct torc_sim_file *file;

	if (text[0] != '/' && text[0] != '\0' && fd != AT_FDCWD) {
		file = torc__sim_fd_file(sim, fd);
		if (file == NULL)
			return -EBADF;
		if (file->node == NULL || !file->node->is_folder)
			return -ENOTDIR;
		from = file->node;
	}
	return torc__sim_spot_find(sim, from, text, follow, spot);
}

int
torc__sim_look_up(struct torc_sim *sim, int fd, uint64_t path, bool follows,
	struct torc_sim_spot *spot)
{
	unsigned follow = TORC__SIM_FOLLOW_SLASHED |
			  (follows ? TORC__SIM_FOLLOW_BARE : 0);
	int ret = torc__sim_spot_find_at(sim, fd, path, follow, spot);

	if (ret < 0)
		return ret;
	if (spot->node == NULL)
		return -ENOENT;
	return spot->is_slashed && !spot->node->is_folder ? -ENOTDIR : 0;
}

/* The name itself, be it a link. */
static int
find(struct torc_sim *sim, const struct torc_sim_op *op,
	struct torc_sim_spot *spot)
{
	return torc__sim_spot_find_at(sim, op->sqe.fd, op->sqe.addr, 0, spot);
}

/* ---- opening ---- */

/* O_CREAT: a name with a slash behind it cannot be made, nor is it followed. */
static int
find_to_open(struct torc_sim *sim, const struct torc_sim_op *op,
	struct torc_sim_spot *spot)
{
	uint32_t flags = op->sqe.open_flags;
	bool follows = !(flags & O_NOFOLLOW);
	int ret;

	if (!(flags & O_CREAT))
		return torc__sim_look_up(
			sim, op->sqe.fd, op->sqe.addr, follows, spot);
	follows = follows && !(flags & O_EXCL);
	ret = torc__sim_spot_find_at(sim, op->sqe.fd, op->sqe.addr,
		follows ? TORC__SIM_FOLLOW_BARE : 0, spot);
	return ret == 0 && spot->is_slashed ? -EISDIR : ret;
}

/* 0, or why what is there cannot be opened like this. */
static int
may_open(const struct torc_sim_spot *spot, uint32_t flags)
{
	bool is_writing = (flags & O_ACCMODE) != O_RDONLY;

	if (flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (torc__sim_node_file(spot->node)->target != NULL)
		return flags & O_DIRECTORY ? -ENOTDIR : -ELOOP;
	if (spot->node->is_folder)
		return is_writing || flags & O_CREAT || flags & O_TRUNC
			       ? -EISDIR
			       : 0;
	return flags & O_DIRECTORY ? -ENOTDIR : 0;
}

/* The node, new or not; NULL and *error. */
static struct torc_sim_node *
open_node(struct torc_sim *sim, struct torc_sim_spot *spot, uint32_t flags,
	uint32_t mode, int *error)
{
	struct torc_sim_node *file;

	*error = spot->node != NULL    ? may_open(spot, flags)
		 : flags & O_DIRECTORY ? -EINVAL
				       : 0;
	if (*error < 0)
		return NULL;
	if (spot->node != NULL) {
		file = torc__sim_node_file(spot->node);
		if (flags & O_TRUNC && !file->is_folder)
			torc__sim_node_cut(sim, file, 0);
		return file;
	}
	file = torc__sim_node_add(sim, spot, false);
	if (file == NULL)
		*error = -ENOMEM;
	else
		file->mode = mode & 07777 & ~UMASK;
	return file;
}

static int
open_fd(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_node *node;
	struct torc_sim_spot spot;
	struct torc_sim_file *file;
	int fd, error = find_to_open(sim, op, &spot);

	if (error < 0)
		return error;
	if (torc__sim_strikes(sim, TORC__SIM_EMFILE))
		return -EMFILE;
	node = open_node(sim, &spot, op->sqe.open_flags, op->sqe.len, &error);
	if (node == NULL)
		return error;
	file = torc__sim_file_new(sim, TORC__SIM_DISK);
	if (file == NULL)
		return -ENOMEM;
	file->node = node;
	file->open_flags = op->sqe.open_flags;
	node->refs_count++;
	fd = torc__sim_fd_open(sim, file);
	if (fd < 0)
		torc__sim_file_put(sim, file);
	return fd;
}

enum torc_sim_attempt
torc__sim_try_openat(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (op->sqe.file_index != 0 || op->sqe.open_flags & OPEN_UNKNOWN)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, open_fd(sim, op));
}

/* ---- names ---- */

static int
make_folder(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_node *node;
	struct torc_sim_spot spot;
	int ret = find(sim, op, &spot);

	if (ret < 0)
		return ret;
	if (spot.node != NULL)
		return -EEXIST;
	node = torc__sim_node_add(sim, &spot, true);
	if (node == NULL)
		return -ENOMEM;
	node->mode = op->sqe.len & 07777 & ~UMASK;
	return 0;
}

enum torc_sim_attempt
torc__sim_try_mkdirat(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, make_folder(sim, op));
}

static int
may_remove(const struct torc_sim_spot *spot, bool is_folder)
{
	if (spot->node == NULL)
		return -ENOENT;
	if (!is_folder)
		return spot->node->is_folder ? -EISDIR
		       : spot->is_slashed    ? -ENOTDIR
					     : 0;
	if (!spot->node->is_folder)
		return -ENOTDIR;
	if (spot->is_dot)
		return -EINVAL;
	if (spot->is_up || !torc__list_is_empty(&spot->node->inside))
		return -ENOTEMPTY;
	return 0;
}

static int
remove_name(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_spot spot;
	int ret = find(sim, op, &spot);

	if (ret == 0)
		ret = may_remove(&spot, op->sqe.unlink_flags & AT_REMOVEDIR);
	if (ret == 0)
		torc__sim_node_remove(sim, spot.node);
	return ret;
}

enum torc_sim_attempt
torc__sim_try_unlinkat(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (op->sqe.unlink_flags & ~(uint32_t)AT_REMOVEDIR)
		return torc__sim_done(op, -EINVAL);
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, remove_name(sim, op));
}

static bool
is_inside(const struct torc_sim_node *node, const struct torc_sim_node *folder)
{
	while (node != folder && node != node->folder)
		node = node->folder;
	return node == folder;
}

static int
may_replace(const struct torc_sim_node *from, const struct torc_sim_spot *to)
{
	if (from->is_folder && is_inside(to->folder, from))
		return -EINVAL;
	if (to->node == NULL)
		return 0;
	if (from->is_folder && !to->node->is_folder)
		return -ENOTDIR;
	if (!from->is_folder && to->node->is_folder)
		return -EISDIR;
	return torc__list_is_empty(&to->node->inside) ? 0 : -ENOTEMPTY;
}

static int
rename_node(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_spot from, to;
	int ret = find(sim, op, &from);

	if (ret == 0)
		ret = torc__sim_spot_find_at(
			sim, (int)op->sqe.len, op->sqe.addr2, 0, &to);
	if (ret < 0)
		return ret;
	if (from.is_dot || from.is_up || to.is_dot || to.is_up)
		return -EBUSY;
	if (from.node == NULL)
		return -ENOENT;
	if (to.node != NULL && op->sqe.rename_flags & RENAME_NOREPLACE)
		return -EEXIST;
	if ((from.is_slashed || to.is_slashed) && !from.node->is_folder)
		return -ENOTDIR;
	if (to.node != NULL &&
		torc__sim_node_file(from.node) == torc__sim_node_file(to.node))
		return 0;
	ret = may_replace(from.node, &to);
	if (ret < 0)
		return ret;
	if (to.node != NULL)
		torc__sim_node_remove(sim, to.node);
	torc__sim_node_move(sim, from.node, &to);
	return 0;
}

enum torc_sim_attempt
torc__sim_try_renameat(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (op->sqe.rename_flags & ~(uint32_t)RENAME_NOREPLACE)
		return torc__sim_done(op, -EINVAL);
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, rename_node(sim, op));
}

/* ---- what a file is ---- */

static uint16_t
mode_of(const struct torc_sim_file *file)
{
	switch (file->kind) {
	case TORC__SIM_TCP:
	case TORC__SIM_UNIX:
	case TORC__SIM_UDP:
		return S_IFSOCK | 0777;
	case TORC__SIM_FIFO:
		return S_IFIFO | 0600;
	case TORC__SIM_DISK:
		return file->node->mode |
		       (file->node->is_folder               ? S_IFDIR
			       : file->node->target != NULL ? S_IFLNK
							    : S_IFREG);
	case TORC__SIM_EVENT:
	case TORC__SIM_SIGNALS:
		break;
	}
	return 0600;
}

static struct statx_timestamp
stamp(uint64_t at_ns)
{
	return (struct statx_timestamp){ .tv_sec = (int64_t)(at_ns / TORC_S),
		.tv_nsec = (uint32_t)(at_ns % TORC_S) };
}

static int
describe(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct statx stat = { .stx_mask = STATX_BASIC_STATS,
		.stx_blksize = TORC__SIM_PAGE_BYTES,
		.stx_nlink = 1 };
	const char *path = (const void *)(uintptr_t)op->sqe.addr;
	struct torc_sim_file *file = op->file, shown = { 0 };
	struct torc_sim_spot spot;
	int ret;

	if (path[0] != '\0' || !(op->sqe.statx_flags & AT_EMPTY_PATH)) {
		ret = torc__sim_look_up(sim, op->sqe.fd, op->sqe.addr,
			!(op->sqe.statx_flags & AT_SYMLINK_NOFOLLOW), &spot);
		if (ret < 0)
			return ret;
		shown.kind = TORC__SIM_DISK;
		shown.node = torc__sim_node_file(spot.node);
		file = &shown;
	}
	if (file == NULL)
		return -EBADF;
	stat.stx_mode = mode_of(file);
	if (file->node != NULL) {
		stat.stx_ino = file->node->number;
		stat.stx_nlink = file->node->names_count;
		stat.stx_size = file->node->target != NULL
					? strlen(file->node->target)
					: file->node->bytes;
		stat.stx_blocks = (uint64_t)file->node->pages_count *
				  TORC__SIM_PAGE_BYTES / 512;
		stat.stx_mtime = stamp(file->node->changed_ns);
		stat.stx_atime = stat.stx_ctime = stat.stx_mtime;
	}
	memcpy((void *)(uintptr_t)op->sqe.off, &stat, sizeof(stat));
	return 0;
}

enum torc_sim_attempt
torc__sim_try_statx(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, describe(sim, op));
}

/* ---- its length, and the disk ---- */

enum torc_sim_attempt
torc__sim_try_ftruncate(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_file *file = op->file;

	if (file->kind != TORC__SIM_DISK || op->sqe.off > INT64_MAX ||
		(file->open_flags & O_ACCMODE) == O_RDONLY)
		return torc__sim_done(op, -EINVAL);
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	torc__sim_node_cut(sim, file->node, op->sqe.off);
	file->node->changed_ns = sim->now_ns;
	return torc__sim_done(op, 0);
}

enum torc_sim_attempt
torc__sim_try_fsync(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (op->file->kind != TORC__SIM_DISK ||
		(op->sqe.fsync_flags & ~IORING_FSYNC_DATASYNC))
		return torc__sim_done(op, -EINVAL);
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(
		op, torc__sim_strikes(sim, TORC__SIM_DISK_ERROR) ? -EIO : 0);
}
