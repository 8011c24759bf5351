/* SPDX-License-Identifier: MIT */
#include "perf/baseline/ring.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef RING_CQES
#define RING_CQES 4096
#endif

enum { RING_SQES = 512 };

static void refuse(const char *name, int res) __attribute__((noreturn, cold));

static void
refuse(const char *name, int res)
{
	if (res == -EPERM || res == -ENOSYS)
		net_fail(name,
			"io_uring is not allowed (kernel.io_uring_disabled, "
			"seccomp) or not there",
			-res);
	if (res == -ENOMEM)
		net_fail(name,
			"the ring needs more locked memory "
			"(raise ulimit -l)",
			-res);
	net_fail(name, "cannot set up a ring (Linux 6.1 or later is needed)",
		-res);
}

void
ring_setup(struct io_uring *io, const char *name)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE |
			 IORING_SETUP_CLAMP | IORING_SETUP_NO_SQARRAY,
		.cq_entries = RING_CQES,
	};
	int res = io_uring_queue_init_params(RING_SQES, io, &params);

	if (res == -EINVAL) {
		/* Before 6.6 there is always an index array. */
		params.flags &= ~IORING_SETUP_NO_SQARRAY;
		res = io_uring_queue_init_params(RING_SQES, io, &params);
	}
	if (res < 0)
		refuse(name, res);
	/* Saves a descriptor look-up per enter; harmless where refused. */
	(void)io_uring_register_ring_fd(io);
}

void
ring_map(struct ring *r, const char *name, size_t stride_bytes)
{
	int res;

	r->vecs = (struct net_pool){
		.bytes = (sizeof(struct vec) + 15) & ~(size_t)15,
		.chunk_count = 16,
	};
	r->memory = mmap(NULL, RING_BUFFERS_MAX * stride_bytes,
		PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->memory == MAP_FAILED)
		net_fail(name, "cannot map the buffers", errno);
	r->slots = io_uring_setup_buf_ring(
		&r->io, RING_BUFFERS_MAX, RING_GROUP, 0, &res);
	if (r->slots == NULL)
		net_fail(name, "cannot register the buffers", -res);
}

/*
 * A ring that is merely dropped goes on in the kernel, and keeps the
 * listener's port, after the process ended.
 */
void
ring_close(struct io_uring *io)
{
	struct io_uring_sync_cancel_reg all = {
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = { .tv_sec = 1 },
	};

	(void)io_uring_register_sync_cancel(io, &all);
	/* Each call carries out about twenty of the completions due. */
	do
		(void)io_uring_get_events(io);
	while (IO_URING_READ_ONCE(*io->sq.kflags) & IORING_SQ_TASKRUN);
	io_uring_queue_exit(io);
}

void
ring_retry(struct ring *r, const struct net_args *args, int error, uint64_t tag)
{
	static struct __kernel_timespec delay = { .tv_nsec = 100 * 1000000 };
	static bool told;
	struct io_uring_sqe *sqe = ring_sqe(r);

	if (!told)
		fprintf(stderr, "%s: accepting pauses: %s\n", args->name,
			strerror(error));
	told = true;
	io_uring_prep_timeout(sqe, &delay, 0, 0);
	sqe->user_data = tag;
}
