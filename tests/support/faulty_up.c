/* SPDX-License-Identifier: MIT */
/*
 * The faulty engine's way up: completions come later, or are the last ones.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/support/faulty_engine.h"

#define DELAY_ENTERS_MAX 8
/* Of the 4 tag bits of user_data; torc's own cancels have 1. */
#define TAG_OWN_CANCEL UINT64_C(2)

static void
cancel(struct faulty *f, uint64_t user_data)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->inner);

	io_uring_prep_cancel64(sqe, user_data, 0);
	sqe->user_data = user_data | TAG_OWN_CANCEL;
}

static void
hold(struct faulty *f, const struct torc_cqe *cqe, uint32_t enters)
{
	if (f->held_count == f->held_max) {
		f->held_max = f->held_max ? 2 * f->held_max : 64;
		f->held = realloc(f->held, f->held_max * sizeof(*f->held));
		if (f->held == NULL)
			torc__panic("out of memory for %u held completions",
				f->held_max);
	}
	f->held[f->held_count++] = (struct held){ *cqe, enters };
}

/* To torc, now or later; those of one op keep their order. */
void
faulty_deliver(
	struct torc_ring *ring, struct faulty *f, const struct torc_cqe *cqe)
{
	for (uint32_t i = f->held_count; i-- > 0;) {
		if (f->held[i].cqe.user_data != cqe->user_data)
			continue;
		hold(f, cqe, f->held[i].enters_left);
		return;
	}
	if (faulty_strikes(f)) {
		faulty_count(FAULT_DELAYED);
		hold(f, cqe, 1 + (uint32_t)faulty_draw(f, DELAY_ENTERS_MAX));
		return;
	}
	torc__soft_post(ring, cqe->user_data, cqe->res, cqe->flags);
}

void
faulty_release_held(struct torc_ring *ring, struct faulty *f)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < f->held_count; i++) {
		struct held *held = &f->held[i];

		if (--held->enters_left == 0)
			torc__soft_post(ring, held->cqe.user_data,
				held->cqe.res, held->cqe.flags);
		else
			f->held[kept++] = *held;
	}
	f->held_count = kept;
}

static void
deliver_kept(struct torc_ring *ring, struct faulty *f, struct altered *altered)
{
	if (altered->is_kept)
		faulty_deliver(ring, f, &altered->kept);
	altered->is_kept = false;
}

/* The next one of an op that is about to end early. */
static void
on_altered(struct torc_ring *ring, struct faulty *f, struct altered *altered,
	struct torc_cqe *cqe)
{
	bool is_last = !(cqe->flags & IORING_CQE_F_MORE);
	bool is_ours = is_last && cqe->res == -ECANCELED &&
		       !altered->is_given_up && !altered->is_canceled;

	if (altered->plan == FAULT_ENDED_EARLY && !is_last &&
		!altered->is_given_up) {
		deliver_kept(ring, f, altered);
		altered->kept = *cqe;
		altered->is_kept = true;
		return;
	}
	if (is_ours && altered->plan == FAULT_NO_BUFFERS) {
		cqe->res = -ENOBUFS;
		faulty_count(FAULT_NO_BUFFERS);
	} else if (is_ours && altered->is_kept) {
		/* As a full CQ does it: a result, and no more of them. */
		*cqe = altered->kept;
		cqe->flags &= ~IORING_CQE_F_MORE;
		altered->is_kept = false;
		faulty_count(FAULT_ENDED_EARLY);
	}
	deliver_kept(ring, f, altered);
	if (is_last)
		faulty_forget(f, altered);
	faulty_deliver(ring, f, cqe);
}

/* Our own cancel came too late, or to something that it cannot stop. */
static void
on_cancel_answered(
	struct torc_ring *ring, struct faulty *f, const struct torc_cqe *cqe)
{
	struct altered *altered =
		faulty_find(f, cqe->user_data & ~TORC__OP_TAG_MASK);

	if (altered == NULL || cqe->res >= 0)
		return;
	altered->is_given_up = true;
	deliver_kept(ring, f, altered);
}

/* One more of a multishot: perhaps the last but one. */
static void
on_more(struct torc_ring *ring, struct faulty *f, const struct torc_cqe *cqe)
{
	uintptr_t address = cqe->user_data & TORC__OP_ADDRESS_MASK;
	const struct torc_op *op = (const struct torc_op *)address;
	bool is_recv = op->_opcode == IORING_OP_RECV ||
		       op->_opcode == IORING_OP_RECVMSG;
	struct altered *altered;

	if (is_recv && faulty_strikes(f)) {
		faulty_alter(f, cqe->user_data, FAULT_NO_BUFFERS, 0);
	} else if (faulty_strikes(f)) {
		altered = faulty_alter(f, cqe->user_data, FAULT_ENDED_EARLY, 0);
		altered->kept = *cqe;
		altered->is_kept = true;
	} else {
		faulty_deliver(ring, f, cqe);
		return;
	}
	cancel(f, cqe->user_data);
	if (faulty_find(f, cqe->user_data)->plan == FAULT_NO_BUFFERS)
		faulty_deliver(ring, f, cqe);
}

void
faulty_pass_up(struct torc_ring *ring, struct faulty *f)
{
	while (torc__soft_has_room(ring) &&
		torc__ring_cq_count(&f->inner) != 0) {
		struct torc_cqe cqe = torc__ring_pop(&f->inner);
		uint64_t tag = cqe.user_data & TORC__OP_TAG_MASK;
		struct altered *altered = faulty_find(f, cqe.user_data);

		if (tag == TAG_OWN_CANCEL)
			on_cancel_answered(ring, f, &cqe);
		else if (altered != NULL)
			on_altered(ring, f, altered, &cqe);
		else if (cqe.flags & IORING_CQE_F_MORE)
			on_more(ring, f, &cqe);
		else
			faulty_deliver(ring, f, &cqe);
	}
}
