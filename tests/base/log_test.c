/* SPDX-License-Identifier: MIT */
/*
 * Goal    A line comes out whole, in one write, whatever is in it and however
 *         many threads log.
 * Method  stderr is a file in memory while a test logs; it is read back.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <torc/base/log.h>

#include "tests/test.h"

static int stderr_saved = -1, stderr_file = -1;
static char output[256 * 1024];

static void
capture_begin(void)
{
	stderr_saved = dup(STDERR_FILENO);
	stderr_file = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(stderr_saved >= 0 && stderr_file >= 0);
	/* Only appending writes of several threads keep out of each other. */
	assert_int_equal(fcntl(stderr_file, F_SETFL, O_APPEND), 0);
	assert_true(dup2(stderr_file, STDERR_FILENO) >= 0);
}

static const char *
capture_end(void)
{
	ssize_t len = pread(stderr_file, output, sizeof(output) - 1, 0);

	(void)dup2(stderr_saved, STDERR_FILENO);
	(void)close(stderr_saved);
	(void)close(stderr_file);
	assert_true(len >= 0);
	output[len] = '\0';
	return output;
}

static int
set_up(void **unused)
{
	(void)unused;
	torc_log_level_set(TORC_LOG_DEBUG);
	torc_log_name("torc");
	return 0;
}

static void
log_at_every_level(void)
{
	torc_log(TORC_LOG_ERROR, "e%d", 1);
	torc_log(TORC_LOG_WARN, "w%d", 2);
	torc_log(TORC_LOG_INFO, "i%d", 3);
	torc_log(TORC_LOG_DEBUG, "d%d", 4);
}

/* The environment is read once in a process, hence a child for each word. */
static const char *
lines_with_environment(const char *word)
{
	int status;
	pid_t child;

	capture_begin();
	child = fork();
	if (child == 0) {
		if (word == NULL)
			(void)unsetenv("TORC_LOG");
		else
			(void)setenv("TORC_LOG", word, 1);
		log_at_every_level();
		_exit(0);
	}
	(void)waitpid(child, &status, 0);
	return capture_end();
}

static void
the_environment_sets_the_level(void **unused)
{
	(void)unused;

	assert_string_equal(
		lines_with_environment("error"), "torc: error: e1\n");
	assert_string_equal(lines_with_environment("warn"),
		"torc: error: e1\ntorc: warn: w2\n");
	assert_string_equal(lines_with_environment("debug"),
		"torc: error: e1\ntorc: warn: w2\ntorc: i3\n"
		"torc: debug: d4\n");
}

static void
without_a_known_word_the_level_is_info(void **unused)
{
	static const char expected[] =
		"torc: error: e1\ntorc: warn: w2\ntorc: i3\n";

	(void)unused;
	assert_string_equal(lines_with_environment(NULL), expected);
	assert_string_equal(lines_with_environment(""), expected);
	assert_string_equal(lines_with_environment("loud"), expected);
}

static void
a_set_level_drops_what_matters_less(void **unused)
{
	(void)unused;
	capture_begin();
	torc_log_level_set(TORC_LOG_WARN);
	log_at_every_level();

	assert_string_equal(capture_end(), "torc: error: e1\ntorc: warn: w2\n");
}

static void
a_line_begins_with_the_program_name(void **unused)
{
	(void)unused;
	capture_begin();
	torc_log_name("torc-proxy");
	torc_log(TORC_LOG_INFO, "ready");
	torc_log(TORC_LOG_WARN, "slow");

	assert_string_equal(
		capture_end(), "torc-proxy: ready\ntorc-proxy: warn: slow\n");
}

static void
control_characters_cannot_forge_a_line(void **unused)
{
	(void)unused;
	capture_begin();
	torc_log(TORC_LOG_INFO, "%s", "a\nb\r\033[31m\x7f\t\xc3\xa9");

	assert_string_equal(capture_end(),
		"torc: a\\x0ab\\x0d\\x1b[31m\\x7f\\x09\xc3\xa9\n");
}

static void
a_line_of_exactly_the_limit_is_whole(void **unused)
{
	char text[TORC_LOG_LINE_MAX - sizeof("torc: ") + 1];
	const char *line;

	(void)unused;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	capture_begin();
	torc_log(TORC_LOG_INFO, "%s", text);
	line = capture_end();

	assert_int_equal(strlen(line), TORC_LOG_LINE_MAX);
	assert_string_equal(line + TORC_LOG_LINE_MAX - 3, "xx\n");
}

static void
a_longer_line_is_cut_and_says_so(void **unused)
{
	static char text[3 * TORC_LOG_LINE_MAX];

	(void)unused;
	for (size_t len = TORC_LOG_LINE_MAX - 6; len < sizeof(text); len += 7) {
		const char *line;

		memset(text, len % 2 == 0 ? 'x' : '\n', len);
		text[len] = '\0';
		capture_begin();
		torc_log(TORC_LOG_INFO, "%s", text);
		line = capture_end();

		assert_true(strlen(line) <= TORC_LOG_LINE_MAX);
		assert_true(strlen(line) > TORC_LOG_LINE_MAX - 5);
		assert_string_equal(line + strlen(line) - 4, "...\n");
	}
}

static void
errno_survives_a_log_call(void **unused)
{
	int error;

	(void)unused;
	capture_begin();
	(void)close(STDERR_FILENO);
	errno = ENOTTY;
	torc_log(TORC_LOG_INFO, "into nowhere");
	error = errno;
	(void)capture_end();

	assert_int_equal(error, ENOTTY);
}

#define THREADS 4
#define LINES_EACH 300

static void *
log_many(void *arg)
{
	char fill[200];

	memset(fill, 'a' + (int)(intptr_t)arg, sizeof(fill));
	for (int i = 0; i < LINES_EACH; i++) {
		torc_log(TORC_LOG_INFO, "%.*s", (int)sizeof(fill), fill);
		if (i % 50 == 0)
			torc_log_level_set(TORC_LOG_DEBUG);
	}
	return NULL;
}

static void
lines_of_several_threads_do_not_mix(void **unused)
{
	pthread_t threads[THREADS];
	unsigned count = 0;

	(void)unused;
	capture_begin();
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, log_many, (void *)i),
			0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);

	for (const char *line = capture_end(); *line != '\0'; count++) {
		size_t len = strcspn(line, "\n");

		assert_int_equal(len, strlen("torc: ") + 200);
		assert_memory_equal(line, "torc: ", 6);
		assert_memory_equal(line + 6, line + 7, 199);
		line += len + 1;
	}
	assert_int_equal(count, THREADS * LINES_EACH);
}

#define WITH_DEFAULTS(test) cmocka_unit_test_setup(test, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: later tests have set a level. */
		cmocka_unit_test(the_environment_sets_the_level),
		cmocka_unit_test(without_a_known_word_the_level_is_info),
		WITH_DEFAULTS(a_set_level_drops_what_matters_less),
		WITH_DEFAULTS(a_line_begins_with_the_program_name),
		WITH_DEFAULTS(control_characters_cannot_forge_a_line),
		WITH_DEFAULTS(a_line_of_exactly_the_limit_is_whole),
		WITH_DEFAULTS(a_longer_line_is_cut_and_says_so),
		WITH_DEFAULTS(errno_survives_a_log_call),
		WITH_DEFAULTS(lines_of_several_threads_do_not_mix),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
