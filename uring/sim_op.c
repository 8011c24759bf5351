/* SPDX-License-Identifier: MIT */
/*
 * The life of an op: taken from an SQE, tried, waiting, ready, tried again,
 * and its last CQE. Every CQE of the simulation is posted here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>

#include "uring/sim_world_priv.h"

/* CQEs of one multishot per turn: measured on Linux 6.18. */
#define BURST_MAX 32
#define LATE_CANCEL_MAX_NS TORC_MS

#define FLAGS_KNOWN (IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS | IOSQE_ASYNC)

static void on_time(struct torc_sim *sim, struct torc_sim_event *event);
static void on_late(struct torc_sim *sim, struct torc_sim_event *event);

static torc_sim_try_fn *const tries[IORING_OP_LAST] = {
	[IORING_OP_ACCEPT] = torc__sim_try_accept,
	[IORING_OP_CONNECT] = torc__sim_try_connect,
	[IORING_OP_RECV] = torc__sim_try_recv,
	[IORING_OP_RECVMSG] = torc__sim_try_recvmsg,
	[IORING_OP_SEND] = torc__sim_try_send,
	[IORING_OP_SENDMSG] = torc__sim_try_sendmsg,
	[IORING_OP_READ] = torc__sim_try_read,
	[IORING_OP_READV] = torc__sim_try_read,
	[IORING_OP_READ_FIXED] = torc__sim_try_read,
	[IORING_OP_WRITE] = torc__sim_try_write,
	[IORING_OP_WRITEV] = torc__sim_try_write,
	[IORING_OP_WRITE_FIXED] = torc__sim_try_write,
	[IORING_OP_POLL_ADD] = torc__sim_try_poll,
	[IORING_OP_OPENAT] = torc__sim_try_openat,
	[IORING_OP_STATX] = torc__sim_try_statx,
	[IORING_OP_FSYNC] = torc__sim_try_fsync,
	[IORING_OP_FTRUNCATE] = torc__sim_try_ftruncate,
	[IORING_OP_RENAMEAT] = torc__sim_try_renameat,
	[IORING_OP_UNLINKAT] = torc__sim_try_unlinkat,
	[IORING_OP_MKDIRAT] = torc__sim_try_mkdirat,
	[IORING_OP_SYMLINKAT] = torc__sim_try_symlinkat,
	[IORING_OP_LINKAT] = torc__sim_try_linkat,
};

static struct torc_link *
bucket_of(struct torc_sim_ring *ring, uint64_t user_data)
{
	uint64_t mixed = user_data * UINT64_C(0x9e3779b97f4a7c15);

	return &ring->buckets[mixed >> 56 & (TORC__SIM_BUCKETS - 1)];
}

static struct torc_sim_op *
op_new(struct torc_sim *sim, struct torc_sim_ring *ring,
	const struct io_uring_sqe *sqe)
{
	struct torc_link *spare = torc__list_pop_front(&sim->spare_ops);
	struct torc_sim_op *op =
		spare != NULL
			? torc__container_of(spare, struct torc_sim_op, all)
			: malloc(sizeof(*op));

	if (op == NULL)
		torc__panic("out of memory for a simulated operation");
	*op = (struct torc_sim_op){ .ring = ring,
		.sqe = *sqe,
		.serial = ++sim->serials,
		.began_ns = sim->now_ns,
		.event = { .fn = on_time },
		.late = { .fn = on_late } };
	torc__list_push_back(&ring->ops, &op->all);
	torc__list_push_back(bucket_of(ring, sqe->user_data), &op->bucket);
	return op;
}

static void
op_free(struct torc_sim *sim, struct torc_sim_op *op)
{
	torc__list_remove(&op->link);
	torc__list_remove(&op->bucket);
	torc__list_remove(&op->all);
	torc__sim_event_disarm(sim, &op->event);
	torc__sim_event_disarm(sim, &op->late);
	if (op->file != NULL)
		torc__sim_file_put(sim, op->file);
	torc__list_push_front(&sim->spare_ops, &op->all);
}

static void
post(struct torc_sim *sim, struct torc_sim_op *op, int32_t res, uint32_t flags)
{
	sim->counts.completions++;
	torc__sim_note(sim, TORC__SIM_COMPLETE, op->ring->index, op->sqe.opcode,
		op->serial, res, flags);
	if ((op->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) && res >= 0)
		return;
	torc__soft_post(op->ring->ring, op->sqe.user_data, res, flags);
}

void
torc__sim_op_complete(struct torc_sim *sim, struct torc_sim_op *op, int32_t res,
	uint32_t cqe_flags)
{
	post(sim, op, res, cqe_flags);
	op_free(sim, op);
}

void
torc__sim_op_wake(struct torc_sim *sim, struct torc_sim_op *op)
{
	(void)sim;
	op->is_polled = false;
	if (op->is_ready)
		return;
	op->is_ready = true;
	torc__list_remove(&op->link);
	torc__list_push_back(&op->ring->ready, &op->link);
}

static void
on_time(struct torc_sim *sim, struct torc_sim_event *event)
{
	torc__sim_op_wake(
		sim, torc__container_of(event, struct torc_sim_op, event));
}

/* The cancel has reached its target after all. */
static void
on_late(struct torc_sim *sim, struct torc_sim_event *event)
{
	struct torc_sim_op *op =
		torc__container_of(event, struct torc_sim_op, late);

	op->is_canceled = true;
	torc__sim_op_wake(sim, op);
}

/* A cancel that was late may show as the signal that a worker got. */
static int32_t
cancel_result(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (op->done_bytes > 0)
		return (int32_t)op->done_bytes;
	return torc__sim_draw_below(sim, 4) == 0 ? -EINTR : -ECANCELED;
}

static enum torc_sim_attempt
try_timeout(struct torc_sim *sim, struct torc_sim_op *op)
{
	const struct __kernel_timespec *span = (void *)(uintptr_t)op->sqe.addr;

	op->res = -ETIME;
	if (op->tries++ > 0)
		return TORC__SIM_DONE;
	op->res = -EOPNOTSUPP;
	if (op->sqe.off != 0 || op->sqe.timeout_flags != 0)
		return TORC__SIM_DONE;
	op->res = -EINVAL;
	if (span->tv_sec < 0 || span->tv_nsec < 0)
		return TORC__SIM_DONE;
	torc__sim_event_arm(sim, &op->event,
		sim->now_ns + (uint64_t)span->tv_sec * TORC_S +
			(uint64_t)span->tv_nsec);
	return TORC__SIM_BLOCKED;
}

static struct torc_sim_op *
find_target(struct torc_sim_ring *ring, uint64_t user_data)
{
	struct torc_link *bucket = bucket_of(ring, user_data);

	for (struct torc_link *link = bucket->next; link != bucket;
		link = link->next) {
		struct torc_sim_op *op =
			torc__container_of(link, struct torc_sim_op, bucket);

		if (op->sqe.user_data == user_data &&
			op->sqe.opcode != IORING_OP_ASYNC_CANCEL)
			return op;
	}
	return NULL;
}

static int32_t
cancel(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct torc_sim_op *target;

	if (op->sqe.cancel_flags != 0)
		return -EOPNOTSUPP;
	target = find_target(op->ring, op->sqe.addr);
	if (target == NULL)
		return -ENOENT;
	if (target->is_canceled || target->is_decided || target->late.slot != 0)
		return -EALREADY;
	if (torc__sim_strikes(sim, TORC__SIM_CANCEL_LATE)) {
		torc__sim_event_arm(sim, &target->late,
			sim->now_ns +
				torc__sim_draw_below(sim, LATE_CANCEL_MAX_NS));
		return -EALREADY;
	}
	torc__sim_op_complete(sim, target,
		target->done_bytes > 0 ? (int32_t)target->done_bytes
				       : -ECANCELED,
		0);
	return 0;
}

static void
say_unknown(uint8_t opcode)
{
	static bool is_said[256];

	if (!is_said[opcode])
		torc_log(TORC_LOG_WARN,
			"the simulation does not know opcode %u or one of its "
			"flags: -EOPNOTSUPP; run this on the kernel engine",
			opcode);
	is_said[opcode] = true;
}

/* A path is enough for it. */
static bool
is_by_path(uint8_t opcode)
{
	return opcode == IORING_OP_OPENAT || opcode == IORING_OP_STATX ||
	       opcode == IORING_OP_RENAMEAT || opcode == IORING_OP_UNLINKAT ||
	       opcode == IORING_OP_MKDIRAT || opcode == IORING_OP_SYMLINKAT ||
	       opcode == IORING_OP_LINKAT;
}

static enum torc_sim_attempt
attempt(struct torc_sim *sim, struct torc_sim_op *op)
{
	uint8_t opcode = op->sqe.opcode;

	op->cqe_flags = 0;
	switch (opcode) {
	case IORING_OP_NOP:
		op->res = 0;
		return TORC__SIM_DONE;
	case IORING_OP_TIMEOUT:
		return try_timeout(sim, op);
	case IORING_OP_ASYNC_CANCEL:
		op->res = cancel(sim, op);
		return TORC__SIM_DONE;
	case IORING_OP_CLOSE:
		op->res = torc__sim_fd_close(sim, op->sqe.fd);
		return TORC__SIM_DONE;
	}
	if (op->file == NULL && !is_by_path(opcode)) {
		op->res = -EBADF;
		return TORC__SIM_DONE;
	}
	return tries[opcode](sim, op);
}

/* A cancel must not overtake its target, nor a close be overtaken. */
static bool
may_punt(const struct io_uring_sqe *sqe)
{
	return sqe->opcode != IORING_OP_ASYNC_CANCEL &&
	       sqe->opcode != IORING_OP_CLOSE;
}

/* What a worker thread has done may be seen later than what came after. */
static void
finish(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (!may_punt(&op->sqe) || !torc__sim_strikes(sim, TORC__SIM_REORDER)) {
		torc__sim_op_complete(sim, op, op->res, op->cqe_flags);
		return;
	}
	op->is_decided = true;
	torc__sim_op_wake(sim, op);
}

/* As often as it gives something, until it waits or is over. */
static void
run(struct torc_sim *sim, struct torc_sim_op *op)
{
	for (unsigned n = 0; n < BURST_MAX; n++) {
		enum torc_sim_attempt how = attempt(sim, op);

		if (how == TORC__SIM_BLOCKED) {
			if (op->waits_on != NULL)
				torc__list_push_back(op->waits_on, &op->link);
			return;
		}
		/* A multishot ends when its CQE has to wait for room. */
		if (how == TORC__SIM_DONE || !op->is_multishot ||
			!torc__soft_has_room(op->ring->ring) ||
			torc__sim_strikes(sim, TORC__SIM_MULTISHOT_END)) {
			finish(sim, op);
			return;
		}
		post(sim, op, op->res, op->cqe_flags | IORING_CQE_F_MORE);
	}
	torc__sim_op_wake(sim, op);
}

static bool
is_known(const struct io_uring_sqe *sqe)
{
	if (sqe->flags & ~FLAGS_KNOWN)
		return false;
	switch (sqe->opcode) {
	case IORING_OP_NOP:
	case IORING_OP_TIMEOUT:
	case IORING_OP_ASYNC_CANCEL:
	case IORING_OP_CLOSE:
		return true;
	}
	return sqe->opcode < IORING_OP_LAST && tries[sqe->opcode] != NULL;
}

void
torc__sim_op_take(struct torc_sim *sim, struct torc_sim_ring *ring,
	const struct io_uring_sqe *sqe)
{
	struct torc_sim_op *op = op_new(sim, ring, sqe);

	torc__sim_note(sim, TORC__SIM_SUBMIT, ring->index, sqe->opcode,
		op->serial, sqe->fd, sqe->len);
	if (!is_known(sqe)) {
		say_unknown(sqe->opcode);
		torc__sim_op_complete(sim, op, -EOPNOTSUPP, 0);
		return;
	}
	if (tries[sqe->opcode] != NULL) {
		op->file = torc__sim_fd_file(sim, sqe->fd);
		if (op->file != NULL)
			op->file->refs_count++;
	}
	if (may_punt(sqe) && torc__sim_strikes(sim, TORC__SIM_PUNT))
		torc__sim_op_wake(sim, op);
	else
		run(sim, op);
}

static struct torc_sim_op *
pick_ready(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	struct torc_link *link = torc__list_pop_front(&ring->ready);

	while (torc__sim_strikes(sim, TORC__SIM_REORDER)) {
		torc__list_push_back(&ring->ready, link);
		link = torc__list_pop_front(&ring->ready);
	}
	return torc__container_of(link, struct torc_sim_op, link);
}

void
torc__sim_ops_run(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	uint32_t count = 0;

	/* What becomes ready again meanwhile has its turn next time. */
	for (struct torc_link *link = ring->ready.next; link != &ring->ready;
		link = link->next)
		count++;
	for (; count > 0 && !torc__list_is_empty(&ring->ready); count--) {
		struct torc_sim_op *op = pick_ready(sim, ring);

		op->is_ready = false;
		if (op->is_decided)
			torc__sim_op_complete(sim, op, op->res, op->cqe_flags);
		else if (op->is_canceled)
			torc__sim_op_complete(
				sim, op, cancel_result(sim, op), 0);
		else
			run(sim, op);
	}
}

void
torc__sim_ops_drop(struct torc_sim *sim, struct torc_sim_ring *ring)
{
	struct torc_link *link;

	while ((link = torc__list_first(&ring->ops)) != NULL) {
		sim->counts.ops_left++;
		op_free(sim, torc__container_of(link, struct torc_sim_op, all));
	}
}

const char *
torc__sim_opcode_name(uint8_t opcode)
{
	static const char *const names[IORING_OP_LAST] = {
		[IORING_OP_NOP] = "nop",
		[IORING_OP_ACCEPT] = "accept",
		[IORING_OP_CONNECT] = "connect",
		[IORING_OP_RECV] = "recv",
		[IORING_OP_RECVMSG] = "recvmsg",
		[IORING_OP_SEND] = "send",
		[IORING_OP_SENDMSG] = "sendmsg",
		[IORING_OP_READ] = "read",
		[IORING_OP_READV] = "readv",
		[IORING_OP_READ_FIXED] = "read",
		[IORING_OP_WRITE] = "write",
		[IORING_OP_WRITEV] = "writev",
		[IORING_OP_WRITE_FIXED] = "write",
		[IORING_OP_OPENAT] = "open",
		[IORING_OP_STATX] = "stat",
		[IORING_OP_FSYNC] = "sync",
		[IORING_OP_FTRUNCATE] = "truncate",
		[IORING_OP_RENAMEAT] = "rename",
		[IORING_OP_UNLINKAT] = "unlink",
		[IORING_OP_MKDIRAT] = "mkdir",
		[IORING_OP_SYMLINKAT] = "symlink",
		[IORING_OP_LINKAT] = "link",
		[IORING_OP_POLL_ADD] = "poll",
		[IORING_OP_TIMEOUT] = "timeout",
		[IORING_OP_ASYNC_CANCEL] = "cancel",
		[IORING_OP_CLOSE] = "close",
	};

	if (opcode >= IORING_OP_LAST || names[opcode] == NULL)
		return "unknown";
	return names[opcode];
}
