/* SPDX-License-Identifier: MIT */
/*
 * The calls on an open file: each says in an operation what it wants, and
 * either starts it or awaits it as well.
 */
#include <errno.h>

#include <liburing.h>

#include "core/io/file_priv.h"

static const char *const call_names[] = {
	[TORC_FILE_READ] = "reading a torc_file",
	[TORC_FILE_READV] = "reading a torc_file",
	[TORC_FILE_WRITE] = "writing a torc_file",
	[TORC_FILE_WRITEV] = "writing a torc_file",
	[TORC_FILE_SYNC] = "torc_file_sync",
	[TORC_FILE_STAT] = "torc_file_stat",
	[TORC_FILE_TRUNCATE] = "torc_file_truncate",
};

static int64_t
wait_for(struct torc_file *file, struct torc_file_op *op)
{
	int ret = torc__interrupted(call_names[op->_kind]);

	if (ret < 0)
		return ret;
	torc__file_start(file, op);
	return torc_await(&op->done);
}

static void
transfer(struct torc_file_op *op, enum torc_file_kind kind, const void *memory,
	size_t bytes, uint64_t offset)
{
	*op = (struct torc_file_op){ ._kind = (uint8_t)kind,
		._target = (void *)(uintptr_t)memory,
		._bytes = bytes,
		._offset = offset };
}

static void
transfer_all(struct torc_file_op *op, enum torc_file_kind kind,
	const void *memory, size_t bytes, uint64_t offset)
{
	transfer(op, kind, memory, bytes, offset);
	op->_is_exact = true;
}

static void
transfer_next(struct torc_file_op *op, enum torc_file_kind kind,
	const void *memory, size_t bytes)
{
	transfer(op, kind, memory, bytes, 0);
	op->_is_at_position = true;
}

static void
write_next_all(struct torc_file_op *op, const void *data, size_t bytes)
{
	transfer_next(op, TORC_FILE_WRITE, data, bytes);
	op->_is_exact = true;
}

void
torc_file_pread_start(struct torc_file *file, void *buf, size_t bytes,
	uint64_t offset, struct torc_file_op *op)
{
	transfer(op, TORC_FILE_READ, buf, bytes, offset);
	torc__file_start(file, op);
}

ssize_t
torc_file_pread(
	struct torc_file *file, void *buf, size_t bytes, uint64_t offset)
{
	struct torc_file_op op;

	transfer(&op, TORC_FILE_READ, buf, bytes, offset);
	return wait_for(file, &op);
}

void
torc_file_pread_exact_start(struct torc_file *file, void *buf, size_t bytes,
	uint64_t offset, struct torc_file_op *op)
{
	transfer_all(op, TORC_FILE_READ, buf, bytes, offset);
	torc__file_start(file, op);
}

ssize_t
torc_file_pread_exact(
	struct torc_file *file, void *buf, size_t bytes, uint64_t offset)
{
	struct torc_file_op op;

	transfer_all(&op, TORC_FILE_READ, buf, bytes, offset);
	return wait_for(file, &op);
}

void
torc_file_pwrite_start(struct torc_file *file, const void *data, size_t bytes,
	uint64_t offset, struct torc_file_op *op)
{
	transfer(op, TORC_FILE_WRITE, data, bytes, offset);
	torc__file_start(file, op);
}

ssize_t
torc_file_pwrite(
	struct torc_file *file, const void *data, size_t bytes, uint64_t offset)
{
	struct torc_file_op op;

	transfer(&op, TORC_FILE_WRITE, data, bytes, offset);
	return wait_for(file, &op);
}

void
torc_file_pwrite_all_start(struct torc_file *file, const void *data,
	size_t bytes, uint64_t offset, struct torc_file_op *op)
{
	transfer_all(op, TORC_FILE_WRITE, data, bytes, offset);
	torc__file_start(file, op);
}

ssize_t
torc_file_pwrite_all(
	struct torc_file *file, const void *data, size_t bytes, uint64_t offset)
{
	struct torc_file_op op;

	transfer_all(&op, TORC_FILE_WRITE, data, bytes, offset);
	return wait_for(file, &op);
}

void
torc_file_preadv_start(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset, struct torc_file_op *op)
{
	transfer(op, TORC_FILE_READV, iov, count, offset);
	torc__file_start(file, op);
}

ssize_t
torc_file_preadv(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset)
{
	struct torc_file_op op;

	transfer(&op, TORC_FILE_READV, iov, count, offset);
	return wait_for(file, &op);
}

void
torc_file_pwritev_start(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset, struct torc_file_op *op)
{
	transfer(op, TORC_FILE_WRITEV, iov, count, offset);
	torc__file_start(file, op);
}

ssize_t
torc_file_pwritev(struct torc_file *file, const struct iovec *iov,
	unsigned count, uint64_t offset)
{
	struct torc_file_op op;

	transfer(&op, TORC_FILE_WRITEV, iov, count, offset);
	return wait_for(file, &op);
}

void
torc_file_read_start(struct torc_file *file, void *buf, size_t bytes,
	struct torc_file_op *op)
{
	transfer_next(op, TORC_FILE_READ, buf, bytes);
	torc__file_start(file, op);
}

ssize_t
torc_file_read(struct torc_file *file, void *buf, size_t bytes)
{
	struct torc_file_op op;

	transfer_next(&op, TORC_FILE_READ, buf, bytes);
	return wait_for(file, &op);
}

void
torc_file_write_start(struct torc_file *file, const void *data, size_t bytes,
	struct torc_file_op *op)
{
	transfer_next(op, TORC_FILE_WRITE, data, bytes);
	torc__file_start(file, op);
}

ssize_t
torc_file_write(struct torc_file *file, const void *data, size_t bytes)
{
	struct torc_file_op op;

	transfer_next(&op, TORC_FILE_WRITE, data, bytes);
	return wait_for(file, &op);
}

void
torc_file_write_all_start(struct torc_file *file, const void *data,
	size_t bytes, struct torc_file_op *op)
{
	write_next_all(op, data, bytes);
	torc__file_start(file, op);
}

ssize_t
torc_file_write_all(struct torc_file *file, const void *data, size_t bytes)
{
	struct torc_file_op op;

	write_next_all(&op, data, bytes);
	return wait_for(file, &op);
}

static ssize_t
read_source(void *object, void *buf, size_t bytes)
{
	return torc_file_read(object, buf, bytes);
}

struct torc_source
torc_file_source(struct torc_file *file)
{
	return (struct torc_source){ read_source, file };
}

static ssize_t
write_sink(void *object, const void *data, size_t bytes)
{
	return torc_file_write_all(object, data, bytes);
}

struct torc_sink
torc_file_sink(struct torc_file *file)
{
	return (struct torc_sink){ write_sink, file };
}

static void
flush(struct torc_file_op *op, int flags)
{
	*op = (struct torc_file_op){ ._kind = TORC_FILE_SYNC, ._flags = flags };
}

void
torc_file_sync_start(struct torc_file *file, struct torc_file_op *op)
{
	flush(op, 0);
	torc__file_start(file, op);
}

int
torc_file_sync(struct torc_file *file)
{
	struct torc_file_op op;

	flush(&op, 0);
	return (int)wait_for(file, &op);
}

void
torc_file_datasync_start(struct torc_file *file, struct torc_file_op *op)
{
	flush(op, IORING_FSYNC_DATASYNC);
	torc__file_start(file, op);
}

int
torc_file_datasync(struct torc_file *file)
{
	struct torc_file_op op;

	flush(&op, IORING_FSYNC_DATASYNC);
	return (int)wait_for(file, &op);
}

static void
look(struct torc_file_op *op, struct torc_stat *stat)
{
	*op = (struct torc_file_op){ ._kind = TORC_FILE_STAT, ._target = stat };
}

void
torc_file_stat_start(
	struct torc_file *file, struct torc_stat *stat, struct torc_file_op *op)
{
	look(op, stat);
	torc__file_start(file, op);
}

int
torc_file_stat(struct torc_file *file, struct torc_stat *stat)
{
	struct torc_file_op op;

	look(&op, stat);
	return (int)wait_for(file, &op);
}

/* Checked as an offset is: the kernel's are signed. */
static void
cut(struct torc_file_op *op, uint64_t bytes)
{
	*op = (struct torc_file_op){
		._kind = TORC_FILE_TRUNCATE, ._bytes = bytes, ._offset = bytes
	};
}

void
torc_file_truncate_start(
	struct torc_file *file, uint64_t bytes, struct torc_file_op *op)
{
	cut(op, bytes);
	torc__file_start(file, op);
}

int
torc_file_truncate(struct torc_file *file, uint64_t bytes)
{
	struct torc_file_op op;

	cut(&op, bytes);
	return (int)wait_for(file, &op);
}
