/* SPDX-License-Identifier: MIT */
/*
 * Goal    Standard input, output and error serve a task, whatever they are,
 *         and are afterwards what they were before.
 * Method  The real kernel. Each case is a process of its own, whose
 *         descriptors 0 and 1 it replaces by pipes, files and a terminal.
 */
#include <sys/wait.h>

#include "tests/core/io/fixture.h"
#include "tests/support/fake_shard.h"

/* As the program's own standard descriptors, and the far ends of them. */
static int far_in, far_out;

static void
replace(int fd, int number)
{
	must_be(dup2(fd, number), number);
	close(fd);
}

static void
replace_by_pipes(void)
{
	int in[2], out[2];

	must_be(pipe2(in, O_CLOEXEC), 0);
	must_be(pipe2(out, O_CLOEXEC), 0);
	replace(in[0], STDIN_FILENO);
	replace(out[1], STDOUT_FILENO);
	far_in = in[1];
	far_out = out[0];
}

/* The near end is standard input; returns the far end. */
static int
replace_by_terminal(void)
{
	int far = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];
	int near;

	must(far >= 0);
	must_be(grantpt(far), 0);
	must_be(unlockpt(far), 0);
	must_be(ptsname_r(far, name, sizeof(name)), 0);
	near = open(name, O_RDWR | O_NOCTTY);
	must(near >= 0);
	replace(near, STDIN_FILENO);
	return far;
}

/* On one shard; what must() finds ends the process, and a hang does. */
static int
run(torc_task_fn *fn)
{
	struct torc_options options = { .shards = 1 };

	/* What a check that fails has to say is for the parent. */
	stdout = stderr;
	alarm(CASE_SECONDS_MAX);
	return torc_run(&options, fn, NULL);
}

static void
expect_0(int (*fn)(void))
{
	char text[1024] = "";
	int status = run_in_child(fn, text, sizeof(text));

	if (status != 0)
		print_message("%s\n", text);
	assert_int_equal(status, 0);
}

/* ---- pipes ---- */

static int
use_pipes(void *unused)
{
	char buf[16] = "";

	(void)unused;
	must_be(write(far_in, "in", 2), 2);
	must_be(torc_pipe_read(torc_stdin(), buf, sizeof(buf)), 2);
	must_be(memcmp(buf, "in", 2), 0);
	must_be(torc_pipe_write_all(torc_stdout(), "out", 3), 3);
	must_be(read(far_out, buf, sizeof(buf)), 3);
	must_be(memcmp(buf, "out", 3), 0);
	must(torc_stdout() == torc_stdout());

	torc_pipe_close(torc_stdin());
	must_be(write(far_in, "in", 2), 2);
	must_be(torc_pipe_read(torc_stdin(), buf, sizeof(buf)), 2);
	return 0;
}

static int
run_pipes(void)
{
	char buf[16];

	replace_by_pipes();
	for (int i = 0; i < 2; i++) {
		must_be(run(use_pipes), 0);
		must_be(fcntl(STDIN_FILENO, F_GETFD), 0);
		must_be(fcntl(STDOUT_FILENO, F_GETFD), 0);
		must(!(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK));
		must(!(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK));
	}
	must_be(write(far_in, "still", 5), 5);
	must_be(read(STDIN_FILENO, buf, sizeof(buf)), 5);
	return 0;
}

static void
they_work_and_stay_as_they_were(void **unused)
{
	(void)unused;
	expect_0(run_pipes);
}

/* ---- nobody reads ---- */

static int
write_in_vain(void *unused)
{
	(void)unused;
	must_be(torc_pipe_write_all(torc_stdout(), "x", 1), -EPIPE);
	return 0;
}

static int
run_in_vain(void)
{
	sigset_t pending;

	replace_by_pipes();
	close(far_out);
	must_be(run(write_in_vain), 0);
	must_be(sigpending(&pending), 0);
	must(!sigismember(&pending, SIGPIPE));
	return 0;
}

static void
output_that_nobody_reads_is_an_error_and_no_signal(void **unused)
{
	(void)unused;
	expect_0(run_in_vain);
}

/* ---- many writers ---- */

#define WRITERS 10
#define LINE_BYTES 9000 /* more than a pipe takes as one */

static int
write_lines(void *arg)
{
	char line[LINE_BYTES];

	memset(line, 'a' + (int)(intptr_t)arg, sizeof(line));
	for (int i = 0; i < 5; i++)
		must_be(torc_pipe_write_all(torc_stdout(), line, LINE_BYTES),
			LINE_BYTES);
	return 0;
}

static int
write_at_once(void *unused)
{
	char line[LINE_BYTES], same[LINE_BYTES];

	(void)unused;
	for (intptr_t i = 0; i < WRITERS; i++)
		must_be(torc_spawn(NULL, write_lines, (void *)i), 0);
	for (int i = 0; i < 5 * WRITERS; i++) {
		size_t at = 0;

		while (at < LINE_BYTES) {
			struct pollfd some = { far_out, POLLIN, 0 };

			wait_until(poll(&some, 1, 0) == 1);
			at += (size_t)read(far_out, line + at, LINE_BYTES - at);
		}
		memset(same, line[0], LINE_BYTES);
		must_be(memcmp(line, same, LINE_BYTES), 0);
	}
	return 0;
}

static int
run_at_once(void)
{
	replace_by_pipes();
	return run(write_at_once);
}

static void
what_many_tasks_write_at_once_is_not_mixed(void **unused)
{
	(void)unused;
	expect_0(run_at_once);
}

/* ---- a terminal ---- */

static char buf_in[64];

static int
read_lines(void *unused)
{
	struct torc_deadline deadline;

	(void)unused;
	for (int i = 0; i < 3; i++) {
		torc_deadline_begin(&deadline, TORC_MS);
		must_be(torc_pipe_read(torc_stdin(), buf_in, sizeof(buf_in)),
			-ETIMEDOUT);
		torc_deadline_end(&deadline);

		must_be(write(far_in, "a line\n", 7), 7);
		must_be(torc_pipe_read(torc_stdin(), buf_in, sizeof(buf_in)),
			7);
		must_be(memcmp(buf_in, "a line\n", 7), 0);
	}
	return 0;
}

static int
wait_and_leave(void *unused)
{
	static struct torc_pipe_read read = { .buf = buf_in, .bytes = 1 };

	(void)unused;
	torc_pipe_read_start(torc_stdin(), &read);
	torc_sleep(5 * TORC_MS);
	must(!torc_future_is_ready(&read.done));
	return 0;
}

static int
run_terminal(void)
{
	far_in = replace_by_terminal();
	must_be(run(read_lines), 0);
	for (int i = 0; i < 3; i++)
		must_be(run(wait_and_leave), 0);
	must(!(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK));
	/* No reader was left behind that would take this one. */
	must_be(write(far_in, "mine\n", 5), 5);
	must_be(read(STDIN_FILENO, buf_in, sizeof(buf_in)), 5);
	return 0;
}

static void
a_terminal_does_not_keep_the_runtime_from_ending(void **unused)
{
	(void)unused;
	expect_0(run_terminal);
}

static int
read_until_hangup(void *unused)
{
	struct torc_pipe_read read = { .buf = buf_in, .bytes = 1 };
	int64_t ret;

	(void)unused;
	torc_pipe_read_start(torc_stdin(), &read);
	torc_sleep(TORC_MS);
	close(far_in);
	ret = torc_await(&read.done);
	must(ret == 0 || ret == -EIO);
	return 0;
}

static int
run_hangup(void)
{
	far_in = replace_by_terminal();
	return run(read_until_hangup);
}

static void
a_terminal_that_hangs_up_ends_the_read(void **unused)
{
	(void)unused;
	expect_0(run_hangup);
}

/* ---- no pipe at all ---- */

static int
use_odd_ones(void *unused)
{
	(void)unused;
	must_be(torc_pipe_read(torc_stdin(), buf_in, 4), 0);
	must_be(torc_pipe_write_all(torc_stdout(), "gone", 4), 4);
	must_be(torc_pipe_write_all(torc_stderr(), "", 0), 0);
	return 0;
}

static int
use_wrong_ones(void *unused)
{
	(void)unused;
	must_be(torc_pipe_read(torc_stdin(), buf_in, 4), -EBADF);
	must_be(torc_pipe_write_all(torc_stdout(), "gone", 4), -EBADF);
	return 0;
}

static int
run_odd_ones(void)
{
	replace(open("/dev/null", O_RDONLY), STDIN_FILENO);
	replace(open("/dev/null", O_WRONLY), STDOUT_FILENO);
	must_be(run(use_odd_ones), 0);
	/* Open, but the wrong way round. */
	replace(open("/dev/null", O_WRONLY), STDIN_FILENO);
	replace(open("/dev/null", O_RDONLY), STDOUT_FILENO);
	return run(use_wrong_ones);
}

static void
a_device_has_an_end_and_takes_everything(void **unused)
{
	(void)unused;
	expect_0(run_odd_ones);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_work_and_stay_as_they_were),
		cmocka_unit_test(
			output_that_nobody_reads_is_an_error_and_no_signal),
		cmocka_unit_test(what_many_tasks_write_at_once_is_not_mixed),
		cmocka_unit_test(
			a_terminal_does_not_keep_the_runtime_from_ending),
		cmocka_unit_test(a_terminal_that_hangs_up_ends_the_read),
		cmocka_unit_test(a_device_has_an_end_and_takes_everything),
	};

	return cmocka_run_group_tests_name("core/io/stdio", tests, NULL, NULL);
}
