/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "perf/gbench.h"
#include "uring/op_priv.h"

static void
ignore(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)op;
	(void)res;
	(void)cqe_flags;
}

static void
reap(struct torc_ring *ring, struct torc_op *op)
{
	while (!torc__op_is_idle(op)) {
		if (torc__ring_enter(ring, 1, UINT64_MAX) < 0)
			torc__panic("the ring is lost");
		while (torc__ring_cq_count(ring) != 0) {
			struct torc_cqe cqe = torc__ring_pop(ring);

			torc__op_dispatch(
				ring, cqe.user_data, cqe.res, cqe.flags);
		}
	}
}

/*
 * Question      What does a deadline cost that cuts an operation short?
 * Unit          A read that would wait, its cancel behind it, one enter for
 *               both, and the terminal CQE.
 * Change mind   Eight times ring_perf.c:nops/1: cancels of one turn would then
 *               better be one call, io_uring_register(2)'s.
 */
static void
submit_cancel(struct torc_bench *b)
{
	struct torc_ring_options options = { 0 };
	struct torc_ring ring;
	struct torc_op op;
	uint64_t value;
	int fd = eventfd(0, EFD_CLOEXEC);
	int ret = torc__ring_open(&ring, &torc__engine_kernel, &options);

	if (ret < 0 || fd < 0) {
		torc_bench_fail(b, ret < 0 ? strerror(-ret) : "no eventfd");
		return;
	}
	torc__op_init(&op, ignore);
	while (torc_bench_next(b)) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&ring);

		io_uring_prep_read(sqe, fd, &value, sizeof(value), 0);
		torc__op_submit(&ring, &op, sqe);
		torc__op_cancel(&ring, &op);
		reap(&ring, &op);
	}
	torc__ring_close(&ring);
	close(fd);
}
TORC_BENCH(submit_cancel)
