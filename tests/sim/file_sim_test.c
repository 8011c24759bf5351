/* SPDX-License-Identifier: MIT */
/*
 * Goal    A file holds what was written to it, whatever came in between:
 *         parts, cancels, errors, other files, names that change.
 * Method  Hundreds of seeds. Each task knows what its file should hold, and
 *         compares; names are replaced while others open them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <torc.h>
#include <torc/core/io/dir.h>
#include <torc/core/io/file.h>
#include <torc/core/io/path.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define FILE_BYTES 20000u
#define STEPS 60
#define ROUNDS 20
#define VERSION_BYTES 5000u

/* What may go wrong without a mistake. */
static bool
is_fault(int64_t ret)
{
	return ret == -EIO || ret == -EMFILE || ret == -ENOSPC;
}

/* ---- what a file holds ---- */

struct known {
	struct torc_file *file;
	uint32_t bytes;
	uint8_t data[FILE_BYTES];
	uint8_t buf[FILE_BYTES];
};

static void
note_write(struct known *known, uint32_t at, uint32_t bytes)
{
	memcpy(known->data + at, known->buf, bytes);
	if (bytes > 0 && at + bytes > known->bytes)
		known->bytes = at + bytes;
}

/* Some are cancelled: then done_bytes says what there is. */
static int
write_some(struct known *known)
{
	uint32_t at = (uint32_t)torc_sim_random(FILE_BYTES - 1);
	uint32_t bytes = 1 + (uint32_t)torc_sim_random(FILE_BYTES - at);
	struct torc_file_op op;
	int64_t ret;

	pattern_fill(known->buf, torc_sim_random(UINT32_MAX), 0, bytes);
	torc_file_pwrite_all_start(known->file, known->buf, bytes, at, &op);
	if (torc_sim_random(5) == 0) {
		(void)torc_yield();
		torc_future_cancel(&op.done);
	}
	ret = torc_await(&op.done);
	note_write(known, at, (uint32_t)op.done_bytes);
	if (ret >= 0)
		return ret == bytes && op.done_bytes == bytes ? 0 : -EBADMSG;
	return ret == -ECANCELED || is_fault(ret) ? 0 : (int)ret;
}

static int
read_some(struct known *known)
{
	uint32_t at = (uint32_t)torc_sim_random(FILE_BYTES);
	uint32_t want = (uint32_t)torc_sim_random(FILE_BYTES);
	uint32_t there = known->bytes > at ? known->bytes - at : 0;
	ssize_t got = torc_file_pread_exact(known->file, known->buf, want, at);

	if (got < 0)
		return is_fault(got) ? 0 : (int)got;
	if ((uint32_t)got != (want < there ? want : there))
		return -EBADMSG;
	return memcmp(known->buf, known->data + at, (size_t)got) == 0
		       ? 0
		       : -EBADMSG;
}

static int
cut_some(struct known *known)
{
	uint32_t bytes = (uint32_t)torc_sim_random(FILE_BYTES);
	int ret = torc_file_truncate(known->file, bytes);

	if (ret < 0)
		return is_fault(ret) ? 0 : ret;
	if (bytes < known->bytes)
		memset(known->data + bytes, 0, known->bytes - bytes);
	known->bytes = bytes;
	return 0;
}

static int
measure(struct known *known)
{
	struct torc_stat stat;
	int ret = torc_file_stat(known->file, &stat);

	if (ret < 0)
		return ret;
	return stat.bytes == known->bytes ? 0 : -EBADMSG;
}

static int
open_again(struct known *known, const char *path, int flags)
{
	int ret;

	do
		ret = torc_file_open(&known->file, path, flags, 0600);
	while (ret == -EMFILE);
	return ret;
}

static int
one_step(struct known *known, const char *path)
{
	switch (torc_sim_random(10)) {
	case 0:
		return cut_some(known);
	case 1:
		return measure(known);
	case 2:
		/* With a read still on its way, now and then. */
		torc_file_close(known->file);
		return open_again(known, path, O_RDWR);
	case 3:
	case 4:
	case 5:
		return read_some(known);
	}
	return write_some(known);
}

static int
use_file(void *arg)
{
	unsigned *number = arg;
	struct known *known = torc_calloc(1, sizeof(*known));
	char path[32];
	int ret;

	if (known == NULL)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/tmp/file-%u", (*number)++);
	ret = open_again(known, path, O_RDWR | O_CREAT | O_EXCL);
	for (unsigned i = 0; i < STEPS && ret == 0; i++)
		ret = one_step(known, path);
	if (ret == 0)
		torc_file_close(known->file);
	torc_free(known);
	return ret;
}

static int
files(void *arg)
{
	struct torc_group group;
	unsigned number = 0;
	int ret = 0;

	(void)arg;
	torc_group_init(&group);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&group, use_file, &number);
	return ret == 0 ? torc_group_join(&group) : ret;
}

/* ---- names that change ---- */

struct versions {
	uint64_t written;
	bool is_over;
};

static int
fill_version(const char *path, uint64_t version)
{
	static uint8_t data[VERSION_BYTES];
	struct torc_file *file;
	int64_t ret =
		torc_file_open(&file, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (ret < 0)
		return (int)ret;
	pattern_fill(data, version, 0, sizeof(data));
	ret = torc_file_pwrite_all(file, data, sizeof(data), 0);
	if (ret >= 0)
		ret = torc_file_sync(file);
	torc_file_close(file);
	return ret < 0 ? (int)ret : 0;
}

/* As everybody should replace a file. */
static int
replace(void *arg)
{
	struct versions *versions = arg;

	while (versions->written < ROUNDS) {
		uint64_t next = versions->written + 1;
		int ret = fill_version("/tmp/next", next);

		if (ret == 0)
			ret = torc_path_rename("/tmp/next", "/current");
		if (ret < 0 && !is_fault(ret))
			return ret;
		if (ret == 0)
			versions->written = next;
	}
	versions->is_over = true;
	return 0;
}

/* Always one whole version, and none older than what was there before. */
static int
look_once(struct versions *versions)
{
	uint64_t before = versions->written, version;
	uint8_t data[VERSION_BYTES];
	struct torc_file *file;
	ssize_t got;
	int ret = torc_file_open(&file, "/current", O_RDONLY, 0);

	if (ret == -ENOENT)
		return before == 0 ? 0 : -EBADMSG;
	if (ret < 0)
		return is_fault(ret) ? 0 : ret;
	got = torc_file_pread_exact(file, data, sizeof(data), 0);
	torc_file_close(file);
	if (got < 0)
		return is_fault(got) ? 0 : (int)got;
	for (version = before; version <= versions->written + 1; version++)
		if (version > 0 && got == sizeof(data) &&
			pattern_is(data, version, 0, sizeof(data)))
			return 0;
	return -EBADMSG;
}

static int
look(void *arg)
{
	struct versions *versions = arg;
	int ret = 0;

	while (!versions->is_over && ret == 0)
		ret = look_once(versions);
	return ret;
}

static int
names(void *arg)
{
	struct versions versions = { 0 };
	struct torc_group group;
	int ret;

	(void)arg;
	torc_group_init(&group);
	ret = torc_group_spawn(&group, replace, &versions);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&group, look, &versions);
	return ret == 0 ? torc_group_join(&group) : ret;
}

/* ---- searching ---- */

static void
search(torc_task_fn *fn, uint64_t faults, uint32_t permille, uint64_t disk)
{
	struct torc_sim_options options = { .faults = faults,
		.fault_permille = permille,
		.size = 6,
		.disk_bytes = disk };
	struct torc_sim_result result;
	int ret = torc_sim_search(
		&options, NULL, seeds_count(100), fn, NULL, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(faults == 0 || result.faults_count > 0);
}

static void
a_file_holds_what_was_written(void **state)
{
	(void)state;
	search(files, 0, 0, 0);
	search(files, TORC_SIM_ALL, 20, 0);
	search(files, TORC_SIM_ALL, 150, 0);
}

static void
a_small_disk_takes_what_it_has_room_for(void **state)
{
	(void)state;
	search(files, TORC_SIM_ALL, 20, 50000);
}

static void
a_name_stands_for_one_whole_file(void **state)
{
	(void)state;
	search(names, 0, 0, 0);
	search(names, TORC_SIM_ALL, 20, 0);
	search(names, TORC_SIM_ALL, 100, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_holds_what_was_written),
		cmocka_unit_test(a_small_disk_takes_what_it_has_room_for),
		cmocka_unit_test(a_name_stands_for_one_whole_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
