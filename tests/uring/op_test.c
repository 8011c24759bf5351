/* SPDX-License-Identifier: MIT */
/*
 * Goal    An op is finished by its terminal CQE and by nothing else: not by a
 *         result, not by a cancel, not by a CQE of an earlier life.
 * Method  A fake engine: the test is the kernel and completes what was
 *         submitted in any order, with any result and flags.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/support/fake_engine.h"
#include "tests/test.h"
#include "base/list_priv.h"
#include "uring/op_priv.h"

struct probe {
	struct torc_op op;
	uint32_t cqes_count;
	int32_t res;
	uint32_t flags;
	bool was_idle; /* when the last CQE was handled */
};

struct fixture {
	struct torc_ring ring;
	struct fake *fake;
	struct probe probes[2];
};

static struct fixture fixture;

static void
on_cqe(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct probe *probe = torc__container_of(op, struct probe, op);

	probe->cqes_count++;
	probe->res = res;
	probe->flags = cqe_flags;
	probe->was_idle = torc__op_is_idle(op);
}

static int
set_up(void **state)
{
	struct torc_ring_options options = { .sq_entries = 8,
		.cq_entries = 16 };

	memset(&fixture, 0, sizeof(fixture));
	for (unsigned i = 0; i < 2; i++)
		torc__op_init(&fixture.probes[i].op, on_cqe);
	*state = &fixture;
	if (torc__ring_open(&fixture.ring, &fake_engine, &options) < 0)
		return -1;
	fixture.fake = fake_of(&fixture.ring);
	fixture.fake->keeps_cancels = true;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->ring.inflight_count, 0);
	assert_int_equal(torc__ring_cq_count(&f->ring), 0);
	torc__ring_close(&f->ring);
	return 0;
}

/* The index it has among all SQEs taken. */
static uint32_t
submit(struct fixture *f, struct probe *probe)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_nop(sqe);
	torc__op_submit(&f->ring, &probe->op, sqe);
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);
	return f->fake->taken_count - 1;
}

static void
complete(struct fixture *f, uint32_t index, int32_t res, uint32_t cqe_flags)
{
	fake_complete(&f->ring, index, res, cqe_flags);
	fake_dispatch_all(&f->ring);
}

static void
the_cqe_without_f_more_is_terminal(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint32_t index = submit(f, p);

	assert_int_equal(f->ring.inflight_count, 1);
	complete(f, index, 77, 0);

	assert_int_equal(p->cqes_count, 1);
	assert_int_equal(p->res, 77);
	assert_true(p->was_idle);
	assert_int_equal(f->ring.inflight_count, 0);
}

static void
no_result_is_terminal_while_f_more_is_set(void **state)
{
	static const int32_t results[] = { 5, 0, -ECANCELED, -ENOBUFS, -EIO };
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint32_t index = submit(f, p);

	for (unsigned i = 0; i < 5; i++) {
		complete(f, index, results[i], IORING_CQE_F_MORE);

		assert_int_equal(p->cqes_count, i + 1);
		assert_false(p->was_idle);
		assert_int_equal(f->ring.inflight_count, 1);
	}
	complete(f, index, 6, 0);
	assert_true(p->was_idle);
}

static void
each_cqe_reaches_its_own_op_unchanged(void **state)
{
	struct fixture *f = *state;
	uint32_t first = submit(f, &f->probes[0]);
	uint32_t second = submit(f, &f->probes[1]);

	fake_complete(&f->ring, second, -EPIPE, 7u << 16);
	fake_complete(&f->ring, first, INT32_MAX, IORING_CQE_F_SOCK_NONEMPTY);
	fake_dispatch_all(&f->ring);

	assert_int_equal(f->probes[0].res, INT32_MAX);
	assert_int_equal(f->probes[0].flags, IORING_CQE_F_SOCK_NONEMPTY);
	assert_int_equal(f->probes[1].res, -EPIPE);
	assert_int_equal(f->probes[1].flags, 7u << 16);
}

static void
a_cancel_names_its_target_and_asks_for_no_answer(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint32_t index = submit(f, p);
	const struct io_uring_sqe *cancel;

	torc__op_cancel(&f->ring, &p->op);
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);

	cancel = fake_last(&f->ring, IORING_OP_ASYNC_CANCEL);
	assert_non_null(cancel);
	assert_int_equal(cancel->addr, f->fake->taken[index].sqe.user_data);
	assert_int_equal(cancel->cancel_flags, 0);
	assert_true(cancel->flags & IOSQE_CQE_SKIP_SUCCESS);
	assert_int_not_equal(cancel->user_data, cancel->addr);
	complete(f, index, -ECANCELED, 0);
}

static void
a_cancels_own_cqe_finishes_nothing(void **state)
{
	static const int32_t answers[] = { 0, -ENOENT, -EALREADY };

	for (unsigned i = 0; i < 3; i++) {
		struct fixture *f = *state;
		struct probe *p = &f->probes[0];
		uint32_t index = submit(f, p);

		p->cqes_count = 0;
		torc__op_cancel(&f->ring, &p->op);
		assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);
		complete(f, index + 1, answers[i], 0);
		assert_int_equal(p->cqes_count, 0);
		assert_int_equal(f->ring.inflight_count, 1);

		complete(f, index, -ECANCELED, 0);
		assert_int_equal(p->cqes_count, 1);
	}
	assert_int_equal(fixture.ring.stats.cqes_stale, 0);
}

static void
a_success_that_beat_the_cancel_still_arrives(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint32_t index = submit(f, p);

	torc__op_cancel(&f->ring, &p->op);
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);
	fake_complete(&f->ring, index + 1, -EALREADY, 0);
	fake_complete(&f->ring, index, 41, IORING_CQE_F_MORE);
	fake_complete(&f->ring, index, 42, 0);
	fake_dispatch_all(&f->ring);

	assert_int_equal(p->cqes_count, 2);
	assert_int_equal(p->res, 42);
	assert_true(p->was_idle);
}

static void
cancelling_twice_sends_one_cancel(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint32_t index = submit(f, p);

	torc__op_cancel(&f->ring, &p->op);
	torc__op_cancel(&f->ring, &p->op);
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);
	complete(f, index, 1, IORING_CQE_F_MORE);
	torc__op_cancel(&f->ring, &p->op);
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);

	assert_int_equal(fake_count(&f->ring, IORING_OP_ASYNC_CANCEL), 1);
	complete(f, index, -ECANCELED, 0);
}

static void
cancelling_an_idle_op_sends_nothing(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];

	torc__op_cancel(&f->ring, &p->op);
	complete(f, submit(f, p), 0, 0);
	torc__op_cancel(&f->ring, &p->op);

	assert_false(torc__ring_has_sqes(&f->ring));
	assert_int_equal(f->ring.stats.cancels, 0);
}

static void
a_cqe_of_an_earlier_life_is_counted_and_dropped(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint32_t first = submit(f, p), second;
	uint64_t early = f->fake->taken[first].sqe.user_data;

	complete(f, first, 1, 0);
	fake_post(&f->ring, early, 2, 0);
	fake_dispatch_all(&f->ring);
	second = submit(f, p);
	fake_post(&f->ring, early, 3, 0);
	fake_dispatch_all(&f->ring);

	assert_int_equal(p->cqes_count, 1);
	assert_int_equal(f->ring.inflight_count, 1);
	assert_int_equal(f->ring.stats.cqes_stale, 2);
	complete(f, second, 4, 0);
	assert_int_equal(p->res, 4);
}

/* Another object at the same address, as an allocator hands it out. */
static void
the_next_object_in_the_same_memory_is_another_life(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint32_t first = submit(f, p), second;
	uint64_t early = f->fake->taken[first].sqe.user_data;

	complete(f, first, 1, 0);
	*p = (struct probe){ 0 };
	torc__op_init(&p->op, on_cqe);
	second = submit(f, p);
	fake_post(&f->ring, early, 2, 0);
	fake_dispatch_all(&f->ring);

	assert_int_equal(p->cqes_count, 0);
	assert_int_equal(f->ring.stats.cqes_stale, 1);
	complete(f, second, 3, 0);
}

static void
lives_differ_until_the_generation_wraps(void **state)
{
	enum { LIVES = 65536 };
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];
	uint64_t first, before = 0;

	complete(f, submit(f, p), 0, 0);
	first = f->fake->taken[0].sqe.user_data;
	for (uint32_t i = 1; i <= LIVES; i++) {
		uint32_t index = submit(f, p);
		uint64_t now = f->fake->taken[index].sqe.user_data;

		assert_int_equal(now == first, i == LIVES);
		assert_int_not_equal(now, before);
		before = now;
		complete(f, index, 0, 0);
	}

	assert_int_equal(p->cqes_count, LIVES + 1);
	assert_int_equal(f->ring.stats.cqes_stale, 0);
}

static void
resubmit(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	on_cqe(op, res, cqe_flags);
	if (res > 0)
		submit(&fixture, torc__container_of(op, struct probe, op));
}

static void
the_handler_of_the_terminal_cqe_may_submit_anew(void **state)
{
	struct fixture *f = *state;
	struct probe *p = &f->probes[0];

	p->op.on_cqe = resubmit;
	complete(f, submit(f, p), 1, 0);

	assert_int_equal(f->ring.inflight_count, 1);
	complete(f, 1, 0, 0);
	assert_int_equal(p->cqes_count, 2);
}

static void
unmap_itself(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)res;
	(void)cqe_flags;
	assert_int_equal(munmap(op, sizeof(*op)), 0);
}

/* The op is on a page of its own: a look at it would be a fault. */
static void
the_cancels_cqe_may_come_after_the_op_is_gone(void **state)
{
	struct fixture *f = *state;
	struct torc_op *op = mmap(NULL, sizeof(*op), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	assert_ptr_not_equal(op, MAP_FAILED);
	torc__op_init(op, unmap_itself);
	io_uring_prep_nop(sqe);
	torc__op_submit(&f->ring, op, sqe);
	torc__op_cancel(&f->ring, op);
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);

	fake_complete(&f->ring, 0, 9, 0);
	fake_complete(&f->ring, 1, -ENOENT, 0);
	assert_int_equal(fake_dispatch_all(&f->ring), 2);

	assert_int_equal(f->ring.stats.cqes_stale, 0);
}

static void
a_cqe_that_names_no_op_is_counted_and_dropped(void **state)
{
	struct fixture *f = *state;

	fake_post(&f->ring, 0, 0, 0);
	fake_dispatch_all(&f->ring);

	assert_int_equal(f->ring.stats.cqes_stale, 1);
}

#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(the_cqe_without_f_more_is_terminal),
		WITH_RING(no_result_is_terminal_while_f_more_is_set),
		WITH_RING(each_cqe_reaches_its_own_op_unchanged),
		WITH_RING(a_cancel_names_its_target_and_asks_for_no_answer),
		WITH_RING(a_cancels_own_cqe_finishes_nothing),
		WITH_RING(a_success_that_beat_the_cancel_still_arrives),
		WITH_RING(cancelling_twice_sends_one_cancel),
		WITH_RING(cancelling_an_idle_op_sends_nothing),
		WITH_RING(a_cqe_of_an_earlier_life_is_counted_and_dropped),
		WITH_RING(the_next_object_in_the_same_memory_is_another_life),
		WITH_RING(lives_differ_until_the_generation_wraps),
		WITH_RING(the_handler_of_the_terminal_cqe_may_submit_anew),
		WITH_RING(the_cancels_cqe_may_come_after_the_op_is_gone),
		WITH_RING(a_cqe_that_names_no_op_is_counted_and_dropped),
	};

	return cmocka_run_group_tests_name("uring/op", tests, NULL, NULL);
}
