/* SPDX-License-Identifier: MIT */
/*
 * Goal    Every buffer has one owner at any time; there are as many as are
 *         needed, up to the limit; beyond it readers wait in order, and none
 *         waits while there is a buffer.
 * Method  No kernel: the test picks posted buffers in order, as it would.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fake_engine.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include "uring/buffers_priv.h"
#include <torc/base/log.h>

#define BUF_BYTES 16384
#define READERS 40

struct reader {
	struct torc_parked parked;
	unsigned resumed_at; /* 1 for the first that was */
};

struct fixture {
	struct torc_ring ring;
	struct torc_region region;
	struct torc_buffers pool;
	uint16_t head; /* the kernel's */
	struct reader readers[READERS];
	unsigned resumed_count;
};

static struct fixture fixture;

static void
resumed(struct torc_parked *parked)
{
	struct reader *r = torc__container_of(parked, struct reader, parked);

	assert_false(torc__list_is_linked(&parked->link));
	r->resumed_at = ++fixture.resumed_count;
}

static void
open_pool(struct fixture *f, uint32_t slab, uint32_t posted, uint32_t max)
{
	struct torc_buffers_options options = { .buf_bytes = BUF_BYTES,
		.slab_count = slab,
		.posted_max = posted,
		.count_max = max };

	assert_int_equal(
		torc__buffers_open(&f->pool, &f->ring, &f->region, &options),
		0);
}

static int
set_up(void **state)
{
	struct torc_ring_options options = { .sq_entries = 8,
		.cq_entries = 16 };

	memset(&fixture, 0, sizeof(fixture));
	for (unsigned i = 0; i < READERS; i++)
		fixture.readers[i].parked.resume = resumed;
	*state = &fixture;
	torc_log_level_set(TORC_LOG_ERROR);
	assert_int_equal(
		torc__ring_open(&fixture.ring, &fake_engine, &options), 0);
	return torc__region_map(&fixture.region, TORC__REGION_BYTES);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->pool.taken_count, 0);
	assert_int_equal(
		f->pool.posted_count + f->pool.spare_count, f->pool.count);
	torc__buffers_close(&f->pool);
	torc__ring_close(&f->ring);
	torc__region_unmap(&f->region);
	return 0;
}

/* The kernel picks the next buffer and a CQE names it; NULL: -ENOBUFS. */
static struct torc_buf *
receive(struct fixture *f)
{
	const struct io_uring_buf *slot =
		&f->pool.posted->bufs[f->head % TORC__BUFFERS_ENTRIES];
	uint64_t addr = slot->addr;
	struct torc_buf *buf;

	if (f->head == f->pool.posted->tail)
		return NULL;
	assert_int_equal(slot->len, BUF_BYTES);
	f->head++;
	buf = torc__buffers_take(&f->pool,
		(uint32_t)slot->bid << IORING_CQE_BUFFER_SHIFT |
			IORING_CQE_F_BUFFER,
		100, f);
	assert_int_equal(addr, (uintptr_t)buf->data);
	return buf;
}

static unsigned
receive_all(struct fixture *f, struct torc_buf *bufs[])
{
	unsigned count = 0;

	while ((bufs[count] = receive(f)) != NULL)
		count++;
	return count;
}

static void
put_all(struct torc_buf *bufs[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		torc__buffers_put(bufs[i]);
}

static void
a_pool_begins_with_its_posted_buffers(void **state)
{
	struct fixture *f = *state;

	open_pool(f, 16, 8, 64);

	assert_int_equal(f->pool.posted_count, 8);
	assert_int_equal(f->pool.posted->tail, 8);
	assert_int_equal(f->pool.count, 16);
	for (unsigned i = 0; i < 8; i++) {
		uint8_t *data =
			(uint8_t *)(uintptr_t)f->pool.posted->bufs[i].addr;

		assert_true(
			data >= f->region.base &&
			data + BUF_BYTES <= f->region.base + f->region.bytes);
	}
}

static void
a_buffer_taken_is_the_holders_until_it_is_put(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *buf;

	open_pool(f, 16, 8, 64);
	buf = receive(f);

	assert_true(buf->is_taken);
	assert_int_equal(buf->bytes, 100);
	assert_ptr_equal(buf->holder, f);
	assert_ptr_equal(torc__buf_of_notes(buf->notes), buf);
	assert_int_equal(f->pool.taken_count, 1);
	torc__buffers_put(buf);
	assert_false(buf->is_taken);
}

/* A child inherits no region. */
static void
open_in_child(void)
{
	if (torc__region_map(&fixture.region, TORC__REGION_BYTES) < 0)
		_exit(1);
	open_pool(&fixture, 16, 8, 64);
}

static int
put_twice(void)
{
	struct torc_buf *buf;

	open_in_child();
	buf = receive(&fixture);
	torc__buffers_put(buf);
	torc__buffers_put(buf);
	return 0;
}

static int
take_twice(void)
{
	uint32_t flags = IORING_CQE_F_BUFFER;

	open_in_child();
	torc__buffers_take(&fixture.pool, flags, 1, NULL);
	torc__buffers_take(&fixture.pool, flags, 1, NULL);
	return 0;
}

static void
two_owners_end_the_process(void **state)
{
	struct fixture *f = *state;

	open_pool(f, 16, 8, 64);
	assert_says(last_words(put_twice), "is_taken");
	assert_says(last_words(take_twice), "is_taken");
}

static void
the_pool_grows_as_needed_up_to_its_limit(void **state)
{
	enum { LIMIT = 100 }; /* not a multiple of the slab */
	struct fixture *f = *state;
	struct torc_buf *bufs[LIMIT + 1];
	bool seen[LIMIT] = { false };

	open_pool(f, 16, 8, LIMIT);
	assert_int_equal(receive_all(f, bufs), LIMIT);

	assert_int_equal(f->pool.count, LIMIT);
	for (unsigned i = 0; i < LIMIT; i++) {
		assert_false(seen[bufs[i]->id]);
		seen[bufs[i]->id] = true;
		memset(bufs[i]->data, (int)i, BUF_BYTES);
	}
	for (unsigned i = 0; i < LIMIT; i++) {
		assert_int_equal(bufs[i]->data[0], i);
		assert_int_equal(bufs[i]->data[BUF_BYTES - 1], i);
	}
	put_all(bufs, LIMIT);
}

static void
a_slow_load_needs_no_more_than_the_first_slab(void **state)
{
	struct fixture *f = *state;

	open_pool(f, 16, 8, 64);
	for (unsigned i = 0; i < 100000; i++)
		torc__buffers_put(receive(f));

	assert_int_equal(f->pool.count, 16);
	assert_int_equal(f->pool.posted_count, 8);
}

/* A pool whose buffers, as many as it may have, are all taken. */
static unsigned
open_exhausted(struct fixture *f, unsigned count_max, struct torc_buf **bufs)
{
	open_pool(f, 16, 8, count_max);
	return receive_all(f, bufs);
}

static void
the_kernel_never_holds_more_than_posted_max(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *bufs[65];
	unsigned count;

	count = open_exhausted(f, 64, bufs);
	put_all(bufs, count);

	assert_int_equal(count, 64);
	assert_int_equal(f->pool.posted_count, 8);
	assert_int_equal((uint16_t)(f->pool.posted->tail - f->head), 8);
}

static void
neighbours_begin_in_different_cache_sets(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *bufs[65];
	unsigned count, used_count = 0;
	bool used[64] = { false }; /* sets of a 4 KiB way */

	count = open_exhausted(f, 64, bufs);
	for (unsigned i = 0; i < 16; i++) {
		unsigned set = (uintptr_t)bufs[i]->data / 64 % 64;

		used_count += !used[set];
		used[set] = true;
		assert_int_equal((uintptr_t)bufs[i]->data % 64, 0);
	}

	assert_int_equal(used_count, 16);
	put_all(bufs, count);
}

/* ---- readers that wait ---- */

static void
park(struct fixture *f, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		torc__buffers_park(&f->pool, &f->readers[i].parked);
}

static void
parked_readers_go_on_in_order_one_per_buffer(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *bufs[65];
	unsigned count;

	count = open_exhausted(f, 16, bufs);
	park(f, 0, 5);
	torc__buffers_resume(&f->pool);
	assert_int_equal(f->resumed_count, 0);

	for (unsigned i = 0; i < 5; i++) {
		torc__buffers_put(bufs[i]);
		torc__buffers_resume(&f->pool);
		assert_int_equal(f->resumed_count, i + 1);
		assert_int_equal(f->readers[i].resumed_at, i + 1);
		/* Which takes its buffer, in the turn's enter. */
		bufs[i] = receive(f);
	}

	assert_false(torc__buffers_can_resume(&f->pool));
	assert_int_equal(f->pool.exhausted_count, 5);
	put_all(bufs, count);
}

static void
several_buffers_in_a_turn_resume_as_many_readers(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *bufs[65];
	unsigned count;

	count = open_exhausted(f, 16, bufs);
	park(f, 0, 5);
	put_all(bufs, 3);
	torc__buffers_resume(&f->pool);

	assert_int_equal(f->resumed_count, 3);
	put_all(bufs + 3, count - 3);
	torc__buffers_resume(&f->pool);
	assert_int_equal(f->resumed_count, 5);
}

/* Nothing was sent to those that are resumed: no buffer is taken or put. */
static void
no_reader_waits_while_the_kernel_has_a_buffer(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *bufs[65];
	unsigned count, turns = 0;

	count = open_exhausted(f, 16, bufs);
	park(f, 0, READERS);
	put_all(bufs, count);
	for (; torc__buffers_can_resume(&f->pool); turns++)
		torc__buffers_resume(&f->pool);

	assert_int_equal(f->resumed_count, READERS);
	assert_int_equal(turns, READERS / 8);
}

static void
a_reader_that_parks_too_late_is_not_forgotten(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *bufs[65];
	unsigned count;

	count = open_exhausted(f, 16, bufs);
	put_all(bufs, count);
	/* Its -ENOBUFS is older than the buffers. */
	park(f, 0, 1);
	assert_true(torc__buffers_can_resume(&f->pool));
	torc__buffers_resume(&f->pool);

	assert_int_equal(f->resumed_count, 1);
}

static void
a_reader_that_parks_makes_the_pool_grow(void **state)
{
	struct fixture *f = *state;
	struct torc_buf *bufs[65];
	unsigned count = 0;

	open_pool(f, 16, 8, 64);
	for (; count < 16; count++)
		bufs[count] = receive(f);
	park(f, 0, 1);
	torc__buffers_resume(&f->pool);

	assert_int_equal(f->resumed_count, 1);
	assert_true(f->pool.count > 16);
	put_all(bufs, count);
}

/* ---- giving memory back ---- */

static void
a_trim_takes_the_memory_of_spare_buffers_only(void **state)
{
	enum { LIMIT = 300, HELD = 20 };
	struct fixture *f = *state;
	struct torc_buf *bufs[LIMIT + 1];
	unsigned gone_count = 0;

	open_pool(f, 100, 50, LIMIT);
	assert_int_equal(receive_all(f, bufs), LIMIT);
	for (unsigned i = 0; i < LIMIT; i++)
		memset(bufs[i]->data, 0xaa, BUF_BYTES);
	put_all(bufs + HELD, LIMIT - HELD);
	torc__buffers_trim(&f->pool);

	for (unsigned i = 0; i < HELD; i++) {
		for (unsigned k = 0; k < BUF_BYTES; k++)
			assert_int_equal(bufs[i]->data[k], 0xaa);
	}
	for (unsigned i = HELD; i < LIMIT; i++)
		gone_count += bufs[i]->data[BUF_BYTES / 2] == 0;
	/* 50 are posted, and 1 MiB of spare ones stay: 63. */
	assert_in_range(gone_count, 1, LIMIT - HELD - 50 - 63);
	assert_true(gone_count > 150);
	put_all(bufs, HELD);
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_POOL(a_pool_begins_with_its_posted_buffers),
		WITH_POOL(a_buffer_taken_is_the_holders_until_it_is_put),
		WITH_POOL(two_owners_end_the_process),
		WITH_POOL(the_pool_grows_as_needed_up_to_its_limit),
		WITH_POOL(a_slow_load_needs_no_more_than_the_first_slab),
		WITH_POOL(the_kernel_never_holds_more_than_posted_max),
		WITH_POOL(neighbours_begin_in_different_cache_sets),
		WITH_POOL(parked_readers_go_on_in_order_one_per_buffer),
		WITH_POOL(several_buffers_in_a_turn_resume_as_many_readers),
		WITH_POOL(no_reader_waits_while_the_kernel_has_a_buffer),
		WITH_POOL(a_reader_that_parks_too_late_is_not_forgotten),
		WITH_POOL(a_reader_that_parks_makes_the_pool_grow),
		WITH_POOL(a_trim_takes_the_memory_of_spare_buffers_only),
	};

	return cmocka_run_group_tests_name("uring/buffers", tests, NULL, NULL);
}
