/* SPDX-License-Identifier: MIT */
/* Files, directories and pipes: what scripts begin with, and their SQEs. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/contract/steps.h"

#define OWN_IDS UINT64_C(0xf1000000)
#define DEPTH_MAX 16
/* Rings of a moment ago may still hold locked memory. */
#define REGISTER_TRIES 200

static uint64_t
next_id(struct contract *c)
{
	return OWN_IDS + c->serial++;
}

static void
open_dir(struct contract *c)
{
	uint64_t id = next_id(c);

	/* The world of a simulation has this folder too. */
	snprintf(c->dir, sizeof(c->dir), "/tmp/torc-contract-%d-%llu",
		(int)getpid(), (unsigned long long)id);
	start_mkdir(c, id, c->dir);
	expect(c, id, RES(0));
}

static int
remove_one(const char *path, const struct stat *stat, int kind, struct FTW *at)
{
	(void)stat;
	(void)kind;
	(void)at;
	return remove(path);
}

void
files_clean(struct contract *c)
{
	if (c->dir[0] != '\0')
		(void)nftw(c->dir, remove_one, DEPTH_MAX, FTW_DEPTH | FTW_PHYS);
	c->dir[0] = '\0';
}

const char *
path_of(struct contract *c, const char *name)
{
	size_t bytes = sizeof(c->dir) + strlen(name) + 1;
	char *path = memory(c, bytes);

	if (c->dir[0] == '\0')
		open_dir(c);
	snprintf(path, bytes, "%s/%s", c->dir, name);
	return path;
}

int
open_path(struct contract *c, const char *name, int flags)
{
	uint64_t id = next_id(c);

	start_open(c, id, path_of(c, name), flags);
	return own(c, expect(c, id, BETWEEN(0, INT32_MAX)).res);
}

int
open_new(struct contract *c, const char *name)
{
	return open_path(c, name, O_RDWR | O_CREAT | O_EXCL);
}

int
open_text(struct contract *c, const char *name, const char *text)
{
	int fd = open_new(c, name), bytes = (int)strlen(text);
	uint64_t id = next_id(c);

	start_write_at(c, id, fd, text, strlen(text), 0);
	expect(c, id, RES(bytes));
	return fd;
}

void
require_file(struct contract *c, int fd, uint64_t offset, const char *text)
{
	int bytes = (int)strlen(text);
	char *got = memory(c, strlen(text) + 2);
	uint64_t id = next_id(c);

	start_read_at(c, id, fd, got, strlen(text) + 1, offset);
	expect(c, id, RES(bytes));
	if (memcmp(got, text, strlen(text)) != 0)
		give_up(c, "read '%s' instead of '%s'", got, text);
}

struct ends
open_ends(struct contract *c)
{
	int fds[2] = { -1, -1 };
	int ret = c->engine->pipe(&c->ring, fds);

	if (ret < 0)
		give_up(c, "pipe: %s", strerror(-ret));
	return (struct ends){ own(c, fds[0]), own(c, fds[1]) };
}

struct pair
open_sockets(struct contract *c, int type)
{
	int fds[2] = { -1, -1 };
	int ret = c->engine->socketpair(&c->ring, type, fds);

	if (ret < 0)
		give_up(c, "socketpair: %s", strerror(-ret));
	return (struct pair){ own(c, fds[0]), own(c, fds[1]) };
}

char *
put_text(struct contract *c, const char *text)
{
	return memcpy(memory(c, strlen(text) + 1), text, strlen(text));
}

void
make_dir(struct contract *c, const char *name)
{
	uint64_t id = next_id(c);

	start_mkdir(c, id, path_of(c, name));
	expect(c, id, RES(0));
}

int
register_memory(
	struct contract *c, uint32_t opcode, const void *arg, uint32_t count)
{
	static const struct timespec moment = { .tv_nsec = 5000000 };
	int ret = c->engine->reg(&c->ring, opcode, arg, count);

	for (unsigned i = 0; ret == -ENOMEM && i < REGISTER_TRIES; i++) {
		nanosleep(&moment, NULL);
		ret = c->engine->reg(&c->ring, opcode, arg, count);
	}
	return ret;
}

void
start_open(struct contract *c, uint64_t id, const char *path, int flags)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_openat(sqe, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
	submit(c, sqe, id);
}

void
start_read_at(struct contract *c, uint64_t id, int fd, void *data, size_t bytes,
	uint64_t offset)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_read(sqe, fd, data, (unsigned)bytes, offset);
	submit(c, sqe, id);
}

void
start_write_at(struct contract *c, uint64_t id, int fd, const void *data,
	size_t bytes, uint64_t offset)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_write(sqe, fd, data, (unsigned)bytes, offset);
	submit(c, sqe, id);
}

void
start_readv(struct contract *c, uint64_t id, int fd, const struct iovec *pieces,
	unsigned count, uint64_t offset)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_readv(sqe, fd, pieces, count, offset);
	submit(c, sqe, id);
}

void
start_writev(struct contract *c, uint64_t id, int fd,
	const struct iovec *pieces, unsigned count, uint64_t offset)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_writev(sqe, fd, pieces, count, offset);
	submit(c, sqe, id);
}

void
start_read_fixed(struct contract *c, uint64_t id, int fd, void *data,
	size_t bytes, uint64_t offset, int index)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_read_fixed(sqe, fd, data, (unsigned)bytes, offset, index);
	submit(c, sqe, id);
}

void
start_write_fixed(struct contract *c, uint64_t id, int fd, const void *data,
	size_t bytes, uint64_t offset, int index)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_write_fixed(
		sqe, fd, data, (unsigned)bytes, offset, index);
	submit(c, sqe, id);
}

void
start_sync(struct contract *c, uint64_t id, int fd, unsigned flags)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_fsync(sqe, fd, flags);
	submit(c, sqe, id);
}

void
start_stat(struct contract *c, uint64_t id, int fd, const char *path,
	struct statx *stat)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_statx(sqe, fd, path, path[0] == '\0' ? AT_EMPTY_PATH : 0,
		STATX_BASIC_STATS, stat);
	submit(c, sqe, id);
}

void
start_rename(struct contract *c, uint64_t id, const char *from, const char *to)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_renameat(sqe, AT_FDCWD, from, AT_FDCWD, to, 0);
	submit(c, sqe, id);
}

void
start_unlink(struct contract *c, uint64_t id, const char *path, int flags)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_unlinkat(sqe, AT_FDCWD, path, flags);
	submit(c, sqe, id);
}

void
start_mkdir(struct contract *c, uint64_t id, const char *path)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_mkdirat(sqe, AT_FDCWD, path, 0700);
	submit(c, sqe, id);
}

void
start_symlink(
	struct contract *c, uint64_t id, const char *target, const char *path)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_symlinkat(sqe, target, AT_FDCWD, path);
	submit(c, sqe, id);
}

void
start_link(struct contract *c, uint64_t id, const char *from, const char *to)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_linkat(sqe, AT_FDCWD, from, AT_FDCWD, to, 0);
	submit(c, sqe, id);
}

void
start_truncate(struct contract *c, uint64_t id, int fd, int64_t bytes)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_ftruncate(sqe, fd, bytes);
	submit(c, sqe, id);
}
