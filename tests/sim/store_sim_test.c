/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever a kernel is free to do, and whatever is cancelled when: a
 *         file holds what its writes said they wrote, and its folder names it
 *         once.
 * Method  Hundreds of seeds. Each client writes, reads, cuts and renames a
 *         file of its own under deadlines drawn by the seed, and keeps a copy
 *         of it in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define FILE_BYTES_MAX 40000
#define ROUNDS 30

struct store {
	uint32_t next;
	bool may_fail; /* the disk does as it likes */
};

struct client {
	struct torc_file *file;
	uint32_t number;
	uint32_t renamed_count;
	size_t bytes;
	uint8_t copy[FILE_BYTES_MAX];
	uint8_t *buf; /* as large; the ring's own for some */
};

/* What was lost is a bug: 1. What was said is none. */
#define LOST 1

static void
name_of(const struct client *client, char *name, size_t bytes)
{
	snprintf(name, bytes, "/tmp/store-%u-%u", client->number,
		client->renamed_count);
}

static void
was_written(struct client *client, const uint8_t *data, size_t at, size_t bytes)
{
	if (bytes == 0)
		return;
	if (at > client->bytes)
		memset(client->copy + client->bytes, 0, at - client->bytes);
	memcpy(client->copy + at, data, bytes);
	if (at + bytes > client->bytes)
		client->bytes = at + bytes;
}

static int
write_some(struct client *client)
{
	size_t at = torc_sim_random(FILE_BYTES_MAX);
	size_t bytes = 1 + torc_sim_random(FILE_BYTES_MAX - at);
	uint64_t key = torc_sim_random(UINT32_MAX);
	struct torc_file_op op;
	int64_t ret;

	pattern_fill(client->buf, key, at, bytes);
	torc_file_pwrite_all_start(client->file, client->buf, bytes, at, &op);
	ret = torc_await(&op.done);
	was_written(client, client->buf, at, op.done_bytes);
	if (ret >= 0 && ((size_t)ret != bytes || op.done_bytes != bytes))
		return LOST;
	return ret < 0 ? (int)ret : 0;
}

static int
read_some(struct client *client)
{
	size_t at = torc_sim_random(FILE_BYTES_MAX);
	size_t bytes = 1 + torc_sim_random(FILE_BYTES_MAX - at);
	size_t there = at < client->bytes ? client->bytes - at : 0;
	ssize_t ret;

	ret = torc_file_pread_exact(client->file, client->buf, bytes, at);
	if (ret < 0)
		return (int)ret;
	if ((size_t)ret != (there < bytes ? there : bytes))
		return LOST;
	return memcmp(client->buf, client->copy + at, (size_t)ret) == 0 ? 0
									: LOST;
}

static int
cut(struct client *client)
{
	size_t bytes = torc_sim_random(FILE_BYTES_MAX);
	int ret = torc_file_truncate(client->file, bytes);

	if (ret < 0)
		return ret;
	if (bytes > client->bytes)
		memset(client->copy + client->bytes, 0, bytes - client->bytes);
	client->bytes = bytes;
	return 0;
}

static int
rename_it(struct client *client)
{
	char from[40], to[40];
	int ret;

	name_of(client, from, sizeof(from));
	client->renamed_count++;
	name_of(client, to, sizeof(to));
	ret = torc_path_rename(from, to);
	if (ret < 0)
		client->renamed_count--;
	return ret;
}

static int
check_size(struct client *client)
{
	struct torc_stat by_name, by_file;
	char name[40];
	int ret = torc_file_stat(client->file, &by_file);

	name_of(client, name, sizeof(name));
	if (ret == 0)
		ret = torc_path_stat(name, &by_name);
	if (ret < 0)
		return ret;
	return by_file.bytes == client->bytes &&
			       by_name.bytes == client->bytes &&
			       by_name.inode == by_file.inode
		       ? 0
		       : LOST;
}

static int
do_something(struct client *client)
{
	switch (torc_sim_random(8)) {
	case 0:
		return cut(client);
	case 1:
		return rename_it(client);
	case 2:
		return check_size(client);
	case 3:
		return torc_file_sync(client->file);
	case 4:
	case 5:
		return read_some(client);
	}
	return write_some(client);
}

static bool
is_bad(const struct store *store, int ret)
{
	return ret == LOST || (ret < 0 && ret != -ETIMEDOUT &&
				      !(store->may_fail && ret == -EIO));
}

static int
use(struct store *store, struct client *client)
{
	int ret = 0;

	for (unsigned i = 0; i < ROUNDS && !is_bad(store, ret); i++) {
		bool is_hasty = torc_sim_random(4) == 0;
		struct torc_deadline deadline;

		if (is_hasty)
			torc_deadline_begin(
				&deadline, torc_sim_random(2 * TORC_MS));
		ret = do_something(client);
		if (is_hasty)
			torc_deadline_end(&deadline);
	}
	if (!is_bad(store, ret))
		ret = read_some(client);
	return is_bad(store, ret) ? ret : 0;
}

static int
run_client(void *arg)
{
	struct client *client = torc_calloc(1, sizeof(*client));
	struct store *store = arg;
	char name[40];
	int ret;

	if (client == NULL)
		return -ENOMEM;
	client->number = store->next++;
	client->buf = client->number % 2 == 0 ? torc_io_alloc(FILE_BYTES_MAX)
					      : torc_malloc(FILE_BYTES_MAX);
	name_of(client, name, sizeof(name));
	do
		ret = torc_file_open(
			&client->file, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	while (ret == -EMFILE || (store->may_fail && ret == -EIO));
	if (ret == 0) {
		ret = use(store, client);
		torc_file_close(client->file);
	}
	if (client->number % 2 == 0)
		torc_io_free(client->buf);
	else
		torc_free(client->buf);
	torc_free(client);
	return ret;
}

/* Each client's file once, whatever its name has become. */
static int
check_names(struct store *store)
{
	struct torc_dir_entry entry;
	uint64_t seen = 0;
	struct torc_dir *dir;
	unsigned number;
	int ret;

	do
		ret = torc_dir_open(&dir, "/tmp");
	while (ret == -EMFILE || (store->may_fail && ret == -EIO));
	if (ret < 0)
		return ret;
	while ((ret = torc_dir_next(dir, &entry)) > 0)
		if (sscanf(entry.name, "store-%u-", &number) == 1) {
			if (number >= store->next || seen & 1u << number)
				break;
			seen |= 1u << number;
		}
	torc_dir_close(dir);
	if (ret == -EIO && store->may_fail)
		return 0;
	if (ret != 0)
		return ret;
	return seen == (UINT64_C(1) << store->next) - 1 ? 0 : LOST;
}

static int
store_scenario(void *arg)
{
	struct store *store = arg;
	struct torc_group clients;
	int ret = 0;

	store->next = 0;
	torc_group_init(&clients);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&clients, run_client, store);
	if (ret == 0)
		ret = torc_group_join(&clients);
	else
		torc_group_cancel_join(&clients);
	return ret == 0 ? check_names(store) : ret;
}

static void
search(uint64_t faults)
{
	struct store store = { .may_fail = (faults & TORC_SIM_ERRORS) != 0 };
	struct torc_sim_options options = { .faults = faults, .size = 6 };
	struct torc_sim_result result;
	int ret;

	ret = torc_sim_search(&options, NULL, seeds_count(200), store_scenario,
		&store, &result);
	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(result.completions > 0);
}

static void
files_are_right_on_a_friendly_kernel(void **state)
{
	(void)state;
	search(0);
}

static void
files_are_right_whatever_a_kernel_may_do(void **state)
{
	(void)state;
	search(TORC_SIM_HIDDEN);
}

static void
files_are_right_though_the_disk_fails(void **state)
{
	(void)state;
	search(TORC_SIM_ALL);
}

static int
fill_the_disk(void *arg)
{
	static uint8_t data[FILE_BYTES_MAX];
	struct torc_file *file;
	struct torc_file_op op;
	uint64_t written = 0;
	struct torc_stat stat;
	int64_t ret;

	(void)arg;
	ret = torc_file_open(&file, "/full", O_RDWR | O_CREAT, 0600);
	if (ret < 0)
		return (int)ret;
	do {
		torc_file_write_all_start(file, data, sizeof(data), &op);
		ret = torc_await(&op.done);
		written += op.done_bytes;
	} while (ret >= 0);
	if (ret == -ENOSPC)
		ret = torc_file_stat(file, &stat);
	torc_file_close(file);
	if (ret < 0)
		return (int)ret;
	return stat.bytes == written && written > 0 ? 0 : LOST;
}

static void
a_full_disk_is_told(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_HIDDEN,
		.disk_bytes = 300000 };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, seeds_count(50),
				 fill_the_disk, NULL, &result),
		0);
	note_runs(&result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_right_on_a_friendly_kernel),
		cmocka_unit_test(files_are_right_whatever_a_kernel_may_do),
		cmocka_unit_test(files_are_right_though_the_disk_fails),
		cmocka_unit_test(a_full_disk_is_told),
	};

	return cmocka_run_group_tests_name("sim/store", tests, NULL, NULL);
}
