/* SPDX-License-Identifier: MIT */
/*
 * Goal    Trees are made and removed, and links lead where they were told to,
 *         with errors, cancels and others at work at any moment; what a link
 *         in a tree leads to outlives it.
 * Method  Hundreds of seeds. Each task has a tree of its own and one that all
 *         share, whose links lead to a file outside; its names are counted at
 *         the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define OUTSIDE "/tmp/outside"
#define ROUNDS 6

/* What may go wrong without a mistake. */
static bool
is_fault(int64_t ret)
{
	return ret == -EIO || ret == -EMFILE || ret == -ENOSPC ||
	       ret == -ETIMEDOUT;
}

/* A link at `name` in `dir` that says OUTSIDE. */
static int
make_symlink(const char *dir, const char *name)
{
	char path[128], target[16], real[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = torc_path_symlink(OUTSIDE, path);
	if (ret < 0)
		return ret == -EEXIST ? 0 : ret;
	ret = torc_path_read_link(path, target, sizeof(target));
	if (ret < 0)
		return ret;
	if (ret != sizeof(OUTSIDE) - 1 || strcmp(target, OUTSIDE) != 0)
		return -EBADMSG;
	ret = torc_path_real(path, real, sizeof(real));
	if (ret < 0)
		return ret;
	return strcmp(real, OUTSIDE) == 0 ? 0 : -EBADMSG;
}

static int
make_link(const char *dir, const char *name)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = torc_path_link(OUTSIDE, path);
	return ret == -EEXIST ? 0 : ret;
}

/* Some levels of it, with links in each. */
static int
plant(const char *top)
{
	char dir[100];
	int ret = 0, at = snprintf(dir, sizeof(dir), "%s", top);

	for (uint64_t i = torc_sim_random(4) + 1; i > 0 && ret == 0; i--) {
		at += snprintf(dir + at, sizeof(dir) - (size_t)at, "/%c",
			(char)('a' + torc_sim_random(2)));
		if (torc_sim_random(2) == 0)
			continue;
		ret = torc_path_mkdir_all(dir, 0700);
		if (ret == 0)
			ret = make_symlink(dir, "symbolic");
		if (ret == 0)
			ret = make_link(dir, "hard");
	}
	return ret;
}

/* Until it is gone; under a deadline at first. */
static int
uproot(const char *top)
{
	struct torc_deadline deadline;
	struct torc_stat stat;
	int ret;

	torc_deadline_begin(&deadline, torc_sim_random(3 * TORC_MS));
	ret = torc_path_remove_all(top);
	torc_deadline_end(&deadline);
	while (ret < 0 && is_fault(ret))
		ret = torc_path_remove_all(top);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	ret = torc_path_lstat(top, &stat);
	return ret == -ENOENT ? 0 : ret == 0 ? -EEXIST : ret;
}

/* Others remove it meanwhile: then something is missing, or left. */
static bool
is_anothers_work(int ret)
{
	return ret == -ENOENT || ret == -ENOTEMPTY || ret == -EEXIST;
}

static int
garden(void *arg)
{
	_Atomic unsigned *number = arg;
	char own[32];
	int ret = 0;

	snprintf(own, sizeof(own), "/tmp/own-%u", (*number)++);
	for (int i = 0; i < ROUNDS && ret == 0; i++) {
		ret = plant(own);
		if (ret == 0 || is_fault(ret))
			ret = uproot(own);
		if (ret < 0)
			return ret;
		ret = plant("/tmp/all");
		if (ret == 0 && torc_sim_random(2) == 0)
			ret = uproot("/tmp/all");
		if (is_fault(ret) || is_anothers_work(ret))
			ret = 0;
	}
	return ret;
}

static int
garden_on_shard(void *arg)
{
	struct torc_group group;
	int ret = 0;

	torc_group_init(&group);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&group, garden, arg);
	return ret < 0 ? ret : torc_group_join(&group);
}

static int
make_outside(void)
{
	struct torc_file *file;
	int ret;

	do
		ret = torc_file_open(&file, OUTSIDE, O_RDWR | O_CREAT, 0666);
	while (ret == -EMFILE);
	if (ret < 0)
		return ret;
	torc_file_close(file);
	return torc_path_chmod(OUTSIDE, 0604);
}

static int
gardens(void *arg)
{
	_Atomic unsigned number = 0;
	struct torc_stat stat;
	int ret = make_outside();

	(void)arg;
	if (ret == 0)
		ret = torc_run_on_shards(garden_on_shard, &number);
	if (ret == 0)
		ret = uproot("/tmp/all");
	if (ret == 0)
		ret = torc_path_stat(OUTSIDE, &stat);
	if (ret < 0)
		return ret;
	return stat.links_count == 1 && (stat.mode & 07777) == 0604 ? 0
								    : -EBADMSG;
}

static void
trees_go_and_what_they_lead_to_stays(void **state)
{
	struct torc_options runtime = { .shards = 2 };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL, .size = 3 };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, &runtime, seeds_count(200),
				 gardens, NULL, &result),
		0);
	note_runs(&result);
}

static int
remove_the_root(void *unused)
{
	struct torc_stat stat;
	int ret;

	(void)unused;
	ret = torc_path_mkdir_all("/tmp/kept", 0700);
	if (ret < 0)
		return ret;
	if (torc_path_remove_all("/") != -EINVAL ||
		torc_path_remove_all("///") != -EINVAL ||
		torc_path_remove_all("") != -ENOENT)
		return -EBADMSG;
	return torc_path_stat("/tmp/kept", &stat);
}

/* Here, where it is nobody's. */
static void
the_root_is_not_emptied(void **state)
{
	(void)state;
	assert_int_equal(
		torc_sim_run(NULL, NULL, remove_the_root, NULL, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_is_not_emptied),
		cmocka_unit_test(trees_go_and_what_they_lead_to_stays),
	};

	return cmocka_run_group_tests_name("sim/tree", tests, NULL, NULL);
}
