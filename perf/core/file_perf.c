/* SPDX-License-Identifier: MIT */
/* Reads of what is in the page cache: what the way there and back costs. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <torc/alloc/io.h>
#include <torc/core/io/file.h>

#include "perf/bench_task.h"

#define BLOCK_BYTES 4096
#define DEPTH 32

/* The benchmark's own program: there, and read before. */
#define PATH "/proc/self/exe"

static int
read_one_by_one(struct torc_bench *b, void *block)
{
	struct torc_file *file;
	int ret = torc_file_open(&file, PATH, O_RDONLY, 0);

	if (ret < 0)
		return ret;
	while (ret == 0 && torc_bench_next(b)) {
		ssize_t got = torc_file_pread(file, block, BLOCK_BYTES, 0);

		ret = got < 0 ? (int)got : 0;
	}
	torc_file_close(file);
	return ret;
}

/*
 * Question      What does a read cost that one task awaits?
 * Unit          4096 bytes from the page cache, one in flight.
 * Change mind   More than 600 ns above pread_call: an enter, a switch pair.
 */
static int
pread_awaited(void *b)
{
	static char block[BLOCK_BYTES];

	return read_one_by_one(b, block);
}
TORC_BENCH_TASK(pread_awaited)

/* The same into memory that is registered with the ring. */
static int
pread_fixed_awaited(void *b)
{
	void *block = torc_io_alloc(BLOCK_BYTES);
	int ret = block == NULL ? -ENOMEM : read_one_by_one(b, block);

	torc_io_free(block);
	return ret;
}
TORC_BENCH_TASK(pread_fixed_awaited)

static int
start_and_wait(struct torc_file *file, struct torc_file_op *ops, char *blocks)
{
	for (unsigned i = 0; i < DEPTH; i++)
		torc_file_pread_start(file, blocks + i * BLOCK_BYTES,
			BLOCK_BYTES, i * BLOCK_BYTES, ops + i);
	for (unsigned i = 0; i < DEPTH; i++) {
		int64_t got = torc_await(&ops[i].done);

		if (got < 0)
			return (int)got;
	}
	return 0;
}

/*
 * Question      What does a read cost among 32 that leave together?
 * Unit          4096 bytes from the page cache, fixed; one of the 32.
 * Change mind   More than twice pread_call.
 */
static int
pread_fixed_batch(void *b)
{
	char *blocks = torc_io_alloc(DEPTH * BLOCK_BYTES);
	struct torc_file_op ops[DEPTH];
	struct torc_file *file;
	int ret = torc_file_open(&file, PATH, O_RDONLY, 0);

	if (ret < 0 || blocks == NULL)
		return ret < 0 ? ret : -ENOMEM;
	while (ret == 0 && torc_bench_next_many(b, DEPTH))
		ret = start_and_wait(file, ops, blocks);
	torc_file_close(file);
	torc_io_free(blocks);
	return ret;
}
TORC_BENCH_TASK(pread_fixed_batch)

/* What the three stand beside: the system call, which would hold the shard. */
static void
pread_call(struct torc_bench *b)
{
	static char block[BLOCK_BYTES];
	int fd = open(PATH, O_RDONLY | O_CLOEXEC);

	while (torc_bench_next(b))
		if (pread(fd, block, sizeof(block), 0) < 0)
			torc_bench_fail(b, "pread");
	close(fd);
}
TORC_BENCH(pread_call)

/*
 * Question      Is torc_io_alloc() cheap enough to call for each read?
 * Unit          4096 bytes, taken and given back.
 * Change mind   More than 150 ns, as io.h promises; then a cache of blocks.
 */
static int
io_alloc_free(void *b)
{
	while (torc_bench_next(b)) {
		void *block = torc_io_alloc(BLOCK_BYTES);

		torc_bench_keep(block);
		torc_io_free(block);
	}
	return 0;
}
TORC_BENCH_TASK(io_alloc_free)
