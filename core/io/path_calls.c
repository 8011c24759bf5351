/* SPDX-License-Identifier: MIT */
/* What the ring has no operation for: a thread of the pool makes the call. */
#include <torc/core/io/path.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/shard_priv.h"

enum kind { READ_LINK, REAL, CHMOD };

/* Fitting, with the zero byte: `len`, or -ENAMETOOLONG. */
static int
read_link(const struct torc_path_op *op, struct torc_ring *ring)
{
	int len = ring->engine->read_link(
		ring, op->_path, op->_text, op->_text_bytes);

	if (len < 0)
		return len;
	/* It may have been cut off there. */
	if ((size_t)len == op->_text_bytes)
		return -ENAMETOOLONG;
	op->_text[len] = '\0';
	return len;
}

static int
find_real(const struct torc_path_op *op, struct torc_ring *ring)
{
	char real[PATH_MAX];
	int len = ring->engine->real_path(ring, op->_path, real);

	if (len < 0)
		return len;
	if ((size_t)len >= op->_text_bytes)
		return -ENAMETOOLONG;
	memcpy(op->_text, real, (size_t)len + 1);
	return len;
}

/* On a thread of the pool. */
static int
call(void *arg)
{
	const struct torc_path_op *op = arg;
	struct torc_ring *ring = &op->_shard->ring;

	switch ((enum kind)op->_kind) {
	case READ_LINK:
		return read_link(op, ring);
	case REAL:
		return find_real(op, ring);
	case CHMOD:
		return ring->engine->chmod(ring, op->_path, op->_mode);
	}
	torc__panic("a path call of unknown kind %u", op->_kind);
}

static void
on_called(struct torc_future *done)
{
	struct torc_path_op *op = torc_future_waiter(done);

	torc_future_complete(
		&op->done, done->value < 0 ? done->value : op->_job.result);
}

static void
cancel_call(struct torc_future *done)
{
	struct torc_path_op *op = torc_future_source(done);

	torc_future_cancel(&op->_job.done);
}

static void
start(struct torc_path_op *op, struct torc_path_op how)
{
	*op = how;
	op->_shard = torc__shard_current("a torc_path call");
	torc_future_init(&op->done, cancel_call, op);
	torc_blocking_start(&op->_job, call, op);
	torc_future_then(&op->_job.done, on_called, op);
}

static int
wait_for(struct torc_path_op how, const char *name)
{
	struct torc_path_op op;
	int ret = torc__interrupted(name);

	if (ret < 0)
		return ret;
	start(&op, how);
	return (int)torc_await(&op.done);
}

static struct torc_path_op
text_of(enum kind kind, const char *path, char *text, size_t bytes)
{
	torc_assert(bytes > 0);
	return (struct torc_path_op){ ._kind = (uint8_t)kind,
		._path = path,
		._text = text,
		._text_bytes = bytes };
}

int
torc_path_read_link(const char *path, char *target, size_t bytes)
{
	return wait_for(
		text_of(READ_LINK, path, target, bytes), "torc_path_read_link");
}

void
torc_path_read_link_start(
	const char *path, char *target, size_t bytes, struct torc_path_op *op)
{
	start(op, text_of(READ_LINK, path, target, bytes));
}

int
torc_path_real(const char *path, char *real, size_t bytes)
{
	return wait_for(text_of(REAL, path, real, bytes), "torc_path_real");
}

void
torc_path_real_start(
	const char *path, char *real, size_t bytes, struct torc_path_op *op)
{
	start(op, text_of(REAL, path, real, bytes));
}

static struct torc_path_op
chmod_of(const char *path, mode_t mode)
{
	return (struct torc_path_op){
		._kind = CHMOD, ._path = path, ._mode = mode
	};
}

int
torc_path_chmod(const char *path, mode_t mode)
{
	return wait_for(chmod_of(path, mode), "torc_path_chmod");
}

void
torc_path_chmod_start(const char *path, mode_t mode, struct torc_path_op *op)
{
	start(op, chmod_of(path, mode));
}
