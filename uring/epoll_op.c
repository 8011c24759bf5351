/* SPDX-License-Identifier: MIT */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <torc/base/log.h>

#define FOUND_MIN 1024u

/* Mapped, so that what a past rush needed can be given back at once. */
#define SLAB_BYTES ((size_t)64 << 10)
#define SLAB_OPS                                         \
	((SLAB_BYTES - sizeof(struct torc_epoll_slab)) / \
		sizeof(struct torc_epoll_op))

struct torc_epoll_slab {
	struct torc_link link;
	uint64_t used_count;
	struct torc_epoll_op ops[];
};

int
torc__epoll_ops_open(struct torc_epoll *epoll)
{
	epoll->found = calloc(FOUND_MIN, sizeof(*epoll->found));
	if (epoll->found == NULL)
		return -ENOMEM;
	epoll->found_mask = FOUND_MIN - 1;
	return 0;
}

void
torc__epoll_ops_close(struct torc_epoll *epoll)
{
	struct torc_link *link;

	while ((link = torc__list_pop_front(&epoll->slabs)) != NULL)
		munmap(torc__container_of(link, struct torc_epoll_slab, link),
			SLAB_BYTES);
	free(epoll->found);
}

/* ---- memory ---- */

static __attribute__((noinline, cold)) bool
add_slab(struct torc_epoll *epoll)
{
	struct torc_epoll_slab *slab = mmap(NULL, SLAB_BYTES,
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (slab == MAP_FAILED)
		return false;
	torc__list_push_back(&epoll->slabs, &slab->link);
	for (unsigned i = 0; i < SLAB_OPS; i++) {
		slab->ops[i].slab = slab;
		torc__list_push_back(&epoll->free_ops, &slab->ops[i].link);
	}
	epoll->free_count += SLAB_OPS;
	return true;
}

static __attribute__((noinline, cold)) void
remove_slab(struct torc_epoll *epoll, struct torc_epoll_slab *slab)
{
	for (unsigned i = 0; i < SLAB_OPS; i++)
		torc__list_remove(&slab->ops[i].link);
	epoll->free_count -= SLAB_OPS;
	torc__list_remove(&slab->link);
	munmap(slab, SLAB_BYTES);
}

static struct torc_epoll_op *
get_op(struct torc_epoll *epoll)
{
	struct torc_epoll_op *op =
		torc__container_of(torc__list_pop_front(&epoll->free_ops),
			struct torc_epoll_op, link);
	struct torc_epoll_slab *slab = op->slab;

	memset(op, 0, sizeof(*op));
	op->slab = slab;
	slab->used_count++;
	epoll->free_count--;
	return op;
}

/* An empty slab goes while another one's worth of ops is left. */
static void
put_op(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	torc__list_push_front(&epoll->free_ops, &op->link);
	epoll->free_count++;
	if (--op->slab->used_count == 0 && epoll->free_count >= 2 * SLAB_OPS)
		remove_slab(epoll, op->slab);
}

/* ---- by user_data ---- */

static uint32_t
hash(const struct torc_epoll *epoll, uint64_t user_data)
{
	/* Addresses and small numbers alike end up spread. */
	return (uint32_t)(user_data * UINT64_C(0x9e3779b97f4a7c15) >> 32) &
	       epoll->found_mask;
}

static void
insert(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	struct torc_epoll_op **at =
		&epoll->found[hash(epoll, op->sqe.user_data)];

	/* To the end: of several with one user_data the oldest is found. */
	while (*at != NULL)
		at = &(*at)->find_next;
	op->find_next = NULL;
	*at = op;
}

/* Chains of one on average. Without memory they get longer, that is all. */
static __attribute__((noinline, cold)) void
grow(struct torc_epoll *epoll)
{
	uint32_t old_count = epoll->found_mask + 1;
	struct torc_epoll_op **old = epoll->found;
	struct torc_epoll_op **found =
		calloc(2 * (size_t)old_count, sizeof(*found));

	if (found == NULL)
		return;
	epoll->found = found;
	epoll->found_mask = 2 * old_count - 1;
	for (uint32_t i = 0; i < old_count; i++) {
		struct torc_epoll_op *op = old[i];

		while (op != NULL) {
			struct torc_epoll_op *next = op->find_next;

			insert(epoll, op);
			op = next;
		}
	}
	free(old);
}

struct torc_epoll_op *
torc__epoll_find(const struct torc_epoll *epoll, uint64_t user_data)
{
	struct torc_epoll_op *op = epoll->found[hash(epoll, user_data)];

	while (op != NULL && op->sqe.user_data != user_data)
		op = op->find_next;
	return op;
}

static void
unfind(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	struct torc_epoll_op **at =
		&epoll->found[hash(epoll, op->sqe.user_data)];

	while (*at != op)
		at = &(*at)->find_next;
	*at = op->find_next;
}

/* ---- from try to result ---- */

static void
keep(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	if (op->is_kept)
		return;
	op->is_kept = true;
	if (epoll->kept_count++ > epoll->found_mask)
		grow(epoll);
	insert(epoll, op);
}

void
torc__epoll_op_finish(
	struct torc_ring *ring, struct torc_epoll_op *op, int32_t res)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);

	if (op->is_kept) {
		epoll->kept_count--;
		unfind(epoll, op);
		torc__list_remove(&op->link);
		torc__list_remove(&op->timed);
		torc__epoll_file_leave(epoll, op);
	}
	if (res < 0 || !(op->sqe.flags & IOSQE_CQE_SKIP_SUCCESS))
		torc__soft_post(ring, op->sqe.user_data, res, op->cqe_flags);
	put_op(epoll, op);
}

static void
try_later(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);

	torc__list_push_back(&epoll->later, &op->link);
	/* An enter has something to do: nobody is to sleep before it. */
	torc__soft_of(ring)->sq_flags |= IORING_SQ_TASKRUN;
}

/* Let it wait; what it ends with when it can't, or WAIT. */
static int32_t
wait_for_file(struct torc_ring *ring, struct torc_epoll_op *op)
{
	int ret;

	if (op->is_armed)
		return TORC__EPOLL_WAIT;
	ret = torc__epoll_file_wait(ring, op);
	if (ret == 0)
		return TORC__EPOLL_WAIT;
	if (ret != -EPERM && ret != -EAGAIN)
		return ret;
	/* A file without events, or one that must not be waited for. */
	op->is_last = true;
	op->is_mute = ret == -EPERM;
	ret = op->opcode->try(ring, op);
	return ret == TORC__EPOLL_WAIT ? -EAGAIN : ret;
}

/* Its file keeps it, so that a close of the descriptor waits for it. */
static void
have_worked(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	int ret = torc__epoll_file_join(epoll, op);

	if (ret == 0) {
		keep(epoll, op);
		op->is_armed = false;
		ret = torc__epoll_work_start(epoll, op);
	}
	if (ret < 0)
		torc__epoll_op_finish(ring, op, ret);
}

void
torc__epoll_op_run(struct torc_ring *ring, struct torc_epoll_op *op)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	int32_t res = op->opcode->try(ring, op);

	if (torc_unlikely(res == TORC__EPOLL_WAIT))
		res = wait_for_file(ring, op);
	switch (res) {
	case TORC__EPOLL_WAIT:
		keep(epoll, op);
		return;
	case TORC__EPOLL_WORK:
		have_worked(ring, op);
		return;
	case TORC__EPOLL_LATER:
	case TORC__EPOLL_PAUSE:
		if (torc__epoll_file_join(epoll, op) < 0) {
			torc__epoll_op_finish(ring, op, -ENOMEM);
			return;
		}
		keep(epoll, op);
		if (res == TORC__EPOLL_LATER)
			try_later(ring, op);
		else
			torc__epoll_time_wait(epoll, op);
		return;
	}
	torc__epoll_op_finish(ring, op, res);
}

void
torc__epoll_run_later(struct torc_ring *ring)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	struct torc_link batch, *link;

	if (torc_likely(torc__list_is_empty(&epoll->later)))
		return;
	torc__list_init(&batch);
	torc__list_splice(&batch, &epoll->later);
	torc__soft_of(ring)->sq_flags &= ~IORING_SQ_TASKRUN;
	while ((link = torc__list_pop_front(&batch)) != NULL)
		torc__epoll_op_run(ring,
			torc__container_of(link, struct torc_epoll_op, link));
}

/* ---- from SQE to try ---- */

static __attribute__((noinline, cold)) void
say_unsupported(uint8_t opcode)
{
	static atomic_flag is_said[256];

	if (!atomic_flag_test_and_set(&is_said[opcode]))
		torc_log(TORC_LOG_WARN,
			"the epoll engine has no io_uring opcode %u and "
			"answers EOPNOTSUPP; it needs TORC_ENGINE=kernel",
			opcode);
}

/* 0, or why it can't be tried. */
static int
check(struct torc_epoll_op *op)
{
	op->opcode = torc__epoll_opcode(op->sqe.opcode);
	if (torc_unlikely(op->opcode == NULL)) {
		say_unsupported(op->sqe.opcode);
		return -EOPNOTSUPP;
	}
	if (op->sqe.flags &
		~(op->opcode->flags | IOSQE_CQE_SKIP_SUCCESS | IOSQE_ASYNC))
		return -EINVAL;
	return 0;
}

int
torc__epoll_submit(struct torc_ring *ring, uint32_t count)
{
	struct torc_epoll *epoll = torc__epoll_of(ring);
	int taken = 0;

	for (; count > 0; count--) {
		const struct io_uring_sqe *sqe;
		struct torc_epoll_op *op;
		int ret;

		if (torc_unlikely(torc__list_is_empty(&epoll->free_ops)) &&
			!add_slab(epoll))
			return taken > 0 ? taken : -ENOMEM;
		sqe = torc__soft_take(ring);
		if (sqe == NULL)
			break;
		taken++;
		op = get_op(epoll);
		memcpy(&op->sqe, sqe, sizeof(op->sqe));
		ret = check(op);
		if (torc_likely(ret == 0))
			torc__epoll_op_run(ring, op);
		else
			torc__epoll_op_finish(ring, op, ret);
	}
	return taken;
}
