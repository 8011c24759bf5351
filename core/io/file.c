/* SPDX-License-Identifier: MIT */
/*
 * A file's life, and that of the operations on it. Each is on the file's
 * list from start to its last CQE, the open as well: a close cancels what is
 * there, and whoever leaves the list last closes the descriptor.
 */
#include "core/io/file_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <torc/alloc/arena.h>

#include "base/list_priv.h"
#include "core/io/fixed_priv.h"
#include "core/io/pipe_priv.h"
#include "core/io/stat_priv.h"

/* What one operation of the kernel reads or writes at most (2.6.16). */
#define OP_BYTES_MAX UINT64_C(0x7ffff000)

static inline void
own(const struct torc_file *file)
{
	torc__shard_own(file->shard, "a file", "open it on each");
}

static void
release(struct torc_file *file)
{
	if (!file->is_gone || file->pins > 0 || file->resource.is_ending)
		return;
	torc__list_remove(&file->resource.link);
	torc_free(file);
}

void
torc__file_hold(struct torc_file *file)
{
	own(file);
	file->pins++;
}

void
torc__file_let_go(struct torc_file *file)
{
	file->pins--;
	release(file);
}

static void
finish_close(struct torc_file *file)
{
	struct torc_ring *ring = &file->shard->ring;

	torc__resource_gone(file->shard, &file->resource);
	if (file->fd >= 0) {
		ring->engine->close_fd(ring, file->fd);
		torc__shard_fd_freed(file->shard);
	}
	if (file->is_piped)
		torc__pipe_block_signal(file->shard, false);
	file->fd = -1;
	file->is_gone = true;
	release(file);
}

static void
prepare_transfer(const struct torc_file_op *op, struct io_uring_sqe *sqe)
{
	uint8_t *at = (uint8_t *)op->_target + op->done_bytes;
	uint64_t left = op->_bytes - op->done_bytes;
	uint64_t offset = op->_offset;
	bool is_read = op->_kind == TORC_FILE_READ;

	if (left > OP_BYTES_MAX)
		left = OP_BYTES_MAX;
	/* UINT64_MAX means the kernel's own position. */
	if (offset != UINT64_MAX)
		offset += op->done_bytes;
	io_uring_prep_rw(is_read ? IORING_OP_READ : IORING_OP_WRITE, sqe,
		op->_file->fd, at, (uint32_t)left, offset);
	if (torc__fixed_holds(op->_file->shard, at, left)) {
		sqe->opcode =
			is_read ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
		sqe->buf_index = TORC__FIXED_INDEX;
	}
}

static void
prepare(const struct torc_file_op *op, struct io_uring_sqe *sqe)
{
	int fd = op->_file->fd;

	switch ((enum torc_file_kind)op->_kind) {
	case TORC_FILE_OPEN:
		io_uring_prep_openat(
			sqe, op->_dir_fd, op->_path, op->_flags, op->_mode);
		return;
	case TORC_FILE_READ:
	case TORC_FILE_WRITE:
		prepare_transfer(op, sqe);
		return;
	case TORC_FILE_READV:
		io_uring_prep_readv(sqe, fd, op->_target, (unsigned)op->_bytes,
			op->_offset);
		return;
	case TORC_FILE_WRITEV:
		io_uring_prep_writev(sqe, fd, op->_target, (unsigned)op->_bytes,
			op->_offset);
		return;
	case TORC_FILE_SYNC:
		io_uring_prep_fsync(sqe, fd, (unsigned)op->_flags);
		return;
	case TORC_FILE_STAT:
		torc__stat_prepare(sqe, fd, "", AT_EMPTY_PATH, op->_target);
		return;
	case TORC_FILE_TRUNCATE:
		io_uring_prep_ftruncate(sqe, fd, (loff_t)op->_bytes);
		return;
	}
	torc__panic("a file operation of unknown kind %u", op->_kind);
}

static void
submit(struct torc_file_op *op)
{
	struct torc_ring *ring = &op->_file->shard->ring;
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	prepare(op, sqe);
	torc__op_submit(ring, &op->_op, sqe);
}

static bool
is_transfer(const struct torc_file_op *op)
{
	return op->_kind >= TORC_FILE_READ && op->_kind <= TORC_FILE_WRITEV;
}

static bool
is_stopped(const struct torc_file_op *op)
{
	return op->_is_canceled || op->_file->is_closing;
}

/* Somebody holds a lease on the file: for that an open does wait. */
static bool
is_held_up(struct torc_file_op *op, int32_t res)
{
	if (res != -EAGAIN || !op->_is_hasty)
		return false;
	op->_is_hasty = false;
	op->_flags &= ~O_NONBLOCK;
	return true;
}

static bool
wants_more(struct torc_file_op *op, int32_t res)
{
	if (is_stopped(op))
		return false;
	if (is_held_up(op, res))
		return true;
	/* A worker thread got a signal that was no cancel, a profiler's. */
	if (res == -EINTR)
		return true;
	return op->_is_exact && res > 0 && op->done_bytes < op->_bytes;
}

static int64_t
outcome(const struct torc_file_op *op, int32_t res)
{
	/* A cancel may reach a worker thread as a signal. */
	if (res == -EINTR)
		return -ECANCELED;
	if (res < 0 || !is_transfer(op))
		return res;
	if (op->_is_exact && op->done_bytes < op->_bytes) {
		if (res > 0)
			return -ECANCELED;
		if (op->_kind == TORC_FILE_WRITE)
			return -EIO; /* no bytes, and no reason */
	}
	return (int64_t)op->done_bytes;
}

static int64_t
finish_open(struct torc_file_op *op, int64_t value)
{
	struct torc_file *file = op->_file;

	if (value < 0) {
		file->is_closing = true;
		file->resource.is_ending = false;
		return value;
	}
	file->fd = (int)value;
	/* The runtime has ended meanwhile: nobody will close it. */
	if (file->is_closing) {
		file->resource.is_ending = false;
		return -ECANCELED;
	}
	if (op->_is_hasty)
		(void)fcntl(file->fd, F_SETFL, op->_flags & ~O_NONBLOCK);
	/* Of what can be opened, FIFOs have that signal, and no position. */
	if ((op->_flags & O_ACCMODE) != O_RDONLY &&
		torc_file_position(file) == UINT64_MAX) {
		torc__pipe_block_signal(file->shard, true);
		file->is_piped = true;
	}
	*(struct torc_file **)op->_target = file;
	return 0;
}

uint64_t
torc_file_position(struct torc_file *file)
{
	own(file);
	if (file->is_probed)
		return file->position;
	file->is_probed = true;
	/* A FIFO, a terminal; /dev/kmsg says EINVAL. No file waits here. */
	if (!file->shard->ring.engine->is_simulated &&
		lseek(file->fd, 0, SEEK_CUR) < 0 &&
		(errno == ESPIPE || errno == EINVAL))
		file->position = UINT64_MAX;
	return file->position;
}

static void
take_position(struct torc_file *file, struct torc_file_op *op)
{
	op->_offset = torc_file_position(file);
	if (op->_offset == UINT64_MAX)
		return;
	if (torc_unlikely(file->at_position != NULL))
		torc__panic("two calls at a time at the position of one file: "
			    "await the first, or say where with "
			    "torc_file_pread() and torc_file_pwrite()");
	file->at_position = op;
}

static void
leave_position(struct torc_file *file, const struct torc_file_op *op)
{
	file->at_position = NULL;
	if (op->_kind != TORC_FILE_WRITE || !file->is_append)
		file->position += op->done_bytes;
}

void
torc__file_finish(struct torc_file_op *op, int64_t value)
{
	struct torc_file *file = op->_file;

	torc__list_remove(&op->_link);
	if (file->at_position == op)
		leave_position(file, op);
	if (op->_kind == TORC_FILE_OPEN)
		value = finish_open(op, value);
	else if (op->_kind == TORC_FILE_STAT && value == 0)
		torc__stat_take(op->_target);
	if (file->is_closing && torc__list_is_empty(&file->ops))
		finish_close(file);
	torc_future_complete(&op->done, value);
}

static void
on_cqe(struct torc_op *cqe_op, int32_t res, uint32_t cqe_flags)
{
	struct torc_file_op *op =
		torc__container_of(cqe_op, struct torc_file_op, _op);

	(void)cqe_flags;
	if (res > 0 && is_transfer(op))
		op->done_bytes += (uint32_t)res;
	if (wants_more(op, res))
		submit(op);
	else if (torc_unlikely(torc__truncate_is_unknown(op, res)))
		torc__truncate_by_hand(op);
	else
		torc__file_finish(op, outcome(op, res));
}

static void
cancel_op(struct torc_future *done)
{
	struct torc_file_op *op = torc_future_source(done);

	op->_is_canceled = true;
	if (torc__op_is_idle(&op->_op))
		torc__truncate_cancel(op);
	else
		torc__op_cancel(&op->_file->shard->ring, &op->_op);
}

/*
 * One that waits for a thread ends inside its cancel, and whoever is told may
 * end others: begin anew. What is cancelled already is on its way out.
 */
static void
cancel_all(struct torc_file *file)
{
	struct torc_link *link = file->ops.next;

	while (link != &file->ops) {
		struct torc_file_op *op =
			torc__container_of(link, struct torc_file_op, _link);
		bool is_in_pool = torc__op_is_idle(&op->_op);

		link = link->next;
		if (op->_is_canceled)
			continue;
		cancel_op(&op->done);
		if (is_in_pool)
			link = file->ops.next;
	}
}

static void
begin(struct torc_file *file, struct torc_file_op *op)
{
	op->_file = file;
	torc_future_init(&op->done, cancel_op, op);
	torc__op_init(&op->_op, on_cqe);
	torc__list_push_back(&file->ops, &op->_link);
	submit(op);
}

void
torc__file_start(struct torc_file *file, struct torc_file_op *op)
{
	own(file);
	if (torc_unlikely(file->is_closing)) {
		torc__resource_refuse(&file->resource, "a file", &op->done);
		return;
	}
	torc_assert(file->fd >= 0);
	if (op->_is_at_position)
		take_position(file, op);
	else if (torc_unlikely(op->_offset > INT64_MAX)) {
		/* Signed in the kernel, where -1 means the position. */
		torc_future_init(&op->done, NULL, NULL);
		torc_future_complete(&op->done, -EINVAL);
		return;
	}
	begin(file, op);
}

static void
close_resource(struct torc_resource *resource)
{
	struct torc_file *file =
		torc__container_of(resource, struct torc_file, resource);

	if (file->is_gone) {
		release(file);
	} else if (!file->is_closing) {
		resource->is_ending = true;
		torc_file_close(file);
	}
}

void
torc_file_open_start(struct torc_file **out, const char *path, int flags,
	mode_t mode, struct torc_file_op *op)
{
	torc__file_open_at_start(out, AT_FDCWD, path, flags, mode, op);
}

void
torc__file_open_at_start(struct torc_file **out, int dir_fd, const char *path,
	int flags, mode_t mode, struct torc_file_op *op)
{
	struct torc_shard *shard = torc__shard_current("torc_file_open");
	struct torc_file *file;

	*op = (struct torc_file_op){ ._kind = TORC_FILE_OPEN,
		._target = out,
		._path = path,
		._dir_fd = dir_fd,
		._flags = flags | O_CLOEXEC,
		._mode = mode };
	/* Before the open: one that succeeded must not fail afterwards. */
	file = torc_calloc(1, sizeof(*file));
	if (file == NULL) {
		torc_future_init(&op->done, NULL, NULL);
		torc_future_complete(&op->done, -ENOMEM);
		return;
	}
	file->shard = shard;
	file->fd = -1;
	file->is_append = (flags & O_APPEND) != 0;
	op->_is_hasty =
		!shard->ring.engine->is_simulated && !(flags & O_NONBLOCK);
	if (op->_is_hasty)
		op->_flags |= O_NONBLOCK;
	file->resource.close = close_resource;
	torc__list_init(&file->ops);
	torc__resource_join(shard, &file->resource);
	begin(file, op);
}

int
torc_file_open(
	struct torc_file **file, const char *path, int flags, mode_t mode)
{
	struct torc_file_op op;
	int ret = torc__interrupted("torc_file_open");

	if (ret < 0)
		return ret;
	torc_file_open_start(file, path, flags, mode, &op);
	return (int)torc_await(&op.done);
}

void
torc_file_seek(struct torc_file *file, uint64_t position)
{
	own(file);
	torc_assert(file->at_position == NULL && position <= INT64_MAX);
	if (torc_file_position(file) != UINT64_MAX)
		file->position = position;
}

void
torc_file_close(struct torc_file *file)
{
	if (file == NULL)
		return;
	own(file);
	if (torc_unlikely(file->is_closing)) {
		torc__resource_close_again(&file->resource, "a file");
		release(file);
		return;
	}
	file->is_closing = true;
	if (torc__list_is_empty(&file->ops)) {
		finish_close(file);
		return;
	}
	torc__file_hold(file);
	cancel_all(file);
	torc__file_let_go(file);
}
