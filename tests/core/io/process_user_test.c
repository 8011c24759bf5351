/* SPDX-License-Identifier: MIT */
/*
 * Goal    A child is the user and in the groups that it was asked to be, and
 *         no other, and has no right of this process left; who may not make
 *         it so is told; this process stays what it was.
 * Method  The real kernel, and id(1). What takes root is skipped without, and
 *         says so.
 */
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/core/io/folder.h"
#include "tests/core/io/process_fixture.h"
#include "tests/support/child.h"

#define NOBODY 65534

static int
it_is_the_user_that_was_asked_for(void *unused)
{
	static const gid_t groups[] = { 23456, 34567 };
	struct torc_process_user user = {
		.uid = NOBODY, .gid = 12345, .groups = groups, .groups_count = 2
	};
	struct torc_process_options options = { .user = &user };

	(void)unused;
	must_be_text(output_of(options, ARGV("id", "-u")), "65534\n");
	must_be_text(output_of(options, ARGV("id", "-g")), "12345\n");
	must_be_text(
		output_of(options, ARGV("id", "-G")), "12345 23456 34567\n");
	must_be_text(output_of(options,
			     SH("while read -r name ids; do case $name in "
				"Uid:|Gid:) echo $ids;; esac; done "
				"< /proc/self/status")),
		"65534 65534 65534 65534\n12345 12345 12345 12345\n");
	return 0;
}

static int
of_this_ones_groups_none_are_left(void *unused)
{
	static const gid_t ours[] = { 4711, 4712 };
	struct torc_process_user user = { .uid = NOBODY, .gid = NOBODY };
	struct torc_process_options options = { .user = &user };
	gid_t before[256];
	int count = getgroups(256, before);

	(void)unused;
	must(count >= 0);
	must_be(setgroups(2, ours), 0);
	must_be_text(output_of(options, ARGV("id", "-G")), "65534\n");
	must_be(setgroups((size_t)count, before), 0);
	return 0;
}

static int
this_process_stays_what_it_was(void *unused)
{
	struct torc_process_user user = { .uid = NOBODY, .gid = NOBODY };
	struct torc_process_options options = { .user = &user };

	(void)unused;
	must_be(prctl(PR_GET_DUMPABLE), 1);
	must_be(wait_and_close(spawn_as(options, ARGV("true"))).code, 0);
	must_be(getuid(), 0);
	must_be(geteuid(), 0);
	must_be(prctl(PR_GET_DUMPABLE), 1);
	/* Also where it was forbidden before. */
	must_be(prctl(PR_SET_DUMPABLE, 0), 0);
	must_be(wait_and_close(spawn_as(options, ARGV("true"))).code, 0);
	must_be(prctl(PR_GET_DUMPABLE), 0);
	must_be(prctl(PR_SET_DUMPABLE, 1), 0);
	return 0;
}

static int
its_directory_is_entered_as_that_user(void *unused)
{
	struct torc_process_user user = { .uid = NOBODY, .gid = NOBODY };
	struct torc_process_options options = { .user = &user,
		.directory = folder };

	(void)unused;
	must_be(chmod(folder, 0700), 0);
	must_be(spawn_error(options, ARGV("true")), -EACCES);
	must_be(chmod(folder, 0755), 0);
	must_be(wait_and_close(spawn_as(options, ARGV("true"))).code, 0);
	return 0;
}

static int
an_id_that_is_none_is_refused(void *unused)
{
	struct torc_process_user user = { .uid = NOBODY, .gid = (gid_t)-1 };
	const gid_t groups[] = { (gid_t)-1 };
	struct torc_process_options options = { .user = &user };

	(void)unused;
	must_be(spawn_error(options, ARGV("true")), -EINVAL);
	user = (struct torc_process_user){ .uid = (uid_t)-1, .gid = NOBODY };
	must_be(spawn_error(options, ARGV("true")), -EINVAL);
	user.uid = NOBODY;
	user.groups = groups;
	user.groups_count = 1;
	must_be(spawn_error(options, ARGV("true")), -EINVAL);
	user.groups_count = 1 << 20;
	must_be(spawn_error(options, ARGV("true")), -EINVAL);
	return 0;
}

static int
spawn_without_the_right(void *unused)
{
	struct torc_process_user user = { .uid = 0, .gid = 0 };
	struct torc_process_options options = { .user = &user };

	(void)unused;
	must_be(spawn_error(options, ARGV("true")), -EPERM);
	return 0;
}

static int
run_without_the_right(void)
{
	struct torc_options options = { .shards = 1 };

	if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return 1;
	return torc_run(&options, spawn_without_the_right, NULL);
}

static void
who_may_not_is_told(void **state)
{
	char text[2048];

	(void)state;
	must_be(run_in_child(run_without_the_right, text, sizeof(text)), 0);
}

/* A service that is nobody, and may still make children another user's. */
static void
become_nobody_with_rights(void)
{
	static const unsigned rights[] = { CAP_SETUID, CAP_SETGID,
		CAP_DAC_OVERRIDE };
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { { 0 } };

	must_be(prctl(PR_SET_KEEPCAPS, 1), 0);
	must_be(setresgid(NOBODY, NOBODY, NOBODY), 0);
	must_be(setresuid(NOBODY, NOBODY, NOBODY), 0);
	for (size_t i = 0; i < 3; i++)
		data[0].inheritable |= 1u << rights[i];
	data[0].effective = data[0].permitted = data[0].inheritable;
	must_be(syscall(SYS_capset, &header, data), 0);
	for (size_t i = 0; i < 3; i++)
		must_be(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, rights[i],
				0, 0),
			0);
}

static int
spawn_with_rights(void *unused)
{
	struct torc_process_user user = { .uid = 61000, .gid = 61000 };
	struct torc_process_options options = { .user = &user };

	(void)unused;
	must_be_text(output_of(options, ARGV("id", "-u")), "61000\n");
	must_be_text(output_of(options,
			     SH("while read -r name set; do case $name in "
				"CapInh:|CapPrm:|CapEff:|CapAmb:) "
				"echo $((0x$set));; esac; done "
				"< /proc/self/status")),
		"0\n0\n0\n0\n");
	/* This process may, by its right; that user may not. */
	options.directory = folder;
	must_be(close(open(folder, O_RDONLY | O_CLOEXEC)), 0);
	must_be(spawn_error(options, ARGV("true")), -EACCES);
	return 0;
}

static int
run_with_rights(void)
{
	struct torc_options options = { .shards = 1 };

	must_be(chmod(folder, 0700), 0);
	become_nobody_with_rights();
	return torc_run(&options, spawn_with_rights, NULL);
}

static bool
is_root(void)
{
	if (getuid() == 0)
		return true;
	print_message("skip: only root makes a child another user's\n");
	return false;
}

static void
no_right_of_this_process_is_left(void **state)
{
	char text[2048];

	(void)state;
	if (!is_root())
		skip();
	must_be(run_in_child(run_with_rights, text, sizeof(text)), 0);
}

static void
root_case(void **state)
{
	if (!is_root())
		skip();
	run_case(state);
}

#define AS_ROOT(fn_)                                                       \
	{                                                                  \
		.name = #fn_, .test_func = root_case,                      \
		.initial_state = &(struct torc_case)                       \
		{                                                          \
			.fn = fn_, .options = {.blocking_threads_max = 1 } \
		}                                                          \
	}

static int
set_up(void **state)
{
	return folder_make(state) < 0 ? -1 : start_a_thread(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AS_ROOT(it_is_the_user_that_was_asked_for),
		AS_ROOT(of_this_ones_groups_none_are_left),
		AS_ROOT(this_process_stays_what_it_was),
		AS_ROOT(its_directory_is_entered_as_that_user),
		AS_ROOT(an_id_that_is_none_is_refused),
		cmocka_unit_test(no_right_of_this_process_is_left),
		cmocka_unit_test(who_may_not_is_told),
	};

	return cmocka_run_group_tests_name(
		"core/io/process user", tests, set_up, folder_remove);
}
