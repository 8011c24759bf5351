/* SPDX-License-Identifier: MIT */
/*
 * Goal    A bug ends the process with one line that names it, and no sooner
 *         than its strength says.
 * Method  Each failure runs in a child whose stderr is a file in memory.
 */
#undef TORC_CHECK
#define TORC_CHECK 1 /* the strengths as a default build has them */

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"
#include "base/assert_priv.h"

/* What `fn` wrote to stderr before it aborted. */
static const char *
last_words(void (*fn)(void))
{
	static char text[2048];
	int fd = memfd_create("stderr", MFD_CLOEXEC), status;
	ssize_t len;
	pid_t child;

	assert_true(fd >= 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		(void)dup2(fd, STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);

	len = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(len >= 0);
	text[len] = '\0';
	(void)close(fd);
	return text;
}

static void
fail_an_assert(void)
{
	torc_assert(1 + 1 == 3);
}

static void
fail_a_check(void)
{
	torc_check(1 + 1 == 3);
}

static void
panic_with_a_number(void)
{
	torc__panic("stack of %s is full: %d bytes", "serve", 65536);
}

static void
panic_at_length(void)
{
	char text[4000];

	memset(text, 'x', sizeof(text));
	torc__panic("%.*s", (int)sizeof(text), text);
}

static void
a_failed_assert_names_the_expression_and_the_place(void **unused)
{
	const char *line = last_words(fail_an_assert);

	(void)unused;
	assert_non_null(strstr(line, "assert_test.c:"));
	assert_non_null(strstr(line, ": torc_assert(1 + 1 == 3)\n"));
}

static void
a_check_is_on_by_default_and_an_audit_is_not(void **unused)
{
	int evaluated = 0;

	(void)unused;
	torc_audit(++evaluated == 0);

	assert_int_equal(evaluated, 0);
	assert_non_null(strstr(last_words(fail_a_check), "1 + 1 == 3"));
}

static void
a_condition_is_evaluated_once(void **unused)
{
	int evaluated = 0;

	(void)unused;
	torc_assert(++evaluated == 1);
	torc_check(++evaluated == 2);

	assert_int_equal(evaluated, 2);
}

static void
a_panic_says_its_sentence_on_one_line(void **unused)
{
	(void)unused;

	assert_string_equal(last_words(panic_with_a_number),
		"torc: panic: stack of serve is full: 65536 bytes\n");
}

static void
a_long_panic_is_cut_and_still_ends_its_line(void **unused)
{
	const char *line = last_words(panic_at_length);

	(void)unused;
	assert_true(strlen(line) <= 512);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_failed_assert_names_the_expression_and_the_place),
		cmocka_unit_test(a_check_is_on_by_default_and_an_audit_is_not),
		cmocka_unit_test(a_condition_is_evaluated_once),
		cmocka_unit_test(a_panic_says_its_sentence_on_one_line),
		cmocka_unit_test(a_long_panic_is_cut_and_still_ends_its_line),
	};

	return cmocka_run_group_tests_name("base/assert", tests, NULL, NULL);
}
