/* SPDX-License-Identifier: MIT */
#include <torc/core/io/dir.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <torc/alloc/arena.h>
#include <torc/core/blocking.h>

#include "base/list_priv.h"
#include "core/io/dir_priv.h"
#include "core/io/file_priv.h"

#define BATCH_BYTES (32 * 1024)

struct torc_dir {
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_file *file; /* not on the shard's list: it goes with us */
	struct torc_file_op open_op;
	struct torc_blocking job; /* reads the next batch */
	struct torc_future *reader;
	int error; /* of the last batch; told once */
	bool is_filling;
	bool is_at_end;
	bool is_closing;
	bool is_gone;
	uint32_t pins; /* tasks inside torc_dir_next() */
	size_t at_bytes;
	size_t batch_bytes;
	uint64_t batch[BATCH_BYTES / 8]; /* struct dirent64, one by one */
};

static inline void
own(const struct torc_dir *dir)
{
	torc__shard_own(dir->shard, "a directory", "open it on each");
}

static void
release(struct torc_dir *dir)
{
	if (!dir->is_gone || dir->pins > 0 || dir->resource.is_ending)
		return;
	torc__list_remove(&dir->resource.link);
	torc_free(dir);
}

static void
finish_close(struct torc_dir *dir)
{
	torc__resource_gone(dir->shard, &dir->resource);
	torc_file_close(dir->file);
	dir->is_gone = true;
	release(dir);
}

static bool
needs_wait(const struct torc_dir *dir)
{
	return dir->at_bytes == dir->batch_bytes && !dir->is_at_end &&
	       dir->error == 0;
}

static void
notify(struct torc_dir *dir)
{
	struct torc_future *reader = dir->reader;

	if (reader == NULL || needs_wait(dir))
		return;
	dir->reader = NULL;
	torc_future_complete(reader, 0);
}

/* On a thread of the pool; the shard leaves these fields alone meanwhile. */
static int
read_batch(void *arg)
{
	struct torc_dir *dir = arg;
	struct torc_ring *ring = &dir->shard->ring;
	int ret;

	do
		ret = ring->engine->read_dir(ring, torc__file_fd(dir->file),
			dir->batch, sizeof(dir->batch));
	while (ret == -EINTR);
	return ret;
}

static void fill(struct torc_dir *dir);

static void
on_filled(struct torc_future *done)
{
	struct torc_dir *dir = torc_future_waiter(done);
	int ret = done->value < 0 ? (int)done->value : dir->job.result;

	dir->is_filling = false;
	if (dir->is_closing) {
		finish_close(dir);
		return;
	}
	if (ret == -ECANCELED) {
		/* Whoever cancelled it has left; another may have come. */
		if (dir->reader != NULL)
			fill(dir);
		return;
	}
	dir->at_bytes = 0;
	dir->batch_bytes = ret > 0 ? (size_t)ret : 0;
	dir->is_at_end = ret == 0;
	dir->error = ret < 0 ? ret : 0;
	notify(dir);
}

static void
fill(struct torc_dir *dir)
{
	if (dir->is_filling)
		return;
	dir->is_filling = true;
	torc_blocking_start(&dir->job, read_batch, dir);
	torc_future_then(&dir->job.done, on_filled, dir);
}

/* A batch that comes all the same is kept for the next call. */
static void
cancel_next(struct torc_future *future)
{
	struct torc_dir *dir = torc_future_source(future);

	dir->reader = NULL;
	torc_future_cancel(&dir->job.done);
	torc_future_complete(future, -ECANCELED);
}

void
torc_dir_next_start(struct torc_dir *dir, struct torc_future *future)
{
	own(dir);
	if (torc_unlikely(dir->is_closing)) {
		torc__resource_refuse(&dir->resource, "a directory", future);
		return;
	}
	torc_assert(dir->reader == NULL);
	torc_future_init(future, cancel_next, dir);
	dir->reader = future;
	notify(dir);
	if (dir->reader != NULL)
		fill(dir);
}

static int
wait_for_names(struct torc_dir *dir)
{
	struct torc_future future;
	int ret = torc__interrupted("torc_dir_next");

	if (ret < 0)
		return ret;
	/* Another task may close it before this one runs again. */
	dir->pins++;
	torc_dir_next_start(dir, &future);
	ret = (int)torc_await(&future);
	dir->pins--;
	if (torc_unlikely(dir->is_closing)) {
		release(dir);
		return ret < 0 ? ret : -ECANCELED;
	}
	return ret;
}

/* The record that comes next; NULL when the batch has no more. */
static const struct dirent64 *
take_record(struct torc_dir *dir)
{
	const struct dirent64 *record;

	if (dir->at_bytes == dir->batch_bytes)
		return NULL;
	record = (const struct dirent64 *)(const void *)((char *)dir->batch +
							 dir->at_bytes);
	dir->at_bytes += record->d_reclen;
	torc_check(record->d_reclen > 0 && dir->at_bytes <= dir->batch_bytes);
	return record;
}

static bool
is_itself_or_above(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int
torc_dir_next(struct torc_dir *dir, struct torc_dir_entry *entry)
{
	const struct dirent64 *record;
	int ret;

	for (;;) {
		ret = wait_for_names(dir);
		if (ret < 0)
			return ret;
		record = take_record(dir);
		if (record == NULL) {
			ret = dir->error;
			dir->error = 0;
			return ret;
		}
		if (!is_itself_or_above(record->d_name))
			break;
	}
	entry->name = record->d_name;
	entry->inode = record->d_ino;
	entry->mode = DTTOIF(record->d_type);
	return 1;
}

static void
close_resource(struct torc_resource *resource)
{
	struct torc_dir *dir =
		torc__container_of(resource, struct torc_dir, resource);

	if (dir->is_gone) {
		release(dir);
	} else if (!dir->is_closing) {
		resource->is_ending = true;
		torc_dir_close(dir);
	}
}

static void
on_opened(struct torc_future *done)
{
	struct torc_dir_op *op = torc_future_waiter(done);
	struct torc_dir *dir = op->_dir;
	int64_t value = done->value;

	if (value == 0) {
		torc__resource_leave(dir->shard, &dir->file->resource);
		torc__resource_join(dir->shard, &dir->resource);
		*op->_out = dir;
	} else {
		torc_free(dir);
	}
	torc_future_complete(&op->done, value);
}

static void
cancel_open(struct torc_future *done)
{
	struct torc_dir_op *op = torc_future_source(done);

	torc_future_cancel(&op->_dir->open_op.done);
}

static void
open_start(struct torc_dir **out, int dir_fd, const char *path, int flags,
	struct torc_dir_op *op)
{
	struct torc_shard *shard = torc__shard_current("torc_dir_open");
	struct torc_dir *dir;

	dir = torc_malloc(sizeof(*dir));
	*op = (struct torc_dir_op){ ._dir = dir, ._out = out };
	torc_future_init(&op->done, cancel_open, op);
	if (dir == NULL) {
		torc_future_complete(&op->done, -ENOMEM);
		return;
	}
	memset(dir, 0, offsetof(struct torc_dir, batch));
	dir->shard = shard;
	dir->resource.close = close_resource;
	torc__file_open_at_start(&dir->file, dir_fd, path,
		O_RDONLY | O_DIRECTORY | flags, 0, &dir->open_op);
	torc_future_then(&dir->open_op.done, on_opened, op);
}

void
torc_dir_open_start(
	struct torc_dir **out, const char *path, struct torc_dir_op *op)
{
	open_start(out, AT_FDCWD, path, 0, op);
}

int
torc__dir_open_in(
	struct torc_dir **dir, const struct torc_dir *above, const char *name)
{
	struct torc_dir_op op;
	int ret = torc__interrupted("torc_dir_open");

	if (ret < 0)
		return ret;
	open_start(dir, torc__dir_fd(above), name, O_NOFOLLOW, &op);
	return (int)torc_await(&op.done);
}

int
torc__dir_fd(const struct torc_dir *dir)
{
	return dir == NULL ? AT_FDCWD : torc__file_fd(dir->file);
}

int
torc_dir_open(struct torc_dir **dir, const char *path)
{
	struct torc_dir_op op;
	int ret = torc__interrupted("torc_dir_open");

	if (ret < 0)
		return ret;
	torc_dir_open_start(dir, path, &op);
	return (int)torc_await(&op.done);
}

void
torc_dir_close(struct torc_dir *dir)
{
	struct torc_future *reader;

	if (dir == NULL)
		return;
	own(dir);
	if (torc_unlikely(dir->is_closing)) {
		torc__resource_close_again(&dir->resource, "a directory");
		release(dir);
		return;
	}
	dir->is_closing = true;
	reader = dir->reader;
	dir->reader = NULL;
	if (dir->is_filling)
		torc_future_cancel(&dir->job.done);
	else
		finish_close(dir);
	if (reader != NULL)
		torc_future_complete(reader, -ECANCELED);
}
