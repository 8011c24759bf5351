/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever the kernel answers to a file operation, and whenever: what
 *         was done is told, what was not is continued once, and a descriptor
 *         is closed exactly once, after the last answer.
 * Method  The fake engine: the test is the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <torc/core/io/file.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"

static char memory[4096];

static void
answer(struct fake_shard *f, uint8_t opcode, uint32_t nth, int32_t res)
{
	struct torc_ring *ring = &f->shard.ring;

	/* The first read of all is the doorbell's. */
	nth += opcode == IORING_OP_READ;
	fake_complete(ring, fake_index(ring, opcode, nth), res, 0);
	fake_shard_turn(f, 2);
	f->fake->keeps_cancels = false;
}

static uint32_t
count_of(struct fake_shard *f, uint8_t opcode)
{
	return fake_count(&f->shard.ring, opcode);
}

static const struct io_uring_sqe *
last_of(struct fake_shard *f, uint8_t opcode)
{
	return fake_last(&f->shard.ring, opcode);
}

/* The kernel gives it a real descriptor, so that a leak shows. */
static struct torc_file *
opened(struct fake_shard *f, int flags)
{
	struct torc_file *file = NULL;
	struct torc_file_op op;

	torc_file_open_start(&file, "name", flags, 0600, &op);
	fake_shard_turn(f, 1);
	answer(f, IORING_OP_OPENAT, count_of(f, IORING_OP_OPENAT) - 1,
		open("/dev/null", O_RDWR | O_CLOEXEC));
	assert_int_equal(op.done.value, 0);
	return file;
}

struct fixture {
	struct fake_shard shard;
	struct torc_file *file;
	struct torc_file_op op;
};

static int
set_up(void **state)
{
	static struct fixture fixture;

	fake_shard_open(&fixture.shard);
	fixture.file = opened(&fixture.shard, O_RDWR);
	*state = &fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	torc_file_close(f->file);
	fake_shard_close(&f->shard);
	return 0;
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* The kernel has it, and keeps the cancel to itself. */
static void
cancel_in_flight(struct fixture *f)
{
	f->shard.fake->keeps_cancels = true;
	fake_shard_turn(&f->shard, 1);
	torc_future_cancel(&f->op.done);
}

static void
an_open_names_its_path_and_closes_on_exec(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = opened(f, O_RDWR | O_CREAT);
	const struct io_uring_sqe *sqe = last_of(f, IORING_OP_OPENAT);

	assert_int_equal(sqe->fd, AT_FDCWD);
	assert_string_equal((const char *)(uintptr_t)sqe->addr, "name");
	assert_int_equal(
		sqe->open_flags, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK);
	assert_int_equal(sqe->len, 0600);

	torc_file_close(file);
}

static void
a_refused_open_sets_nothing_and_leaves_nothing(void **state)
{
	struct torc_file *file = (struct torc_file *)memory;
	struct fake_shard *f = *state;
	struct torc_file_op op;

	torc_file_open_start(&file, "name", O_RDONLY, 0, &op);
	fake_shard_turn(f, 1);
	answer(f, IORING_OP_OPENAT, 0, -EMFILE);

	assert_int_equal(op.done.value, -EMFILE);
	assert_ptr_equal(file, memory);
	assert_true(f->shard.resources.next == &f->shard.resources);
}

static void
an_open_that_a_lease_holds_up_waits_for_it(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = NULL;
	struct torc_file_op op;

	torc_file_open_start(&file, "name", O_RDONLY, 0, &op);
	fake_shard_turn(f, 1);
	answer(f, IORING_OP_OPENAT, 0, -EAGAIN);
	assert_false(torc_future_is_ready(&op.done));
	assert_int_equal(
		last_of(f, IORING_OP_OPENAT)->open_flags, O_RDONLY | O_CLOEXEC);
	answer(f, IORING_OP_OPENAT, 1, open("/dev/null", O_RDONLY | O_CLOEXEC));

	assert_int_equal(op.done.value, 0);
	torc_file_close(file);
}

static void
an_open_without_waiting_tells_of_a_lease(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = NULL;
	struct torc_file_op op;

	torc_file_open_start(&file, "name", O_RDONLY | O_NONBLOCK, 0, &op);
	fake_shard_turn(f, 1);
	answer(f, IORING_OP_OPENAT, 0, -EAGAIN);

	assert_int_equal(op.done.value, -EAGAIN);
	assert_int_equal(count_of(f, IORING_OP_OPENAT), 1);
}

static void
an_open_that_beat_its_cancel_is_a_success(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = NULL;
	struct torc_file_op op;

	f->fake->keeps_cancels = true;
	torc_file_open_start(&file, "name", O_RDONLY, 0, &op);
	fake_shard_turn(f, 1);
	torc_future_cancel(&op.done);
	fake_shard_turn(f, 1);
	assert_false(torc_future_is_ready(&op.done));
	answer(f, IORING_OP_OPENAT, 0, open("/dev/null", O_RDONLY | O_CLOEXEC));

	assert_int_equal(op.done.value, 0);
	assert_non_null(file);
	torc_file_close(file);
}

static void
an_open_that_nobody_can_take_is_closed(void **state)
{
	struct fake_shard *f = *state;
	struct torc_resource *resource;
	struct torc_file *file = NULL;
	int fds = fds_open();
	struct torc_file_op op;

	f->fake->keeps_cancels = true;
	torc_file_open_start(&file, "name", O_RDONLY, 0, &op);
	fake_shard_turn(f, 1);
	/* As the runtime's end does, again and again. */
	resource = torc__container_of(
		f->shard.resources.next, struct torc_resource, link);
	resource->close(resource);
	resource->close(resource);
	answer(f, IORING_OP_OPENAT, 0, open("/dev/null", O_RDONLY | O_CLOEXEC));

	assert_int_equal(op.done.value, -ECANCELED);
	assert_null(file);
	assert_int_equal(fds_open(), fds);
}

static void
a_short_write_goes_on_where_it_stopped(void **state)
{
	struct fixture *f = *state;
	const struct io_uring_sqe *sqe;

	torc_file_pwrite_all_start(f->file, memory, 1000, 5000, &f->op);
	fake_shard_turn(&f->shard, 1);
	answer(&f->shard, IORING_OP_WRITE, 0, 300);
	sqe = last_of(&f->shard, IORING_OP_WRITE);
	assert_ptr_equal((void *)(uintptr_t)sqe->addr, memory + 300);
	assert_int_equal(sqe->len, 700);
	assert_int_equal(sqe->off, 5300);
	answer(&f->shard, IORING_OP_WRITE, 1, 700);

	assert_int_equal(f->op.done.value, 1000);
	assert_int_equal(count_of(&f->shard, IORING_OP_WRITE), 2);
}

static void
a_plain_write_tells_a_short_one(void **state)
{
	struct fixture *f = *state;

	torc_file_pwrite_start(f->file, memory, 1000, 0, &f->op);
	fake_shard_turn(&f->shard, 1);
	answer(&f->shard, IORING_OP_WRITE, 0, 300);

	assert_int_equal(f->op.done.value, 300);
	assert_int_equal(f->op.done_bytes, 300);
}

static void
an_error_after_a_part_tells_the_part(void **state)
{
	struct fixture *f = *state;

	torc_file_write_all_start(f->file, memory, 1000, &f->op);
	fake_shard_turn(&f->shard, 1);
	answer(&f->shard, IORING_OP_WRITE, 0, 300);
	answer(&f->shard, IORING_OP_WRITE, 1, -ENOSPC);

	assert_int_equal(f->op.done.value, -ENOSPC);
	assert_int_equal(f->op.done_bytes, 300);
	assert_int_equal(torc_file_position(f->file), 300);
}

static void
a_write_of_nothing_does_not_go_on_for_ever(void **state)
{
	struct fixture *f = *state;

	torc_file_pwrite_all_start(f->file, memory, 10, 0, &f->op);
	fake_shard_turn(&f->shard, 1);
	answer(&f->shard, IORING_OP_WRITE, 0, 0);

	assert_int_equal(f->op.done.value, -EIO);
}

static void
an_exact_read_ends_at_the_end_of_the_file(void **state)
{
	struct fixture *f = *state;

	torc_file_pread_exact_start(f->file, memory, 100, 7, &f->op);
	fake_shard_turn(&f->shard, 1);
	answer(&f->shard, IORING_OP_READ, 0, 60);
	assert_int_equal(last_of(&f->shard, IORING_OP_READ)->off, 67);
	answer(&f->shard, IORING_OP_READ, 1, 0);

	assert_int_equal(f->op.done.value, 60);
}

static void
a_signal_that_was_no_cancel_is_not_seen(void **state)
{
	struct fixture *f = *state;

	torc_file_pread_start(f->file, memory, 100, 7, &f->op);
	fake_shard_turn(&f->shard, 1);
	answer(&f->shard, IORING_OP_READ, 0, -EINTR);
	assert_false(torc_future_is_ready(&f->op.done));
	assert_int_equal(last_of(&f->shard, IORING_OP_READ)->off, 7);
	answer(&f->shard, IORING_OP_READ, 1, 100);

	assert_int_equal(f->op.done.value, 100);
}

static void
a_signal_that_was_a_cancel_is_one(void **state)
{
	struct fixture *f = *state;

	torc_file_pread_start(f->file, memory, 100, 7, &f->op);
	cancel_in_flight(f);
	answer(&f->shard, IORING_OP_READ, 0, -EINTR);

	assert_int_equal(f->op.done.value, -ECANCELED);
	assert_int_equal(f->op.done_bytes, 0);
	assert_int_equal(count_of(&f->shard, IORING_OP_READ), 2);
}

static void
a_cancel_between_two_parts_tells_the_first(void **state)
{
	struct fixture *f = *state;

	torc_file_pwrite_all_start(f->file, memory, 100, 0, &f->op);
	cancel_in_flight(f);
	answer(&f->shard, IORING_OP_WRITE, 0, 40);

	assert_int_equal(f->op.done.value, -ECANCELED);
	assert_int_equal(f->op.done_bytes, 40);
	assert_int_equal(count_of(&f->shard, IORING_OP_WRITE), 1);
}

static void
a_success_that_beat_its_cancel_is_told(void **state)
{
	struct fixture *f = *state;

	torc_file_pwrite_all_start(f->file, memory, 100, 0, &f->op);
	cancel_in_flight(f);
	answer(&f->shard, IORING_OP_WRITE, 0, 100);

	assert_int_equal(f->op.done.value, 100);
}

/* ---- what is only started ---- */

static const struct iovec pieces[2];
static struct torc_stat looked_at;

static void
start_write(struct fixture *f)
{
	torc_file_write_start(f->file, memory, 10, &f->op);
}

static void
start_preadv(struct fixture *f)
{
	torc_file_preadv_start(f->file, pieces, 2, 77, &f->op);
}

static void
start_pwritev(struct fixture *f)
{
	torc_file_pwritev_start(f->file, pieces, 2, 77, &f->op);
}

static void
start_sync(struct fixture *f)
{
	torc_file_sync_start(f->file, &f->op);
}

static void
start_datasync(struct fixture *f)
{
	torc_file_datasync_start(f->file, &f->op);
}

static void
start_stat(struct fixture *f)
{
	torc_file_stat_start(f->file, &looked_at, &f->op);
}

static const struct start {
	void (*fn)(struct fixture *f);
	uint8_t opcode;
	uint32_t flags; /* its own, whatever they are called */
	uint64_t off;
	const void *memory; /* NULL, and 0: whatever it is */
	uint32_t len;
} starts[] = {
	{ start_write, IORING_OP_WRITE, 0, 0, memory, 10 },
	{ start_preadv, IORING_OP_READV, 0, 77, pieces, 2 },
	{ start_pwritev, IORING_OP_WRITEV, 0, 77, pieces, 2 },
	{ start_sync, IORING_OP_FSYNC, 0, 0, NULL, 0 },
	{ start_datasync, IORING_OP_FSYNC, IORING_FSYNC_DATASYNC, 0, NULL, 0 },
	{ start_stat, IORING_OP_STATX, AT_EMPTY_PATH,
		(uintptr_t)looked_at._kernel, NULL, 0 },
};

static void
answer_last(struct fixture *f, const struct start *start, int32_t res)
{
	answer(&f->shard, start->opcode, count_of(&f->shard, start->opcode) - 1,
		res);
}

static void
a_start_asks_for_what_its_call_asks_for(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const struct start *start = starts + i;
		const struct io_uring_sqe *sqe;

		start->fn(f);
		fake_shard_turn(&f->shard, 1);
		assert_false(torc_future_is_ready(&f->op.done));
		sqe = last_of(&f->shard, start->opcode);
		assert_int_equal(sqe->fsync_flags, start->flags);
		assert_int_equal(sqe->off, start->off);
		if (start->memory != NULL)
			assert_ptr_equal(
				(void *)(uintptr_t)sqe->addr, start->memory);
		if (start->len != 0)
			assert_int_equal(sqe->len, start->len);
		answer_last(f, start, 0);
		assert_int_equal(f->op.done.value, 0);
	}
}

static void
a_start_is_cancelled_or_has_succeeded(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const struct start *start = starts + i;

		start->fn(f);
		cancel_in_flight(f);
		answer_last(f, start, -ECANCELED);
		assert_int_equal(f->op.done.value, -ECANCELED);
		start->fn(f);
		cancel_in_flight(f);
		answer_last(f, start, 0);
		assert_int_equal(f->op.done.value, 0);
	}
}

static void
a_close_waits_for_the_last_answer(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = opened(f, O_RDWR);
	int fds = fds_open();
	struct torc_file_op read, write;

	f->fake->keeps_cancels = true;
	torc_file_pread_start(file, memory, 100, 0, &read);
	torc_file_pwrite_all_start(file, memory + 100, 100, 0, &write);
	fake_shard_turn(f, 1);
	torc_file_close(file);
	fake_shard_turn(f, 1);
	assert_int_equal(count_of(f, IORING_OP_ASYNC_CANCEL), 2);
	answer(f, IORING_OP_READ, 0, 100);
	assert_int_equal(read.done.value, 100);
	assert_int_equal(fds_open(), fds);
	/* Not continued: the file is going. */
	answer(f, IORING_OP_WRITE, 0, 30);

	assert_int_equal(write.done.value, -ECANCELED);
	assert_int_equal(write.done_bytes, 30);
	assert_int_equal(fds_open(), fds - 1);
}

static void
more_than_one_operation_takes_is_cut(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = opened(f, O_RDWR);
	uint64_t bytes = UINT64_C(5) << 30;
	struct torc_file_op op;

	torc_file_pread_exact_start(file, memory, bytes, 0, &op);
	fake_shard_turn(f, 1);
	assert_int_equal(last_of(f, IORING_OP_READ)->len, 0x7ffff000);
	answer(f, IORING_OP_READ, 0, 0x7ffff000);
	answer(f, IORING_OP_READ, 1, 0x7ffff000);
	assert_int_equal(last_of(f, IORING_OP_READ)->off, 0xffffe000);
	answer(f, IORING_OP_READ, 2, 0x40002000);

	assert_int_equal(op.done.value, bytes);
	torc_file_close(file);
}

static int
read_twice_at_the_position(void)
{
	struct torc_file_op first, second;
	struct fake_shard f;
	struct torc_file *file;

	fake_shard_open(&f);
	file = opened(&f, O_RDONLY);
	torc_file_read_start(file, memory, 1, &first);
	torc_file_read_start(file, memory, 1, &second);
	return 0;
}

static int
open_outside_a_shard(void)
{
	struct torc_file *file;
	struct torc_file_op op;

	torc_file_open_start(&file, "/dev/null", O_RDONLY, 0, &op);
	return 0;
}

static int
read_on_another_shard(void)
{
	static struct fake_shard f, other;
	struct torc_file_op op;
	struct torc_file *file;

	fake_shard_open(&f);
	file = opened(&f, O_RDONLY);
	torc__shard = NULL;
	fake_shard_open(&other);
	other.shard.index = 1;
	torc_file_pread_start(file, memory, 1, 0, &op);
	return 0;
}

static int
read_after_close(void)
{
	static struct fake_shard f;
	struct torc_file_op op, late;
	struct torc_file *file;

	fake_shard_open(&f);
	file = opened(&f, O_RDONLY);
	torc_file_pread_start(file, memory, 1, 0, &op);
	torc_file_close(file);
	torc_file_pread_start(file, memory, 1, 0, &late);
	return 0;
}

static void
a_mistake_is_named(void **state)
{
	static const struct mistake_row mistakes[] = {
		{ read_twice_at_the_position, "two calls at a time" },
		{ open_outside_a_shard, "outside a task" },
		{ read_on_another_shard,
			"a file of shard 0 is used on shard 1" },
		{ read_after_close, "a file is used after its close" },
	};

	(void)state;
	assert_mistakes(mistakes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(an_open_names_its_path_and_closes_on_exec),
		WITH_SHARD(a_refused_open_sets_nothing_and_leaves_nothing),
		WITH_SHARD(an_open_that_a_lease_holds_up_waits_for_it),
		WITH_SHARD(an_open_without_waiting_tells_of_a_lease),
		WITH_SHARD(an_open_that_beat_its_cancel_is_a_success),
		WITH_SHARD(an_open_that_nobody_can_take_is_closed),
		WITH_FILE(a_short_write_goes_on_where_it_stopped),
		WITH_FILE(a_plain_write_tells_a_short_one),
		WITH_FILE(an_error_after_a_part_tells_the_part),
		WITH_FILE(a_write_of_nothing_does_not_go_on_for_ever),
		WITH_FILE(an_exact_read_ends_at_the_end_of_the_file),
		WITH_FILE(a_signal_that_was_no_cancel_is_not_seen),
		WITH_FILE(a_signal_that_was_a_cancel_is_one),
		WITH_FILE(a_cancel_between_two_parts_tells_the_first),
		WITH_FILE(a_success_that_beat_its_cancel_is_told),
		WITH_FILE(a_start_asks_for_what_its_call_asks_for),
		WITH_FILE(a_start_is_cancelled_or_has_succeeded),
		WITH_SHARD(a_close_waits_for_the_last_answer),
		WITH_SHARD(more_than_one_operation_takes_is_cut),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name(
		"core/io/file_ops", tests, NULL, NULL);
}
