/* SPDX-License-Identifier: MIT */
/*
 * Goal    Queues in plain memory behave like those that io_uring shares: in
 *         order, nothing lost in a full CQ, buffers picked one by one, and
 *         the errors of io_uring_register(2).
 * Method  No engine: the test takes, posts and picks by hand, with indices
 *         that are about to wrap.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"
#include "uring/soft_priv.h"

#define CQ_ENTRIES 4u
#define BUFS 4u
#define BUF_BYTES 64u

struct fixture {
	struct torc_ring ring;
	struct torc_soft *soft;
	struct io_uring_buf_ring *group;
	char data[BUFS][BUF_BYTES];
};

static struct fixture fixture;

static int
set_up(void **state)
{
	struct torc_ring_options options = { .sq_entries = 3,
		.cq_entries = CQ_ENTRIES };

	memset(&fixture, 0, sizeof(fixture));
	*state = &fixture;
	if (torc__soft_open(&fixture.ring, &options, &fixture) < 0)
		return -1;
	fixture.soft = torc__soft_of(&fixture.ring);
	fixture.group = aligned_alloc(4096, 4096);
	memset(fixture.group, 0, 4096);
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	torc__soft_close(&f->ring);
	free(f->group);
	return 0;
}

/* ---- queues ---- */

static void
sizes_are_powers_of_two(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->ring.uring.sq.ring_entries, 4);
	assert_int_equal(f->ring.uring.cq.ring_entries, CQ_ENTRIES);
	assert_ptr_equal(f->soft->engine, f);
}

static void
publish(struct fixture *f, uint64_t user_data)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_nop(sqe);
	sqe->user_data = user_data;
	*f->ring.uring.sq.ktail = f->ring.uring.sq.sqe_tail;
}

static void
sqes_are_taken_in_order_while_the_indices_wrap(void **state)
{
	struct fixture *f = *state;
	uint64_t next = 0;

	f->soft->sq_head = f->soft->sq_tail = UINT32_MAX - 5;
	f->ring.uring.sq.sqe_tail = UINT32_MAX - 5;
	for (uint64_t i = 0; i < 30; i += 3) {
		for (uint64_t k = 0; k < 3; k++)
			publish(f, i + k);
		for (uint64_t k = 0; k < 3; k++)
			assert_int_equal(
				torc__soft_take(&f->ring)->user_data, next++);
		assert_null(torc__soft_take(&f->ring));
	}
	assert_int_equal(next, 30);
}

static void
assert_next(struct fixture *f, uint64_t user_data)
{
	struct torc_cqe cqe;

	assert_int_not_equal(torc__ring_cq_count(&f->ring), 0);
	cqe = torc__ring_pop(&f->ring);
	assert_int_equal(cqe.user_data, user_data);
	assert_int_equal(cqe.res, -(int)user_data);
	assert_int_equal(cqe.flags, 7);
}

static void
post(struct fixture *f, uint64_t user_data)
{
	torc__soft_post(&f->ring, user_data, -(int)user_data, 7);
}

static void
a_full_cq_keeps_the_rest_in_order(void **state)
{
	enum { POSTS = 200 };
	struct fixture *f = *state;
	uint64_t next = 0;

	f->soft->cq_head = f->soft->cq_tail = UINT32_MAX - 1;
	for (uint64_t i = 0; i < POSTS; i++) {
		assert_int_equal(torc__soft_has_room(&f->ring), i < CQ_ENTRIES);
		post(f, i);
	}
	assert_int_equal(torc__ring_cq_count(&f->ring), CQ_ENTRIES);
	assert_true(torc__ring_wants_enter(&f->ring));

	while (next < POSTS) {
		assert_next(f, next++);
		if (next % 3 == 0)
			torc__soft_flush(&f->ring);
		else if (torc__ring_cq_count(&f->ring) == 0)
			torc__soft_flush(&f->ring);
	}
	assert_int_equal(torc__ring_cq_count(&f->ring), 0);
	assert_false(torc__ring_wants_enter(&f->ring));
	assert_true(torc__soft_has_room(&f->ring));
}

static void
a_new_cqe_does_not_overtake_those_that_wait(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < CQ_ENTRIES + 1; i++)
		post(f, i);
	assert_next(f, 0);
	assert_next(f, 1);

	assert_false(torc__soft_has_room(&f->ring));
	post(f, CQ_ENTRIES + 1);
	torc__soft_flush(&f->ring);

	for (uint64_t i = 2; i < CQ_ENTRIES + 2; i++)
		assert_next(f, i);
	assert_int_equal(torc__ring_cq_count(&f->ring), 0);
}

static void
a_flush_without_room_moves_nothing(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < CQ_ENTRIES + 1; i++)
		post(f, i);
	torc__soft_flush(&f->ring);

	assert_int_equal(f->soft->waiting_count, 1);
	assert_int_equal(torc__ring_cq_count(&f->ring), CQ_ENTRIES);
	assert_true(torc__ring_wants_enter(&f->ring));
}

/* ---- buffers ---- */

static int
enrol(struct fixture *f, uint16_t id)
{
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)f->group,
		.ring_entries = BUFS,
		.bgid = id };

	return torc__soft_register(
		&f->ring, IORING_REGISTER_PBUF_RING, &reg, 1);
}

static int
dismiss(struct fixture *f, uint16_t id)
{
	struct io_uring_buf_reg reg = { .bgid = id };

	return torc__soft_register(
		&f->ring, IORING_UNREGISTER_PBUF_RING, &reg, 1);
}

static void
put(struct fixture *f, uint16_t id)
{
	io_uring_buf_ring_add(f->group, f->data[id], BUF_BYTES, id,
		io_uring_buf_ring_mask(BUFS), 0);
	io_uring_buf_ring_advance(f->group, 1);
}

static void
assert_picks(struct fixture *f, uint16_t id)
{
	struct torc_soft_buffer buffer;

	assert_int_equal(torc__soft_next_buffer(&f->ring, 5, &buffer), 0);
	assert_int_equal(buffer.id, id);
	assert_ptr_equal(buffer.data, f->data[id]);
	assert_int_equal(buffer.bytes, BUF_BYTES);
	assert_int_equal(torc__soft_use_buffer(&f->ring, 5, &buffer),
		IORING_CQE_F_BUFFER | (uint32_t)id << IORING_CQE_BUFFER_SHIFT);
}

static void
buffers_are_picked_in_the_order_they_were_given(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enrol(f, 5), 0);
	put(f, 2);
	put(f, 0);
	put(f, 3);

	assert_picks(f, 2);
	assert_picks(f, 0);
	put(f, 2);
	assert_picks(f, 3);
	assert_picks(f, 2);
}

static void
looking_at_a_buffer_does_not_take_it(void **state)
{
	struct fixture *f = *state;
	struct torc_soft_buffer buffer;

	assert_int_equal(enrol(f, 5), 0);
	put(f, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			torc__soft_next_buffer(&f->ring, 5, &buffer), 0);
	assert_picks(f, 1);
	assert_int_equal(
		torc__soft_next_buffer(&f->ring, 5, &buffer), -ENOBUFS);
}

static void
an_empty_group_and_an_unknown_one_have_no_buffers(void **state)
{
	struct fixture *f = *state;
	struct torc_soft_buffer buffer;

	assert_int_equal(enrol(f, 5), 0);
	assert_int_equal(
		torc__soft_next_buffer(&f->ring, 5, &buffer), -ENOBUFS);
	put(f, 0);
	assert_int_equal(
		torc__soft_next_buffer(&f->ring, 6, &buffer), -ENOBUFS);
	assert_int_equal(torc__soft_next_buffer(&f->ring, 5, &buffer), 0);
}

/* More than 2^16: the tail that is shared is of 16 bits. */
static void
buffers_go_round_past_the_end_of_the_index(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enrol(f, 5), 0);
	for (uint32_t i = 0; i < BUFS; i++)
		put(f, (uint16_t)i);
	for (uint32_t i = 0; i < 70000; i++) {
		assert_picks(f, i % BUFS);
		put(f, i % BUFS);
	}
}

static void
a_group_that_was_dismissed_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct torc_soft_buffer buffer;

	assert_int_equal(enrol(f, 5), 0);
	put(f, 0);
	put(f, 1);
	assert_picks(f, 0);
	assert_int_equal(dismiss(f, 5), 0);
	assert_int_equal(
		torc__soft_next_buffer(&f->ring, 5, &buffer), -ENOBUFS);

	memset(f->group, 0, 4096);
	assert_int_equal(enrol(f, 5), 0);
	put(f, 3);
	assert_picks(f, 3);
}

static void
a_group_is_registered_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(dismiss(f, 5), -ENOENT);
	assert_int_equal(enrol(f, 5), 0);
	assert_int_equal(enrol(f, 5), -EEXIST);
	assert_int_equal(enrol(f, 6), 0);
	assert_int_equal(dismiss(f, 5), 0);
	assert_int_equal(dismiss(f, 5), -ENOENT);
	assert_int_equal(enrol(f, 5), 0);
}

static void
there_is_a_limit_to_groups(void **state)
{
	struct fixture *f = *state;

	for (uint16_t id = 0; id < TORC__SOFT_GROUPS; id++)
		assert_int_equal(enrol(f, id), 0);
	assert_int_equal(enrol(f, 100), -ENOMEM);
	assert_int_equal(dismiss(f, 3), 0);
	assert_int_equal(enrol(f, 100), 0);
}

static void
a_bad_registration_is_refused_as_io_uring_does(void **state)
{
	struct fixture *f = *state;
	uint64_t good = (uintptr_t)f->group;
	const struct {
		struct io_uring_buf_reg reg;
		int error;
	} bad[] = {
		{ { .ring_addr = good, .ring_entries = 0 }, -EINVAL },
		{ { .ring_addr = good, .ring_entries = 3 }, -EINVAL },
		{ { .ring_addr = good, .ring_entries = 65536 }, -EINVAL },
		{ { .ring_addr = good + 16, .ring_entries = 4 }, -EINVAL },
		{ { .ring_addr = good, .ring_entries = 4, .flags = 1 },
			-EINVAL },
		{ { .ring_addr = 0, .ring_entries = 4 }, -EFAULT },
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			torc__soft_register(&f->ring, IORING_REGISTER_PBUF_RING,
				&bad[i].reg, 1),
			bad[i].error);
	assert_int_equal(torc__soft_register(
				 &f->ring, IORING_REGISTER_PBUF_RING, NULL, 1),
		-EINVAL);
	assert_int_equal(torc__soft_register(&f->ring, IORING_REGISTER_FILES,
				 &bad[0].reg, 1),
		-EINVAL);
}

/* ---- registered memory ---- */

static int
check_fixed(struct fixture *f, unsigned index, uintptr_t at, unsigned bytes)
{
	return torc__soft_check_fixed(&f->ring, (uint16_t)index, at, bytes);
}

static void
registered_memory_has_two_ends(void **state)
{
	struct fixture *f = *state;
	struct iovec iovs[2] = { { (void *)0x10000, 0x1000 },
		{ (void *)(UINTPTR_MAX - 0xfff), 0xfff } };

	assert_int_equal(
		torc__soft_register(&f->ring, IORING_REGISTER_BUFFERS, iovs, 2),
		0);
	assert_int_equal(check_fixed(f, 0, 0x10000, 0x1000), 0);
	assert_int_equal(check_fixed(f, 0, 0x10fff, 1), 0);
	assert_int_equal(check_fixed(f, 0, 0x11000, 0), 0);
	assert_int_equal(check_fixed(f, 0, 0x11000, 1), -EFAULT);
	assert_int_equal(check_fixed(f, 0, 0xffff, 2), -EFAULT);
	assert_int_equal(check_fixed(f, 0, 0x10001, 0x1000), -EFAULT);
	assert_int_equal(check_fixed(f, 0, 0x10001, UINT32_MAX), -EFAULT);
	/* An address that goes round is not inside. */
	assert_int_equal(check_fixed(f, 1, UINTPTR_MAX - 1, 1), 0);
	assert_int_equal(check_fixed(f, 1, UINTPTR_MAX - 1, 16), -EFAULT);
	assert_int_equal(check_fixed(f, 2, 0x10000, 1), -EFAULT);
}

static void
memory_is_registered_once_or_piece_by_piece(void **state)
{
	struct fixture *f = *state;
	struct iovec iov = { (void *)0x10000, 0x1000 };
	struct io_uring_rsrc_register all = { .nr = 4,
		.flags = IORING_RSRC_REGISTER_SPARSE };
	struct io_uring_rsrc_update2 one = {
		.offset = 3, .data = (uintptr_t)&iov, .nr = 1
	};
	struct torc_ring *ring = &f->ring;

	assert_int_equal(
		torc__soft_register(ring, IORING_REGISTER_BUFFERS_UPDATE, &one,
			sizeof(one)),
		-ENXIO);
	assert_int_equal(torc__soft_register(ring, IORING_REGISTER_BUFFERS2,
				 &all, sizeof(all)),
		0);
	assert_int_equal(
		torc__soft_register(ring, IORING_REGISTER_BUFFERS, &iov, 1),
		-EBUSY);
	assert_int_equal(check_fixed(f, 3, 0x10000, 1), -EFAULT);
	assert_int_equal(
		torc__soft_register(ring, IORING_REGISTER_BUFFERS_UPDATE, &one,
			sizeof(one)),
		1);
	assert_int_equal(check_fixed(f, 3, 0x10000, 1), 0);
	one.offset = 4;
	assert_int_equal(
		torc__soft_register(ring, IORING_REGISTER_BUFFERS_UPDATE, &one,
			sizeof(one)),
		-EINVAL);
}

static void
a_bad_registration_of_memory_is_refused(void **state)
{
	struct fixture *f = *state;
	struct iovec iov = { (void *)0x10000, 0x1000 };
	struct io_uring_rsrc_register all = { .nr = 4, .flags = 1u << 30 };
	struct torc_ring *ring = &f->ring;

	assert_int_equal(
		torc__soft_register(ring, IORING_REGISTER_BUFFERS, &iov, 0),
		-EINVAL);
	assert_int_equal(
		torc__soft_register(ring, IORING_REGISTER_BUFFERS, &iov, 16385),
		-EINVAL);
	assert_int_equal(torc__soft_register(ring, IORING_REGISTER_BUFFERS2,
				 &all, sizeof(all)),
		-EINVAL);
	all.flags = 0;
	assert_int_equal(
		torc__soft_register(ring, IORING_REGISTER_BUFFERS2, &all, 8),
		-EINVAL);
	assert_int_equal(
		torc__soft_register(ring, IORING_UNREGISTER_BUFFERS, NULL, 0),
		-ENXIO);
}

#define WITH_SOFT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOFT(sizes_are_powers_of_two),
		WITH_SOFT(sqes_are_taken_in_order_while_the_indices_wrap),
		WITH_SOFT(a_full_cq_keeps_the_rest_in_order),
		WITH_SOFT(a_new_cqe_does_not_overtake_those_that_wait),
		WITH_SOFT(a_flush_without_room_moves_nothing),
		WITH_SOFT(buffers_are_picked_in_the_order_they_were_given),
		WITH_SOFT(looking_at_a_buffer_does_not_take_it),
		WITH_SOFT(an_empty_group_and_an_unknown_one_have_no_buffers),
		WITH_SOFT(buffers_go_round_past_the_end_of_the_index),
		WITH_SOFT(a_group_that_was_dismissed_begins_anew),
		WITH_SOFT(a_group_is_registered_once),
		WITH_SOFT(there_is_a_limit_to_groups),
		WITH_SOFT(a_bad_registration_is_refused_as_io_uring_does),
		WITH_SOFT(registered_memory_has_two_ends),
		WITH_SOFT(memory_is_registered_once_or_piece_by_piece),
		WITH_SOFT(a_bad_registration_of_memory_is_refused),
	};

	return cmocka_run_group_tests_name("uring/soft", tests, NULL, NULL);
}
