/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_FILE_H
#define TORC_PERF_BASELINE_FILE_H

/*
 * file - random reads of 4 KiB: what both ways to do them share
 *
 *   NAME PATH buffered|direct SECONDS DEPTH
 *   NAME --make BYTES PATH
 *
 * The file holds at each 8-byte word that word's own offset, so that every
 * read can be verified; --make creates such a file. Blocks are chosen
 * evenly, by a generator with a fixed seed. A latency lasts from when a read
 * is handed over until the loop has its bytes; the clock is read once per
 * turn. At the end, or at SIGTERM, one line tells the figures, in which the
 * CPU time is that of the whole process.
 *
 * Errors  All leave with one line: 2 for the command line, 1 for the rest,
 *         wrong content included.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <torc/base/histogram.h>

#include "perf/baseline/net.h"

#define FILE_BLOCK_BYTES 4096
#define FILE_DEPTH_MAX 1024

struct file_run {
	struct net_args args; /* the name, for messages */
	const char *path;
	int fd;
	int stop_fd; /* readable after SIGTERM or SIGINT */
	bool fixed;  /* --fixed */
	unsigned depth;
	uint64_t blocks_count;
	uint64_t random;
	uint64_t now_ns; /* read by file_turn() */
	uint64_t begin_ns;
	uint64_t end_ns; /* no read is started later */
	uint64_t cpu_begin_ns;
	struct torc_histogram latency;
};

/*
 * Read the command line, open the file, and watch for the stop signal; with
 * --make, create the file and leave. `takes_fixed`: --fixed is known.
 */
void file_open(struct file_run *run, const char *name, bool takes_fixed,
	int argc, char **argv);

/* Memory for one block per read in flight, aligned as O_DIRECT wants it. */
char *file_buffers(const struct file_run *run);

/* From here on time and CPU time count. */
void file_begin(struct file_run *run);

/* Read the clock; false when no more reads are to be started. */
bool file_turn(struct file_run *run);

/* The offset to read next. */
static inline uint64_t
file_next(struct file_run *run)
{
	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	return run->random % run->blocks_count * FILE_BLOCK_BYTES;
}

/* A read that started at `start_ns` gave `res`: verify and count it. */
void file_check(struct file_run *run, const char *block, uint64_t offset,
	ssize_t res, uint64_t start_ns);

/* Print the figures. */
void file_report(const struct file_run *run);

#endif /* TORC_PERF_BASELINE_FILE_H */
