/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include <torc/alloc/arena.h>
#include <torc/core/blocking.h>

#include "core/io/file_priv.h"

/* ftruncate(2) on its way to a thread and back. */
struct by_hand {
	struct torc_blocking job;
	struct torc_file_op *op;
	int fd;
	off_t bytes;
};

bool
torc__truncate_is_unknown(const struct torc_file_op *op, int32_t res)
{
	/* Also what a file says that cannot be cut; asking again is right. */
	return res == -EINVAL && op->_kind == TORC_FILE_TRUNCATE &&
	       !op->_file->shard->ring.engine->is_simulated;
}

static int
truncate_file(void *arg)
{
	const struct by_hand *by_hand = arg;
	int ret;

	do
		ret = ftruncate(by_hand->fd, by_hand->bytes) < 0 ? -errno : 0;
	while (ret == -EINTR);
	return ret;
}

static void
on_truncated(struct torc_future *done)
{
	struct by_hand *by_hand = torc_future_waiter(done);
	int64_t value = done->value < 0 ? done->value : by_hand->job.result;
	struct torc_file_op *op = by_hand->op;

	torc_free(by_hand);
	torc__file_finish(op, value);
}

void
torc__truncate_by_hand(struct torc_file_op *op)
{
	struct by_hand *by_hand;

	if (op->_is_canceled || op->_file->is_closing) {
		torc__file_finish(op, -ECANCELED);
		return;
	}
	by_hand = torc_malloc(sizeof(*by_hand));
	if (by_hand == NULL) {
		torc__file_finish(op, -ENOMEM);
		return;
	}
	by_hand->op = op;
	by_hand->fd = torc__file_fd(op->_file);
	by_hand->bytes = (off_t)op->_bytes;
	op->_target = by_hand;
	torc_blocking_start(&by_hand->job, truncate_file, by_hand);
	torc_future_then(&by_hand->job.done, on_truncated, by_hand);
}

void
torc__truncate_cancel(struct torc_file_op *op)
{
	struct by_hand *by_hand = op->_target;

	torc_check(op->_kind == TORC_FILE_TRUNCATE);
	torc_future_cancel(&by_hand->job.done);
}
