/* SPDX-License-Identifier: MIT */
/*
 * Goal    A program that is started without standard input, output or error
 *         never finds a descriptor of torc's in their place.
 * Method  Children that close each set of the three, the last in a root
 *         without /dev, and look at the numbers while torc runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <torc.h>

#include "tests/support/child.h"
#include "tests/test.h"

#define SETS 8

static unsigned closed; /* a bit for each of 0, 1 and 2 */

/* Exit statuses of a child, other than 0. */
enum { OTHER_FILE = 1, OTHER_MODE, CLOSED_ON_EXEC, NOT_AS_BEFORE, OTHER_CALL };

static bool
is_null(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISCHR(stat.st_mode) &&
	       stat.st_rdev == makedev(1, 3);
}

static int
look_at(int fd)
{
	int mode = fd == STDIN_FILENO ? O_RDONLY : O_WRONLY;

	if (!(closed >> fd & 1))
		return is_null(fd) ? NOT_AS_BEFORE : 0;
	if (!is_null(fd))
		return OTHER_FILE;
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != mode)
		return OTHER_MODE;
	return fcntl(fd, F_GETFD) == 0 ? 0 : CLOSED_ON_EXEC;
}

static int
read_and_write(void)
{
	char byte;

	if ((closed & 1) && torc_pipe_read(torc_stdin(), &byte, 1) != 0)
		return OTHER_CALL;
	if ((closed & 2) && torc_pipe_write_all(torc_stdout(), "x", 1) != 1)
		return OTHER_CALL;
	if ((closed & 4) && torc_pipe_write_all(torc_stderr(), "x", 1) != 1)
		return OTHER_CALL;
	return 0;
}

static int
look(void *arg)
{
	int ret = 0;

	(void)arg;
	for (int fd = 0; fd < 3 && ret == 0; fd++)
		ret = look_at(fd);
	return ret == 0 ? read_and_write() : ret;
}

static void
close_set(void)
{
	/* What cmocka and the shell gave must not be /dev/null itself. */
	for (int fd = 0; fd < 2; fd++)
		dup2(STDERR_FILENO, fd);
	for (int fd = 0; fd < 3; fd++)
		if (closed >> fd & 1)
			close(fd);
}

static int
run_without(void)
{
	struct torc_options options = { .shards = 2 };

	close_set();
	return torc_run(&options, look, NULL);
}

static void
whichever_is_closed_is_the_null_device(void **state)
{
	(void)state;
	for (closed = 0; closed < SETS; closed++)
		assert_string_equal(child_text(run_without, 0), "");
}

/* Each of them is an empty file that stays empty. */
static int
fail_to_use(void *arg)
{
	char byte;

	(void)arg;
	for (int fd = 0; fd < 3; fd++)
		if (write(fd, "x", 1) != -1 || errno != EPERM)
			return OTHER_FILE;
	if (torc_pipe_read(torc_stdin(), &byte, 1) != 0 ||
		torc_pipe_write_all(torc_stdout(), "x", 1) != -EPERM)
		return OTHER_CALL;
	return 0;
}

static char root[] = "/tmp/torc-root-XXXXXX";

static int
run_without_dev(void)
{
	struct torc_options options = { .shards = 1 };

	closed = SETS - 1;
	if (chroot(root) != 0 || chdir("/") != 0)
		return NOT_AS_BEFORE;
	close_set();
	return torc_run(&options, fail_to_use, NULL);
}

static void
without_dev_they_are_empty_and_stay_so(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skip: only root may change its root\n");
		skip();
	}
	assert_non_null(mkdtemp(root));
	child_text(run_without_dev, 0);
	assert_int_equal(rmdir(root), 0);
}

static int
run_without_descriptors(void)
{
	struct torc_options options = { .shards = 1 };
	struct rlimit none = { 0, 0 };

	close(STDIN_FILENO);
	if (setrlimit(RLIMIT_NOFILE, &none) != 0)
		return NOT_AS_BEFORE;
	return torc_run(&options, look, NULL) == -EMFILE ? 0 : OTHER_CALL;
}

static void
when_nothing_can_be_opened_it_does_not_run(void **state)
{
	(void)state;
	assert_says(child_text(run_without_descriptors, 0),
		"descriptor 0 is closed, and neither");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whichever_is_closed_is_the_null_device),
		cmocka_unit_test(without_dev_they_are_empty_and_stay_so),
		cmocka_unit_test(when_nothing_can_be_opened_it_does_not_run),
	};

	/* Where io_uring is forbidden, that is a line, too. */
	torc_log_level_set(TORC_LOG_ERROR);
	return cmocka_run_group_tests_name("core/standard", tests, NULL, NULL);
}
