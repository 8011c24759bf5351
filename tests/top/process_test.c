/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever a process that is looked at does with its descriptors
 *         meanwhile, nothing but a page is opened.
 * Method  This process looks at itself. readlinkat() of this program puts
 *         another file, which inotify watches, behind the page's number right
 *         after the name was looked at: for the first time, for the second,
 *         and so on until no look is left to come.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/test.h"
#include "core/metrics_page_priv.h"
#include "top/process.h"

#define LINK "/memfd:" TORC__METRICS_PAGE_NAME

static struct torc_metrics_page page;

/* Another file, held and not open, and what tells that it is opened. */
static char other_path[] = "/tmp/torc-top-XXXXXX";
static int other_fd, opens_fd;

static unsigned looks; /* at the name of a page */
static unsigned swap_after;

ssize_t __real_readlinkat(int fd, const char *path, char *target, size_t bytes);
ssize_t __wrap_readlinkat(int fd, const char *path, char *target, size_t bytes);

ssize_t
__wrap_readlinkat(int fd, const char *path, char *target, size_t bytes)
{
	ssize_t len = __real_readlinkat(fd, path, target, bytes);

	if (len >= (ssize_t)strlen(LINK) &&
		strncmp(target, LINK, strlen(LINK)) == 0 &&
		++looks == swap_after)
		assert_int_equal(dup2(other_fd, page.fd), page.fd);
	return len;
}

static int
set_up(void **state)
{
	int fd = mkstemp(other_path);

	(void)state;
	torc__metrics_page_open(&page, 1, "none", 1);
	opens_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0 || close(fd) < 0 || page.fd < 0 || opens_fd < 0 ||
		inotify_add_watch(opens_fd, other_path, IN_OPEN) < 0)
		return -1;
	other_fd = open(other_path, O_PATH | O_CLOEXEC);
	return other_fd < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(other_fd);
	close(opens_fd);
	unlink(other_path);
	memcpy(other_path + strlen(other_path) - 6, "XXXXXX", 6);
	torc__metrics_page_close(&page);
	return 0;
}

static bool
was_opened(void)
{
	struct inotify_event event;
	ssize_t bytes = read(opens_fd, &event, sizeof(event));

	assert_true(bytes == sizeof(event) || errno == EAGAIN);
	return bytes == sizeof(event);
}

/* How often the name of a page was looked at. */
static unsigned
look_at_this_process(unsigned swap_after_look)
{
	struct process *process = NULL;
	uint32_t version;

	looks = 0;
	swap_after = swap_after_look;
	if (process_open(&process, getpid(), &version) == PROCESS_FOUND)
		process_close(process);
	else
		assert_null(process);
	return looks;
}

static void
a_page_that_stays_is_found(void **state)
{
	struct process *process = NULL;
	uint32_t version;

	(void)state;
	assert_int_equal(
		process_open(&process, getpid(), &version), PROCESS_FOUND);
	assert_int_equal(process->page.pid, getpid());
	assert_true(process_look(process, 1));
	process_close(process);
}

static void
what_takes_the_place_of_a_page_is_not_opened(void **state)
{
	int kept = fcntl(page.fd, F_DUPFD_CLOEXEC, 0);
	unsigned at = 1;

	(void)state;
	while (look_at_this_process(at) >= at) {
		assert_false(was_opened());
		assert_int_equal(dup2(kept, page.fd), page.fd);
		at++;
	}
	assert_true(at > 1);
	close(kept);

	/* Had it been, this would have said so. */
	close(open(other_path, O_RDONLY | O_CLOEXEC));
	assert_true(was_opened());
}

#define WITH_PAGE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAGE(a_page_that_stays_is_found),
		WITH_PAGE(what_takes_the_place_of_a_page_is_not_opened),
	};

	return cmocka_run_group_tests_name("top/process", tests, NULL, NULL);
}
