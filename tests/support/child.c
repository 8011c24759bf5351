/* SPDX-License-Identifier: MIT */
#include "tests/support/child.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <torc/core/runtime.h>

#include "tests/test.h"

#define CHILD_SECONDS 60

static char last_text[4096];

int
fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -3; /* itself, "." and ".." */

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* In the child. */
static void
prepare(int stderr_fd)
{
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	/* cmocka's handlers are for the parent. */
	for (int signo = 1; signo < 32; signo++)
		signal(signo, SIG_DFL);
	dup2(stderr_fd, STDERR_FILENO);
	alarm(CHILD_SECONDS);
}

/* What does not fit is read all the same: the child must not wait for it. */
static void
read_to_the_end(int fd, char *text, size_t text_bytes)
{
	size_t len = 0;
	char rest[256];
	ssize_t got;

	while (len < text_bytes - 1 &&
		(got = read(fd, text + len, text_bytes - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	while (read(fd, rest, sizeof(rest)) > 0)
		;
}

int
run_in_child(int (*fn)(void), char *text, size_t text_bytes)
{
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prepare(fds[1]);
		_exit(fn());
	}
	close(fds[1]);
	read_to_the_end(fds[0], text, text_bytes);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

const char *
child_text(int (*fn)(void), int expected)
{
	int status = run_in_child(fn, last_text, sizeof(last_text));

	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail_msg("a child ends with wait status %#x, not by %d: \"%s\"",
			(unsigned)status, expected, last_text);
	return last_text;
}

const char *
last_words(int (*fn)(void))
{
	int status = run_in_child(fn, last_text, sizeof(last_text));

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("a child ends with wait status %#x, not by SIGABRT: "
			 "\"%s\"",
			(unsigned)status, last_text);
	return last_text;
}

static torc_task_fn *main_fn;
static void *main_arg;
static uint32_t main_shards;

static int
run_main(void)
{
	struct torc_options options = { .shards = main_shards };

	return torc_run(&options, main_fn, main_arg);
}

const char *
last_words_of_run(torc_task_fn *fn, void *arg, uint32_t shards)
{
	main_fn = fn;
	main_arg = arg;
	main_shards = shards;
	return last_words(run_main);
}

void
assert_says(const char *text, const char *words)
{
	if (strstr(text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

void
assert_mistakes_of(const struct mistake_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_says(last_words(rows[i].fn), rows[i].words);
}
