/* SPDX-License-Identifier: MIT */
#include "uring/soft_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert_priv.h"

/* As io_uring_setup(2) clamps them. */
#define SQ_ENTRIES_MAX 32768u
#define CQ_ENTRIES_MAX 65536u
/* io_uring_register(2). */
#define GROUP_ENTRIES_MAX 32768u
#define FIXED_MAX 16384u

static uint32_t
round_up(uint32_t count, uint32_t max)
{
	uint32_t rounded = 1;

	while (rounded < count && rounded < max)
		rounded *= 2;
	return rounded;
}

int
torc__soft_open(struct torc_ring *ring, const struct torc_ring_options *options,
	void *engine)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	struct io_uring_cq *cq = &ring->uring.cq;
	struct torc_soft *soft = calloc(1, sizeof(*soft));

	if (soft == NULL)
		return -ENOMEM;
	soft->engine = engine;
	sq->ring_ptr = soft;
	sq->khead = &soft->sq_head;
	sq->ktail = &soft->sq_tail;
	sq->kflags = &soft->sq_flags;
	sq->ring_entries = round_up(options->sq_entries, SQ_ENTRIES_MAX);
	sq->ring_mask = sq->ring_entries - 1;
	sq->sqes = calloc(sq->ring_entries, sizeof(*sq->sqes));
	cq->khead = &soft->cq_head;
	cq->ktail = &soft->cq_tail;
	cq->ring_entries = round_up(options->cq_entries, CQ_ENTRIES_MAX);
	cq->ring_mask = cq->ring_entries - 1;
	cq->cqes = calloc(cq->ring_entries, sizeof(*cq->cqes));
	if (sq->sqes == NULL || cq->cqes == NULL) {
		torc__soft_close(ring);
		return -ENOMEM;
	}
	return 0;
}

void
torc__soft_close(struct torc_ring *ring)
{
	struct torc_soft *soft = torc__soft_of(ring);

	free(ring->uring.sq.sqes);
	free(ring->uring.cq.cqes);
	free(soft->waiting);
	free(soft->fixed);
	free(soft);
}

const struct io_uring_sqe *
torc__soft_take(struct torc_ring *ring)
{
	struct torc_soft *soft = torc__soft_of(ring);

	if (soft->sq_head == soft->sq_tail)
		return NULL;
	return &ring->uring.sq.sqes[soft->sq_head++ & ring->uring.sq.ring_mask];
}

static void
push(struct torc_ring *ring, const struct io_uring_cqe *cqe)
{
	struct io_uring_cq *cq = &ring->uring.cq;
	struct torc_soft *soft = torc__soft_of(ring);
	struct io_uring_cqe *slot = &cq->cqes[soft->cq_tail & cq->ring_mask];

	slot->user_data = cqe->user_data;
	slot->res = cqe->res;
	slot->flags = cqe->flags;
	soft->cq_tail++;
}

static void
keep_waiting(struct torc_soft *soft, const struct io_uring_cqe *cqe)
{
	if (soft->waiting_count == soft->waiting_max) {
		uint32_t max = soft->waiting_max ? 2 * soft->waiting_max : 64;
		struct io_uring_cqe *waiting =
			realloc(soft->waiting, max * sizeof(*waiting));

		if (waiting == NULL)
			torc__panic("out of memory for %u completions", max);
		soft->waiting = waiting;
		soft->waiting_max = max;
	}
	memcpy(&soft->waiting[soft->waiting_count++], cqe, sizeof(*cqe));
	soft->sq_flags |= IORING_SQ_CQ_OVERFLOW;
}

void
torc__soft_post(struct torc_ring *ring, uint64_t user_data, int32_t res,
	uint32_t cqe_flags)
{
	struct io_uring_cqe cqe = {
		.user_data = user_data, .res = res, .flags = cqe_flags
	};

	if (torc_likely(torc__soft_has_room(ring)))
		push(ring, &cqe);
	else
		keep_waiting(torc__soft_of(ring), &cqe);
}

void
torc__soft_flush(struct torc_ring *ring)
{
	struct torc_soft *soft = torc__soft_of(ring);
	uint32_t moved = 0;

	while (moved < soft->waiting_count &&
		soft->cq_tail - soft->cq_head < ring->uring.cq.ring_entries)
		push(ring, &soft->waiting[moved++]);
	if (moved == 0)
		return;
	soft->waiting_count -= moved;
	memmove(soft->waiting, soft->waiting + moved,
		soft->waiting_count * sizeof(*soft->waiting));
	if (soft->waiting_count == 0)
		soft->sq_flags &= ~IORING_SQ_CQ_OVERFLOW;
}

static struct torc_soft_group *
find_group(struct torc_soft *soft, uint16_t id)
{
	for (unsigned i = 0; i < TORC__SOFT_GROUPS; i++)
		if (soft->groups[i].entries != NULL && soft->groups[i].id == id)
			return &soft->groups[i];
	return NULL;
}

static int
add_group(struct torc_soft *soft, const struct io_uring_buf_reg *reg)
{
	uint32_t entries = reg->ring_entries;

	if (entries == 0 || entries > GROUP_ENTRIES_MAX ||
		(entries & (entries - 1)) != 0 || reg->flags != 0)
		return -EINVAL;
	if (reg->ring_addr == 0)
		return -EFAULT;
	if (reg->ring_addr % 4096 != 0)
		return -EINVAL;
	if (find_group(soft, reg->bgid) != NULL)
		return -EEXIST;
	for (unsigned i = 0; i < TORC__SOFT_GROUPS; i++) {
		if (soft->groups[i].entries != NULL)
			continue;
		soft->groups[i] = (struct torc_soft_group){
			.entries = (void *)(uintptr_t)reg->ring_addr,
			.id = reg->bgid,
			.mask = (uint16_t)(entries - 1),
		};
		return 0;
	}
	return -ENOMEM;
}

/* ---- registered memory ---- */

static int
add_fixed(struct torc_soft *soft, const struct iovec *iovs, uint32_t count)
{
	if (soft->fixed != NULL)
		return -EBUSY;
	if (count == 0 || count > FIXED_MAX)
		return -EINVAL;
	soft->fixed = calloc(count, sizeof(*soft->fixed));
	if (soft->fixed == NULL)
		return -ENOMEM;
	if (iovs != NULL)
		memcpy(soft->fixed, iovs, count * sizeof(*iovs));
	soft->fixed_count = count;
	return 0;
}

static int
remove_fixed(struct torc_soft *soft)
{
	if (soft->fixed == NULL)
		return -ENXIO;
	free(soft->fixed);
	soft->fixed = NULL;
	soft->fixed_count = 0;
	return 0;
}

static int
add_fixed2(struct torc_soft *soft, const struct io_uring_rsrc_register *reg)
{
	bool is_sparse = reg->flags & IORING_RSRC_REGISTER_SPARSE;

	if ((reg->flags & ~IORING_RSRC_REGISTER_SPARSE) || reg->resv2 != 0 ||
		(is_sparse && reg->data != 0))
		return -EINVAL;
	return add_fixed(soft,
		is_sparse ? NULL : (const void *)(uintptr_t)reg->data, reg->nr);
}

/* How many were changed. */
static int
update_fixed(struct torc_soft *soft, const struct io_uring_rsrc_update2 *update)
{
	const struct iovec *iovs = (const void *)(uintptr_t)update->data;

	if (soft->fixed == NULL)
		return -ENXIO;
	if (update->nr == 0 || update->offset > soft->fixed_count ||
		update->nr > soft->fixed_count - update->offset)
		return -EINVAL;
	memcpy(soft->fixed + update->offset, iovs, update->nr * sizeof(*iovs));
	return (int)update->nr;
}

int
torc__soft_check_fixed(const struct torc_ring *ring, uint16_t index,
	uint64_t address, uint32_t bytes)
{
	const struct torc_soft *soft = torc__soft_of(ring);
	const struct iovec *iov;
	uint64_t before;

	if (index >= soft->fixed_count)
		return -EFAULT;
	iov = &soft->fixed[index];
	before = address - (uintptr_t)iov->iov_base;
	if (address < (uintptr_t)iov->iov_base || before > iov->iov_len ||
		bytes > iov->iov_len - before)
		return -EFAULT;
	return 0;
}

/* ---- all of it ---- */

static int
remove_group(struct torc_soft *soft, const struct io_uring_buf_reg *reg)
{
	struct torc_soft_group *group = find_group(soft, reg->bgid);

	if (group == NULL)
		return -ENOENT;
	group->entries = NULL;
	return 0;
}

int
torc__soft_register(struct torc_ring *ring, uint32_t opcode, const void *arg,
	uint32_t arg_count)
{
	struct torc_soft *soft = torc__soft_of(ring);

	if (opcode == IORING_UNREGISTER_BUFFERS)
		return arg != NULL || arg_count != 0 ? -EINVAL
						     : remove_fixed(soft);
	if (arg == NULL)
		return -EINVAL;
	switch (opcode) {
	case IORING_REGISTER_PBUF_RING:
		return arg_count != 1 ? -EINVAL : add_group(soft, arg);
	case IORING_UNREGISTER_PBUF_RING:
		return arg_count != 1 ? -EINVAL : remove_group(soft, arg);
	case IORING_REGISTER_BUFFERS:
		return add_fixed(soft, arg, arg_count);
	case IORING_REGISTER_BUFFERS2:
		return arg_count != sizeof(struct io_uring_rsrc_register)
			       ? -EINVAL
			       : add_fixed2(soft, arg);
	case IORING_REGISTER_BUFFERS_UPDATE:
		return arg_count != sizeof(struct io_uring_rsrc_update2)
			       ? -EINVAL
			       : update_fixed(soft, arg);
	}
	return -EINVAL;
}

int
torc__soft_next_buffer(
	struct torc_ring *ring, uint16_t id, struct torc_soft_buffer *buffer)
{
	struct torc_soft_group *group = find_group(torc__soft_of(ring), id);
	const struct io_uring_buf *entry;

	if (group == NULL || group->head == group->entries->tail)
		return -ENOBUFS;
	entry = &group->entries->bufs[group->head & group->mask];
	*buffer = (struct torc_soft_buffer){
		.data = (void *)(uintptr_t)entry->addr,
		.bytes = entry->len,
		.id = entry->bid,
	};
	return 0;
}

uint32_t
torc__soft_use_buffer(struct torc_ring *ring, uint16_t id,
	const struct torc_soft_buffer *buffer)
{
	struct torc_soft_group *group = find_group(torc__soft_of(ring), id);

	torc_assert(group != NULL && group->head != group->entries->tail);
	group->head++;
	return IORING_CQE_F_BUFFER | (uint32_t)buffer->id
					     << IORING_CQE_BUFFER_SHIFT;
}
