/* SPDX-License-Identifier: MIT */
/*
 * Random reads of a file: DEPTH tasks, each with one read in flight.
 *
 *   file PATH buffered|direct SECONDS DEPTH
 *   file --make BYTES PATH
 *
 * The command line, the checks and the figures are those of the programs by
 * hand; see perf/baseline/file.h. Each task reads into a block of its own
 * from torc_io_alloc(), so the reads are fixed ones.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <torc.h>

#include "perf/baseline/file.h"

struct reader {
	struct file_run run;
	struct torc_file *file;
	bool is_stopping;
};

static int
read_blocks(void *arg)
{
	struct reader *r = arg;
	void *block = torc_io_alloc(FILE_BLOCK_BYTES);
	bool goes_on;

	if (block == NULL)
		return -1;
	goes_on = file_turn(&r->run);
	while (goes_on && !r->is_stopping) {
		uint64_t offset = file_next(&r->run);
		uint64_t start_ns = r->run.now_ns;
		ssize_t got = torc_file_pread(
			r->file, block, FILE_BLOCK_BYTES, offset);

		goes_on = file_turn(&r->run);
		file_check(&r->run, block, offset, got, start_ns);
	}
	torc_io_free(block);
	return 0;
}

static int
wait_for_stop(void *arg)
{
	struct torc_signals *signals;
	struct reader *r = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (torc_signals_open(&signals, &set) < 0)
		return -1;
	r->is_stopping = torc_signal_next(signals) > 0;
	torc_signals_close(signals);
	return 0;
}

static int
run(void *arg)
{
	struct reader *r = arg;
	int flags = fcntl(r->run.fd, F_GETFL) & (O_ACCMODE | O_DIRECT);
	struct torc_group readers;
	int ret = torc_file_open(&r->file, r->run.path, flags, 0);

	if (ret == 0)
		ret = torc_spawn(NULL, wait_for_stop, r);
	torc_group_init(&readers);
	file_begin(&r->run);
	for (unsigned i = 0; i < r->run.depth && ret == 0; i++)
		ret = torc_group_spawn(&readers, read_blocks, r);
	if (ret == 0)
		ret = torc_group_join(&readers);
	if (ret == 0)
		file_report(&r->run);
	torc_group_cancel_join(&readers);
	torc_file_close(r->file);
	return ret;
}

int
main(int argc, char **argv)
{
	struct torc_options options = { .shards = 1 };
	static struct reader r;
	int ret;

	file_open(&r.run, "file", false, argc, argv);
	ret = torc_run(&options, run, &r);
	if (ret < 0)
		fprintf(stderr, "file: cannot read %s: %s\n", r.run.path,
			strerror(-ret));
	return ret != 0;
}
