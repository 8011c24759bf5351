/* SPDX-License-Identifier: MIT */
/* Files: reads and writes at an offset, their length, and what syncs them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define FAR (UINT64_C(5) << 30)

static void
what_is_written_is_read(struct contract *c)
{
	int fd = open_new(c, "file");

	start_write_at(c, 1, fd, "hello", 5, 0);
	expect(c, 1, RES(5));
	require_file(c, fd, 0, "hello");
	require_file(c, fd, 3, "lo");
}

static void
a_write_in_the_middle_leaves_the_rest(struct contract *c)
{
	int fd = open_text(c, "file", "abcdef");

	start_write_at(c, 1, fd, "XY", 2, 2);
	expect(c, 1, RES(2));
	require_file(c, fd, 0, "abXYef");
}

static void
an_end_of_a_file_is_zero(struct contract *c)
{
	int fd = open_text(c, "file", "abc");

	start_read_at(c, 1, fd, memory(c, 8), 8, 3);
	expect(c, 1, RES(0));
	start_read_at(c, 2, fd, memory(c, 8), 8, 4711);
	expect(c, 2, RES(0));
}

static void
a_read_of_nothing_is_zero(struct contract *c)
{
	int fd = open_text(c, "file", "abc");

	start_read_at(c, 1, fd, memory(c, 8), 0, 0);
	expect(c, 1, RES(0));
	start_write_at(c, 2, fd, memory(c, 8), 0, 9);
	expect(c, 2, RES(0));
	require_file(c, fd, 0, "abc");
}

static void
a_hole_reads_as_zeros(struct contract *c)
{
	int fd = open_text(c, "file", "abc");
	uint8_t *got = memory(c, 10001);

	start_write_at(c, 1, fd, "x", 1, 10000);
	expect(c, 1, RES(1));
	start_read_at(c, 2, fd, got, 10001, 0);
	expect(c, 2, RES(10001));
	require(c, memcmp(got, "abc", 3) == 0 && got[10000] == 'x');
	for (unsigned i = 3; i < 10000; i++)
		require(c, got[i] == 0);
}

static void
an_offset_may_be_beyond_4_gib(struct contract *c)
{
	int fd = open_new(c, "file");

	start_write_at(c, 1, fd, "far", 3, FAR);
	expect(c, 1, RES(3));
	require_file(c, fd, FAR, "far");
	start_read_at(c, 2, fd, memory(c, 8), 1, FAR & UINT32_MAX);
	expect(c, 2, RES(1));
}

static void
an_offset_below_zero_is_invalid(struct contract *c)
{
	int fd = open_text(c, "file", "abc");

	start_read_at(c, 1, fd, memory(c, 8), 8, (uint64_t)-2);
	expect(c, 1, RES(-EINVAL));
	start_write_at(c, 2, fd, "x", 1, (uint64_t)-2);
	expect(c, 2, RES(-EINVAL), RES(-EOVERFLOW));
}

static void
without_an_offset_the_position_moves(struct contract *c)
{
	int fd = open_new(c, "file");

	start_write_at(c, 1, fd, "ab", 2, AT_POSITION);
	expect(c, 1, RES(2));
	start_write_at(c, 2, fd, "cd", 2, AT_POSITION);
	expect(c, 2, RES(2));
	require_file(c, fd, 0, "abcd");
	/* With one it stays. */
	start_write_at(c, 3, fd, "ef", 2, AT_POSITION);
	expect(c, 3, RES(2));
	require_file(c, fd, 0, "abcdef");
	start_read_at(c, 4, fd, memory(c, 8), 8, AT_POSITION);
	expect(c, 4, RES(0));
}

static void
what_is_opened_to_append_grows_at_its_end(struct contract *c)
{
	int fd;

	open_text(c, "file", "abc");
	fd = open_path(c, "file", O_RDWR | O_APPEND);
	start_write_at(c, 1, fd, "de", 2, 0);
	expect(c, 1, RES(2));
	require_file(c, fd, 0, "abcde");
}

/* ---- opening ---- */

static void
a_file_that_is_missing_is_told(struct contract *c)
{
	start_open(c, 1, path_of(c, "none"), O_RDONLY);
	expect(c, 1, RES(-ENOENT));
	start_open(c, 2, path_of(c, "none/none"), O_RDWR | O_CREAT);
	expect(c, 2, RES(-ENOENT));
	start_open(c, 3, "", O_RDONLY);
	expect(c, 3, RES(-ENOENT));
}

static void
what_must_be_new_is_new(struct contract *c)
{
	open_text(c, "file", "abc");
	start_open(c, 1, path_of(c, "file"), O_RDWR | O_CREAT | O_EXCL);
	expect(c, 1, RES(-EEXIST));
	require_file(c, open_path(c, "file", O_RDWR | O_CREAT), 0, "abc");
}

static void
a_file_may_be_emptied_when_opened(struct contract *c)
{
	open_text(c, "file", "abc");
	require_file(c, open_path(c, "file", O_RDWR | O_TRUNC), 0, "");
}

static void
a_folder_is_no_file(struct contract *c)
{
	int fd;

	make_dir(c, "folder");
	start_open(c, 1, path_of(c, "folder"), O_RDWR);
	expect(c, 1, RES(-EISDIR));
	fd = open_path(c, "folder", O_RDONLY | O_DIRECTORY);
	start_read_at(c, 2, fd, memory(c, 8), 8, 0);
	expect(c, 2, RES(-EISDIR));
	open_text(c, "file", "abc");
	start_open(c, 3, path_of(c, "file"), O_RDONLY | O_DIRECTORY);
	expect(c, 3, RES(-ENOTDIR));
	start_open(c, 4, path_of(c, "file/more"), O_RDONLY);
	expect(c, 4, RES(-ENOTDIR));
}

static void
a_name_may_be_too_long(struct contract *c)
{
	char *name = memory(c, 300);

	memset(name, 'n', 256);
	start_open(c, 1, path_of(c, name), O_RDWR | O_CREAT);
	expect(c, 1, RES(-ENAMETOOLONG));
	name[255] = '\0';
	open_new(c, name);
}

/* What only reads does not write, and the other way round. */
static void
a_file_is_used_as_it_was_opened(struct contract *c)
{
	int fd;

	open_text(c, "file", "abc");
	fd = open_path(c, "file", O_RDONLY);
	start_write_at(c, 1, fd, "x", 1, 0);
	expect(c, 1, RES(-EBADF));
	fd = open_path(c, "file", O_WRONLY);
	start_read_at(c, 2, fd, memory(c, 8), 8, 0);
	expect(c, 2, RES(-EBADF));
}

/* ---- several pieces ---- */

static void
pieces_are_filled_in_order(struct contract *c)
{
	int fd = open_text(c, "file", "abcdefgh");
	char *data = memory(c, 16);
	struct iovec *pieces = memory(c, 4 * sizeof(*pieces));

	pieces[0] = (struct iovec){ data + 8, 3 };
	pieces[1] = (struct iovec){ data, 0 };
	pieces[2] = (struct iovec){ data + 4, 2 };
	pieces[3] = (struct iovec){ data, 2 };
	start_readv(c, 1, fd, pieces, 4, 1);
	expect(c, 1, RES(7));
	require(c, memcmp(data + 8, "bcd", 4) == 0 &&
			   memcmp(data + 4, "ef", 3) == 0 &&
			   memcmp(data, "gh", 3) == 0);
}

static void
pieces_are_written_in_order(struct contract *c)
{
	int fd = open_text(c, "file", "abc");
	struct iovec *pieces = memory(c, 3 * sizeof(*pieces));

	pieces[0] = (struct iovec){ (char *)memory(c, 8), 0 };
	pieces[1] = (struct iovec){ put_text(c, "de"), 2 };
	pieces[2] = (struct iovec){ put_text(c, "fgh"), 3 };
	start_writev(c, 1, fd, pieces, 3, 3);
	expect(c, 1, RES(5));
	require_file(c, fd, 0, "abcdefgh");
	start_readv(c, 2, fd, pieces, 0, 0);
	expect(c, 2, RES(0));
}

/* ---- memory that was registered ---- */

static uint8_t *
register_pages(struct contract *c, size_t bytes)
{
	uint8_t *data = pages(c, bytes);
	struct iovec iov = { data, bytes };

	require_is(c, register_memory(c, IORING_REGISTER_BUFFERS, &iov, 1), 0);
	return data;
}

static void
registered_memory_is_read_into_and_written_from(struct contract *c)
{
	int fd = open_text(c, "file", "abcdef");
	uint8_t *data = register_pages(c, 8192);

	start_read_fixed(c, 1, fd, data + 8186, 6, 0, 0);
	expect(c, 1, RES(6));
	require(c, memcmp(data + 8186, "abcdef", 6) == 0);
	start_write_fixed(c, 2, fd, data + 8188, 4, 6, 0);
	expect(c, 2, RES(4));
	require_file(c, fd, 0, "abcdefcdef");
}

static void
memory_outside_of_what_was_registered_is_refused(struct contract *c)
{
	int fd = open_text(c, "file", "abcdef");
	uint8_t *data = register_pages(c, 8192);

	start_read_fixed(c, 1, fd, data + 8187, 6, 0, 0);
	expect(c, 1, RES(-EFAULT));
	start_write_fixed(c, 2, fd, data - 1, 2, 0, 0);
	expect(c, 2, RES(-EFAULT));
	start_read_fixed(c, 3, fd, data, 6, 0, 1);
	expect(c, 3, RES(-EFAULT));
	require_file(c, fd, 0, "abcdef");
}

static void
memory_that_is_no_longer_registered_is_refused(struct contract *c)
{
	int fd = open_text(c, "file", "abcdef");
	uint8_t *data = register_pages(c, 4096);
	struct iovec iov = { data, 4096 };

	require_is(c, register_memory(c, IORING_REGISTER_BUFFERS, &iov, 1),
		-EBUSY);
	require_is(
		c, register_memory(c, IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
	require_is(c, register_memory(c, IORING_UNREGISTER_BUFFERS, NULL, 0),
		-ENXIO);
	start_read_fixed(c, 1, fd, data, 6, 0, 0);
	expect(c, 1, RES(-EFAULT));
}

static void
memory_may_be_registered_piece_by_piece(struct contract *c)
{
	int fd = open_text(c, "file", "abcdef");
	struct io_uring_rsrc_register all = { .nr = 4,
		.flags = IORING_RSRC_REGISTER_SPARSE };
	struct iovec iov = { pages(c, 4096), 4096 };
	struct io_uring_rsrc_update2 one = {
		.offset = 2, .data = (uintptr_t)&iov, .nr = 1
	};

	require_is(c,
		c->engine->reg(
			&c->ring, IORING_REGISTER_BUFFERS2, &all, sizeof(all)),
		0);
	start_read_fixed(c, 1, fd, iov.iov_base, 6, 0, 2);
	expect(c, 1, RES(-EFAULT));
	require_is(c,
		register_memory(
			c, IORING_REGISTER_BUFFERS_UPDATE, &one, sizeof(one)),
		1);
	start_read_fixed(c, 2, fd, iov.iov_base, 6, 0, 2);
	expect(c, 2, RES(6));
	one.offset = 4;
	require_is(c,
		register_memory(
			c, IORING_REGISTER_BUFFERS_UPDATE, &one, sizeof(one)),
		-EINVAL);
}

/* ---- many at once ---- */

#define MANY 48

static void
read_many(struct contract *c, uint8_t sqe_flags)
{
	uint8_t *data = stream(c, (size_t)MANY * 1000);
	uint8_t *got = memory(c, (size_t)MANY * 1000);
	int fd = open_new(c, "file");

	start_write_at(c, 1, fd, data, (size_t)MANY * 1000, 0);
	expect(c, 1, RES(MANY * 1000));
	for (unsigned i = 0; i < MANY; i++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

		io_uring_prep_read(
			sqe, fd, got + 1000 * i, 1000, 1000 * (uint64_t)i);
		sqe->flags |= sqe_flags;
		submit(c, sqe, 100 + i);
	}
	for (unsigned i = 0; i < MANY; i++)
		expect(c, 100 + i, RES(1000));
	require(c, memcmp(data, got, (size_t)MANY * 1000) == 0);
}

static void
many_reads_at_a_time_each_get_their_own(struct contract *c)
{
	read_many(c, 0);
}

static void
what_is_told_to_use_a_thread_gives_the_same(struct contract *c)
{
	read_many(c, IOSQE_ASYNC);
}

static void
a_close_does_not_touch_what_is_under_way(struct contract *c)
{
	uint8_t *data = stream(c, 100000), *got = memory(c, 100000);
	int fd = open_new(c, "file");

	for (unsigned i = 0; i < 10; i++)
		start_write_at(c, 1 + i, fd, data + 10000 * i, 10000,
			10000 * (uint64_t)i);
	push(c);
	drop(c, fd);
	for (unsigned i = 0; i < 10; i++)
		expect(c, 1 + i, RES(10000));
	fd = open_path(c, "file", O_RDONLY);
	start_read_at(c, 20, fd, got, 100000, 0);
	expect(c, 20, RES(100000));
	require(c, memcmp(data, got, 100000) == 0);
}

/* It had not begun, it had, or it is done. */
static void
a_cancelled_write_is_done_or_was_not_begun(struct contract *c)
{
	struct torc_cqe cqe;
	int fd = open_new(c, "file");

	start_write_at(c, 1, fd, "hello", 5, 0);
	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-EALREADY), RES(-ENOENT));
	cqe = expect(c, 1, RES(5), RES(-ECANCELED), RES(-EINTR));
	if (cqe.res == 5)
		require_file(c, fd, 0, "hello");
}

/* ---- length, and what is on the disk ---- */

static void
a_file_is_cut_and_grows(struct contract *c)
{
	int fd = open_text(c, "file", "abcdef");
	char *got = memory(c, 8);

	start_truncate(c, 1, fd, 3);
	/* Linux has it since 6.9. */
	if (expect(c, 1, RES(0), RES(-EINVAL)).res < 0)
		return;
	require_file(c, fd, 0, "abc");
	start_truncate(c, 2, fd, 6);
	expect(c, 2, RES(0));
	start_read_at(c, 3, fd, got, 8, 0);
	expect(c, 3, RES(6));
	require(c, memcmp(got, "abc\0\0\0", 6) == 0);
	start_truncate(c, 4, fd, -1);
	expect(c, 4, RES(-EINVAL));
	start_truncate(c, 5, open_path(c, "file", O_RDONLY), 1);
	expect(c, 5, RES(-EINVAL), RES(-EBADF));
}

static void
a_file_is_synced(struct contract *c)
{
	int fd = open_text(c, "file", "abc");

	start_sync(c, 1, fd, 0);
	expect(c, 1, RES(0));
	start_sync(c, 2, fd, IORING_FSYNC_DATASYNC);
	expect(c, 2, RES(0));
	start_sync(c, 3, fd, 1u << 30);
	expect(c, 3, RES(-EINVAL));
	start_sync(c, 4, open_ends(c).writer, 0);
	expect(c, 4, RES(-EINVAL));
}

static void
a_file_is_always_ready(struct contract *c)
{
	start_poll(c, 1, open_text(c, "file", "abc"), POLLIN);
	require(c, expect(c, 1, BETWEEN(1, 0xffff)).res & POLLIN);
}

static const struct contract_script scripts[] = {
	SCRIPT(what_is_written_is_read, "READ, WRITE"),
	SCRIPT(a_write_in_the_middle_leaves_the_rest, "WRITE"),
	SCRIPT(an_end_of_a_file_is_zero, "READ"),
	SCRIPT(a_read_of_nothing_is_zero, "READ, WRITE"),
	SCRIPT(a_hole_reads_as_zeros, "READ, WRITE"),
	SCRIPT(an_offset_may_be_beyond_4_gib, "READ, WRITE"),
	SCRIPT(an_offset_below_zero_is_invalid, "READ, WRITE"),
	SCRIPT(without_an_offset_the_position_moves, "READ, WRITE"),
	SCRIPT(what_is_opened_to_append_grows_at_its_end, "WRITE"),
	SCRIPT(a_file_that_is_missing_is_told, "OPENAT"),
	SCRIPT(what_must_be_new_is_new, "OPENAT"),
	SCRIPT(a_file_may_be_emptied_when_opened, "OPENAT"),
	SCRIPT(a_folder_is_no_file, "OPENAT"),
	SCRIPT(a_name_may_be_too_long, "OPENAT"),
	SCRIPT(a_file_is_used_as_it_was_opened, "OPENAT"),
	SCRIPT(pieces_are_filled_in_order, "READV"),
	SCRIPT(pieces_are_written_in_order, "WRITEV"),
	SCRIPT(registered_memory_is_read_into_and_written_from,
		"READ_FIXED, WRITE_FIXED"),
	SCRIPT(memory_outside_of_what_was_registered_is_refused,
		"READ_FIXED, WRITE_FIXED"),
	SCRIPT(memory_that_is_no_longer_registered_is_refused,
		"REGISTER_BUFFERS"),
	SCRIPT(memory_may_be_registered_piece_by_piece, "REGISTER_BUFFERS2"),
	SCRIPT(many_reads_at_a_time_each_get_their_own, "READ"),
	SCRIPT(what_is_told_to_use_a_thread_gives_the_same, "IOSQE_ASYNC"),
	SCRIPT(a_close_does_not_touch_what_is_under_way, "H4"),
	SCRIPT(a_cancelled_write_is_done_or_was_not_begun, "H3"),
	SCRIPT(a_file_is_cut_and_grows, "FTRUNCATE"),
	SCRIPT(a_file_is_synced, "FSYNC"),
	SCRIPT(a_file_is_always_ready, "POLL_ADD"),
};

CONTRACT_FAMILY(file);
