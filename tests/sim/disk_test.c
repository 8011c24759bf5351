/* SPDX-License-Identifier: MIT */
/*
 * Goal    The simulated disk has an end, a memory and faults: what the
 *         contract's scripts cannot ask of a real one.
 * Method  One ring without a runtime; SQEs by hand, one CQE after the other.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/test.h"

#include "uring/ring_priv.h"
#include "uring/sim_priv.h"

#define PAGE 4096u

struct fixture {
	struct torc_ring ring;
	struct torc_sim_counts counts;
};

static void
begin(struct fixture *f, const struct torc_sim_config *config)
{
	struct torc_ring_options options = { .sq_entries = 64,
		.cq_entries = 256 };

	memset(f, 0, sizeof(*f));
	assert_int_equal(torc__sim_begin(config), 0);
	assert_int_equal(
		torc__ring_open(&f->ring, &torc__engine_sim, &options), 0);
}

static void
end(struct fixture *f)
{
	torc__ring_close(&f->ring);
	torc__sim_end(&f->counts);
}

static int
set_up(void **state)
{
	static struct fixture f;
	struct torc_sim_config config;

	torc__sim_config_init(&config);
	config.disk_bytes = 8 * PAGE;
	begin(&f, &config);
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	end(*state);
	return 0;
}

static struct io_uring_sqe *
sqe_new(struct fixture *f)
{
	return torc__ring_sqe(&f->ring);
}

/* Of the one SQE that is on its way. */
static int32_t
result(struct fixture *f)
{
	while (torc__ring_cq_count(&f->ring) == 0)
		assert_int_equal(torc__ring_enter(&f->ring, 1, UINT64_MAX), 0);
	return torc__ring_pop(&f->ring).res;
}

static int32_t
open_at(struct fixture *f, int dir, const char *path, int flags)
{
	io_uring_prep_openat(sqe_new(f), dir, path, flags, 0600);
	return result(f);
}

static int
open_new(struct fixture *f, const char *path)
{
	int fd = open_at(f, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL);

	assert_true(fd >= 0);
	return fd;
}

static int32_t
write_at(struct fixture *f, int fd, const void *data, unsigned bytes,
	uint64_t offset)
{
	io_uring_prep_write(sqe_new(f), fd, data, bytes, offset);
	return result(f);
}

static int32_t
read_at(struct fixture *f, int fd, void *data, unsigned bytes, uint64_t offset)
{
	io_uring_prep_read(sqe_new(f), fd, data, bytes, offset);
	return result(f);
}

static int32_t
make_dir(struct fixture *f, int dir, const char *path)
{
	io_uring_prep_mkdirat(sqe_new(f), dir, path, 0700);
	return result(f);
}

static int32_t
remove_path(struct fixture *f, const char *path, int flags)
{
	io_uring_prep_unlinkat(sqe_new(f), AT_FDCWD, path, flags);
	return result(f);
}

static void
close_fd(struct fixture *f, int fd)
{
	f->ring.engine->close_fd(&f->ring, fd);
}

/* ---- the end of the disk ---- */

static const char data[16 * PAGE] = { 1 };

static void
a_full_disk_takes_a_part_and_then_nothing(void **state)
{
	struct fixture *f = *state;
	int fd = open_new(f, "/file");

	assert_int_equal(write_at(f, fd, data, 16 * PAGE, 0), 8 * PAGE);
	assert_int_equal(write_at(f, fd, data, 1, 8 * PAGE), -ENOSPC);
	/* What has its page already is written over. */
	assert_int_equal(write_at(f, fd, data, 2 * PAGE, 7 * PAGE), PAGE);
	close_fd(f, fd);
}

static void
room_comes_back_with_the_last_who_has_a_file(void **state)
{
	struct fixture *f = *state;
	int one = open_new(f, "/one"), two = open_new(f, "/two");

	assert_int_equal(write_at(f, one, data, 8 * PAGE, 0), 8 * PAGE);
	assert_int_equal(remove_path(f, "/one", 0), 0);
	assert_int_equal(write_at(f, two, data, PAGE, 0), -ENOSPC);
	close_fd(f, one);
	assert_int_equal(write_at(f, two, data, 8 * PAGE, 0), 8 * PAGE);
	io_uring_prep_ftruncate(sqe_new(f), two, PAGE);
	assert_int_equal(result(f), 0);
	one = open_new(f, "/one");
	assert_int_equal(write_at(f, one, data, 8 * PAGE, 0), 7 * PAGE);
	close_fd(f, one);
	close_fd(f, two);
}

static void
holes_take_no_room(void **state)
{
	struct fixture *f = *state;
	int fd = open_new(f, "/file");
	char got[2] = "xy";

	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(write_at(f, fd, "z", 1, i << 40), 1);
	assert_int_equal(read_at(f, fd, got, 2, (UINT64_C(5) << 40) - 1), 2);
	assert_memory_equal(got, "\0z", 2);
	assert_int_equal(write_at(f, fd, "z", 1, UINT64_C(9) << 40), -ENOSPC);
	close_fd(f, fd);
}

/* Cut away and grown again, it must not come back. */
static void
what_was_cut_reads_as_zeros(void **state)
{
	struct fixture *f = *state;
	int fd = open_new(f, "/file");
	char got[8];

	assert_int_equal(write_at(f, fd, "abcdefgh", 8, 0), 8);
	for (unsigned i = 0; i < 2; i++) {
		io_uring_prep_ftruncate(sqe_new(f), fd, i == 0 ? 3 : 8);
		assert_int_equal(result(f), 0);
	}
	assert_int_equal(read_at(f, fd, got, 8, 0), 8);
	assert_memory_equal(got, "abc\0\0\0\0\0", 8);
	close_fd(f, fd);
}

static void
a_file_ends_where_numbers_do(void **state)
{
	struct fixture *f = *state;
	int fd = open_new(f, "/file");

	assert_int_equal(write_at(f, fd, "x", 1, INT64_MAX - 1), 1);
	assert_int_equal(write_at(f, fd, "xy", 2, INT64_MAX - 1), -EFBIG);
	close_fd(f, fd);
}

static void
past_the_cache_all_is_aligned(void **state)
{
	static char buf[1024] __attribute__((aligned(512)));
	struct fixture *f = *state;
	int fd = open_at(f, AT_FDCWD, "/file", O_RDWR | O_CREAT | O_DIRECT);

	assert_int_equal(write_at(f, fd, buf, 1024, 0), 1024);
	assert_int_equal(write_at(f, fd, buf, 100, 0), -EINVAL);
	assert_int_equal(write_at(f, fd, buf + 1, 512, 0), -EINVAL);
	assert_int_equal(read_at(f, fd, buf, 512, 1), -EINVAL);
	assert_int_equal(read_at(f, fd, buf, 512, 512), 512);
	close_fd(f, fd);
}

/* ---- names ---- */

static void
a_path_may_begin_at_an_open_folder(void **state)
{
	struct fixture *f = *state;
	int dir, fd;

	assert_int_equal(make_dir(f, AT_FDCWD, "/folder"), 0);
	dir = open_at(f, AT_FDCWD, "/folder", O_RDONLY | O_DIRECTORY);
	assert_int_equal(make_dir(f, dir, "inner"), 0);
	fd = open_at(f, dir, "inner/file", O_RDWR | O_CREAT);
	assert_true(fd >= 0);
	assert_int_equal(make_dir(f, fd, "inner"), -ENOTDIR);
	assert_int_equal(make_dir(f, 4711, "inner"), -EBADF);
	close_fd(f, fd);
	fd = open_at(f, AT_FDCWD, "folder/inner/file", O_RDONLY);
	assert_true(fd >= 0);
	close_fd(f, fd);
	close_fd(f, dir);
}

static void
a_folder_that_was_removed_takes_nothing_in(void **state)
{
	struct fixture *f = *state;
	int dir;

	assert_int_equal(make_dir(f, AT_FDCWD, "/folder"), 0);
	dir = open_at(f, AT_FDCWD, "/folder", O_RDONLY | O_DIRECTORY);
	assert_int_equal(remove_path(f, "/folder", AT_REMOVEDIR), 0);
	assert_int_equal(make_dir(f, dir, "inner"), -ENOENT);
	assert_int_equal(open_at(f, dir, "file", O_RDWR | O_CREAT), -ENOENT);
	close_fd(f, dir);
}

static void
slashes_are_for_folders(void **state)
{
	struct fixture *f = *state;
	int fd = open_new(f, "/file");

	close_fd(f, fd);
	assert_int_equal(open_at(f, AT_FDCWD, "/file/", O_RDONLY), -ENOTDIR);
	assert_int_equal(remove_path(f, "/file/", 0), -ENOTDIR);
	assert_int_equal(
		open_at(f, AT_FDCWD, "/new/", O_RDWR | O_CREAT), -EISDIR);
	assert_int_equal(make_dir(f, AT_FDCWD, "//folder//"), 0);
	assert_int_equal(remove_path(f, "/folder/", AT_REMOVEDIR), 0);
	assert_int_equal(remove_path(f, "/", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(make_dir(f, AT_FDCWD, "/"), -EEXIST);
}

/* What comes and goes between two looks is seen or not, nothing twice. */
static void
a_folder_may_change_while_it_is_listed(void **state)
{
	struct fixture *f = *state;
	char name[32], buf[32];
	unsigned seen[20] = { 0 };
	int dir, at = 0;

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "/tmp/%d", i);
		close_fd(f, open_new(f, name));
	}
	dir = open_at(f, AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY);
	while (f->ring.engine->read_dir(&f->ring, dir, buf, sizeof(buf)) > 0) {
		const char *entry = buf + offsetof(struct dirent64, d_name);

		if (entry[0] != '.')
			seen[strtol(entry, NULL, 10)]++;
		if (at == 20)
			continue;
		snprintf(name, sizeof(name), "/tmp/%d", at);
		assert_int_equal(remove_path(f, name, 0), 0);
		at += 4;
	}
	for (int i = 0; i < 20; i++)
		assert_in_range(seen[i], i % 4 != 0, 1);
	close_fd(f, dir);
}

/* ---- faults, time, memory ---- */

static void
a_disk_fails_when_it_is_told_to(void **state)
{
	struct torc_sim_config config;
	struct fixture f;
	int fd;

	(void)state;
	torc__sim_config_init(&config);
	config.rates[TORC__SIM_DISK_ERROR] = TORC__SIM_ALWAYS;
	begin(&f, &config);
	fd = open_new(&f, "/file");
	assert_int_equal(write_at(&f, fd, "x", 1, 0), -EIO);
	assert_int_equal(read_at(&f, fd, &(char){ 0 }, 1, 0), -EIO);
	io_uring_prep_fsync(sqe_new(&f), fd, 0);
	assert_int_equal(result(&f), -EIO);
	close_fd(&f, fd);
	end(&f);
	assert_int_equal(f.counts.fds_left, 0);
}

static void
parts_are_taken_and_given(void **state)
{
	struct torc_sim_config config;
	char got[1000];
	struct fixture f;
	int fd;

	(void)state;
	torc__sim_config_init(&config);
	config.rates[TORC__SIM_SHORT_SEND] = TORC__SIM_ALWAYS;
	config.rates[TORC__SIM_SHORT_RECV] = TORC__SIM_ALWAYS;
	begin(&f, &config);
	fd = open_new(&f, "/file");
	assert_in_range(write_at(&f, fd, data, 1000, 0), 1, 999);
	assert_in_range(write_at(&f, fd, data, 1, 999), 1, 1);
	assert_in_range(read_at(&f, fd, got, 1000, 0), 1, 999);
	close_fd(&f, fd);
	end(&f);
}

/* Up to PIPE_BUF bytes never mix with those of another. */
static void
a_small_write_to_a_pipe_is_whole(void **state)
{
	struct torc_sim_config config;
	struct fixture f;
	int fds[2];

	(void)state;
	torc__sim_config_init(&config);
	config.rates[TORC__SIM_SHORT_SEND] = TORC__SIM_ALWAYS;
	begin(&f, &config);
	assert_int_equal(f.ring.engine->pipe(&f.ring, fds), 0);
	assert_int_equal(write_at(&f, fds[1], data, PIPE_BUF, -1), PIPE_BUF);
	assert_in_range(
		write_at(&f, fds[1], data, PIPE_BUF + 1, -1), 1, PIPE_BUF);
	close_fd(&f, fds[0]);
	close_fd(&f, fds[1]);
	end(&f);
}

static void
without_a_descriptor_nothing_is_made(void **state)
{
	struct torc_sim_config config;
	struct statx stat;
	struct fixture f;
	int fds[2];

	(void)state;
	torc__sim_config_init(&config);
	config.rates[TORC__SIM_EMFILE] = TORC__SIM_ALWAYS;
	begin(&f, &config);
	assert_int_equal(
		open_at(&f, AT_FDCWD, "/file", O_RDWR | O_CREAT), -EMFILE);
	io_uring_prep_statx(sqe_new(&f), AT_FDCWD, "/file", 0, 0, &stat);
	assert_int_equal(result(&f), -ENOENT);
	assert_int_equal(f.ring.engine->pipe(&f.ring, fds), -EMFILE);
	assert_int_equal(
		f.ring.engine->socketpair(&f.ring, SOCK_STREAM, fds), -EMFILE);
	end(&f);
	assert_int_equal(f.counts.fds_left, 0);
}

/* The second of two descriptors is one too many: the first goes as well. */
static void
a_pair_has_two_descriptors_or_none(void **state)
{
	struct torc_sim_config config;
	struct fixture f;
	int fds[2], fd;

	(void)state;
	torc__sim_config_init(&config);
	config.fds_max = 2;
	begin(&f, &config);
	fd = open_new(&f, "/file");
	assert_int_equal(f.ring.engine->pipe(&f.ring, fds), -EMFILE);
	assert_int_equal(
		f.ring.engine->socketpair(&f.ring, SOCK_STREAM, fds), -EMFILE);
	close_fd(&f, fd);
	assert_int_equal(f.ring.engine->pipe(&f.ring, fds), 0);
	close_fd(&f, fds[0]);
	close_fd(&f, fds[1]);
	end(&f);
	assert_int_equal(f.counts.fds_left, 0);
}

static uint64_t
hash_of(uint64_t seed)
{
	struct torc_sim_config config;
	struct fixture f;
	int fd;

	torc__sim_config_init(&config);
	config.seed = seed;
	begin(&f, &config);
	fd = open_new(&f, "/file");
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(write_at(&f, fd, data, 100, 50 * i), 100);
	close_fd(&f, fd);
	end(&f);
	return f.counts.hash;
}

static void
a_seed_decides_all_of_it(void **state)
{
	(void)state;
	assert_int_equal(hash_of(7), hash_of(7));
	assert_int_not_equal(hash_of(7), hash_of(8));
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_full_disk_takes_a_part_and_then_nothing),
		CASE(room_comes_back_with_the_last_who_has_a_file),
		CASE(holes_take_no_room),
		CASE(what_was_cut_reads_as_zeros),
		CASE(a_file_ends_where_numbers_do),
		CASE(past_the_cache_all_is_aligned),
		CASE(a_path_may_begin_at_an_open_folder),
		CASE(a_folder_that_was_removed_takes_nothing_in),
		CASE(slashes_are_for_folders),
		CASE(a_folder_may_change_while_it_is_listed),
		cmocka_unit_test(a_disk_fails_when_it_is_told_to),
		cmocka_unit_test(parts_are_taken_and_given),
		cmocka_unit_test(a_small_write_to_a_pipe_is_whole),
		cmocka_unit_test(without_a_descriptor_nothing_is_made),
		cmocka_unit_test(a_pair_has_two_descriptors_or_none),
		cmocka_unit_test(a_seed_decides_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
