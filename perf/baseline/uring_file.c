/* SPDX-License-Identifier: MIT */
/*
 * uring_file - random reads of a file, as io_uring allows, by hand
 *
 *   uring_file [--fixed] PATH buffered|direct SECONDS DEPTH
 *   uring_file --make BYTES PATH
 *
 * One thread, one ring, DEPTH reads in flight, one enter per turn that both
 * submits and waits. --fixed registers the file and the buffers: the kernel
 * then neither looks up the one nor pins the other for each read.
 */
#include <stdlib.h>
#include <sys/uio.h>

#include "perf/baseline/file.h"
#include "perf/baseline/ring.h"

#define TAG_STOP UINT64_MAX

struct read {
	uint64_t offset;
	uint64_t start_ns;
};

struct reader {
	struct io_uring io;
	struct file_run run;
	char *buffers;
	unsigned inflight;
	bool stopping;
	struct read reads[FILE_DEPTH_MAX];
};

static char *
buffer_of(const struct reader *r, unsigned index)
{
	return r->buffers + (size_t)index * FILE_BLOCK_BYTES;
}

static void
read_start(struct reader *r, unsigned index)
{
	struct io_uring_sqe *sqe = ring_get_sqe(&r->io);
	struct read *read = &r->reads[index];

	read->offset = file_next(&r->run);
	read->start_ns = r->run.now_ns;
	if (r->run.fixed) {
		io_uring_prep_read_fixed(sqe, 0, buffer_of(r, index),
			FILE_BLOCK_BYTES, read->offset, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
	} else {
		io_uring_prep_read(sqe, r->run.fd, buffer_of(r, index),
			FILE_BLOCK_BYTES, read->offset);
	}
	sqe->user_data = index;
	r->inflight++;
}

static void
on_cqe(struct reader *r, const struct io_uring_cqe *cqe)
{
	unsigned index = (unsigned)cqe->user_data;
	const struct read *read = &r->reads[index];

	if (cqe->user_data == TAG_STOP) {
		r->stopping = true;
		return;
	}
	r->inflight--;
	file_check(&r->run, buffer_of(r, index), read->offset, cqe->res,
		read->start_ns);
	if (!r->stopping)
		read_start(r, index);
}

static void
turn(struct reader *r)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	ring_enter(&r->io, r->run.args.name);
	if (!file_turn(&r->run))
		r->stopping = true;
	io_uring_for_each_cqe(&r->io, head, cqe)
	{
		on_cqe(r, cqe);
		count++;
	}
	io_uring_cq_advance(&r->io, count);
}

static void
register_all(struct reader *r)
{
	struct iovec all = {
		.iov_base = r->buffers,
		.iov_len = (size_t)r->run.depth * FILE_BLOCK_BYTES,
	};
	int res = io_uring_register_files(&r->io, &r->run.fd, 1);

	if (res == 0)
		res = io_uring_register_buffers(&r->io, &all, 1);
	if (res == -ENOMEM)
		net_fail(r->run.args.name,
			"registered buffers need more locked memory "
			"(raise ulimit -l)",
			ENOMEM);
	if (res < 0)
		net_fail(r->run.args.name,
			"cannot register the file and the buffers", -res);
}

int
main(int argc, char **argv)
{
	static struct reader r;

	file_open(&r.run, "uring_file", true, argc, argv);
	r.buffers = file_buffers(&r.run);
	ring_setup(&r.io, r.run.args.name);
	if (r.run.fixed)
		register_all(&r);
	ring_watch_stop(&r.io, r.run.stop_fd, TAG_STOP);
	file_begin(&r.run);
	for (unsigned i = 0; i < r.run.depth; i++)
		read_start(&r, i);
	while (r.inflight > 0)
		turn(&r);
	file_report(&r.run);
	ring_close(&r.io);
	free(r.buffers);
	return 0;
}
