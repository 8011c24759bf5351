/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_PROCESS_FIXTURE_H
#define TORC_TESTS_CORE_IO_PROCESS_FIXTURE_H

/*
 * process_fixture - children that are real programs
 *
 * WITH_THREAD(fn) is WITH_TORC(fn) with one thread of the blocking pool,
 * which start_a_thread() has made before: it is the set-up of the group.
 */

#include <signal.h>
#include <sys/wait.h>

#include "tests/core/io/fixture.h"

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SH(script) ARGV("sh", "-c", script)

/* True when no child is left, dead or alive. */
static inline bool
is_childless(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
	       errno == ECHILD;
}

static inline struct torc_process *
spawn_as(struct torc_process_options options, const char *const *argv)
{
	struct torc_process *process;

	options.argv = argv;
	must_be(torc_process_spawn(&process, &options), 0);
	return process;
}

static inline struct torc_process *
spawn(const char *const *argv)
{
	return spawn_as((struct torc_process_options){ 0 }, argv);
}

static inline int
spawn_error(struct torc_process_options options, const char *const *argv)
{
	struct torc_process *process;
	int ret;

	options.argv = argv;
	ret = torc_process_spawn(&process, &options);
	must(ret < 0);
	must(is_childless());
	return ret;
}

static inline struct torc_exit_status
wait_and_close(struct torc_process *process)
{
	struct torc_exit_status status;

	must_be(torc_process_wait(process, &status), 0);
	torc_process_close(process);
	must(is_childless());
	return status;
}

/* All that comes until the end, as a string. */
static inline const char *
read_all(struct torc_pipe *pipe)
{
	static char text[8192];
	size_t len = 0;
	ssize_t got;

	while ((got = torc_pipe_read(pipe, text + len, 1000)) > 0) {
		len += (size_t)got;
		must(len < sizeof(text) - 1000);
	}
	must_be(got, 0);
	text[len] = '\0';
	return text;
}

/* What a child writes to its output. */
static inline const char *
output_of(struct torc_process_options options, const char *const *argv)
{
	struct torc_process *process;
	const char *text;

	options.out.how = TORC_PROCESS_PIPE;
	process = spawn_as(options, argv);
	text = read_all(torc_process_stdout(process));
	must_be(wait_and_close(process).code, 0);
	return text;
}

static inline void
must_be_text(const char *actual, const char *expected)
{
	if (strcmp(actual, expected) != 0)
		printf("\"%s\" instead of \"%s\"\n", actual, expected);
	must(strcmp(actual, expected) == 0);
}

static inline int
run_no_job(void *unused)
{
	(void)unused;
	return torc_blocking(do_nothing, NULL, NULL);
}

/* The C library keeps something of the first thread for the next. */
static inline int
start_a_thread(void **unused)
{
	struct torc_options options = { .shards = 1,
		.blocking_threads_max = 1 };

	(void)unused;
	/* A folder that may not be entered would make -ENOENT an -EACCES. */
	setenv("PATH", "/usr/bin:/bin", 1);
	return torc_run(&options, run_no_job, NULL);
}

#define WITH_THREAD(fn_) TORC_CASE(fn_, .options.blocking_threads_max = 1)

#endif /* TORC_TESTS_CORE_IO_PROCESS_FIXTURE_H */
