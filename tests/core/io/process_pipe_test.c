/* SPDX-License-Identifier: MIT */
/*
 * Goal    What goes into a child and what comes out of it is whole and in
 *         order, and each end learns of the other's.
 * Method  The real kernel and real programs: cat, head, sh, sleep, yes. After
 *         each case this process has no child at all.
 */
#include "tests/core/io/process_fixture.h"

static int
feed(void *arg)
{
	struct torc_process *process = arg;

	for (size_t at = 0; at < 1 << 20; at += POOL_PIECE)
		must_be(torc_pipe_write_all(torc_process_stdin(process),
				bytes_at(at), POOL_PIECE),
			POOL_PIECE);
	torc_pipe_close(torc_process_stdin(process));
	must(torc_process_stdin(process) == NULL);
	return 0;
}

static int
a_mebibyte_goes_through_cat_and_comes_back(void *unused)
{
	static uint8_t buf[POOL_PIECE];
	struct torc_process_options options = { .in.how = TORC_PROCESS_PIPE,
		.out.how = TORC_PROCESS_PIPE };
	struct torc_process *process = spawn_as(options, ARGV("cat"));
	struct torc_task *task;
	size_t at = 0;
	ssize_t got;

	(void)unused;
	must(torc_process_stderr(process) == NULL);
	must_be(torc_spawn(&task, feed, process), 0);
	while ((got = torc_pipe_read(
			torc_process_stdout(process), buf, sizeof(buf))) > 0) {
		must(is_right(buf, at, (size_t)got));
		at += (size_t)got;
	}
	must_be(at, 1 << 20);
	must_be(torc_join(task, NULL), 0);
	must_be(wait_and_close(process).code, 0);
	return 0;
}

static int
one_child_writes_into_the_other(void *unused)
{
	struct torc_process_options first = { .out.how = TORC_PROCESS_PIPE };
	struct torc_process_options second = { .out.how = TORC_PROCESS_PIPE };
	struct torc_process *yes = spawn_as(first, ARGV("yes"));
	struct torc_process *head;

	(void)unused;
	second.in = (struct torc_process_stdio){ TORC_PROCESS_FD,
		torc_pipe_fd(torc_process_stdout(yes)) };
	head = spawn_as(second, ARGV("head", "-n", "3"));
	torc_pipe_close(torc_process_stdout(yes));

	must_be_text(read_all(torc_process_stdout(head)), "y\ny\ny\n");
	must_be(torc_process_wait(head, NULL), 0);
	torc_process_close(head);
	/* Nobody reads any more, and nobody has blocked its SIGPIPE. */
	must_be(wait_and_close(yes).signo, SIGPIPE);
	return 0;
}

static int
one_that_closes_its_output_early_is_still_waited_for(void *unused)
{
	struct torc_process_options options = { .out.how = TORC_PROCESS_PIPE,
		.in.how = TORC_PROCESS_PIPE };
	struct torc_process *process =
		spawn_as(options, SH("exec >&-; read line; exit 7"));
	char byte;

	(void)unused;
	must_be(torc_pipe_read(torc_process_stdout(process), &byte, 1), 0);
	must_be(torc_process_try_wait(process, NULL), -EAGAIN);
	must_be(torc_pipe_write_all(torc_process_stdin(process), "\n", 1), 1);
	must_be(wait_and_close(process).code, 7);
	return 0;
}

static int
closing_it_ends_who_reads_its_output(void *unused)
{
	struct torc_process_options options = { .out.how = TORC_PROCESS_PIPE };
	struct torc_process *process = spawn_as(options, ARGV("sleep", "1000"));
	char byte;
	struct torc_pipe_read read = { .buf = &byte, .bytes = 1 };

	(void)unused;
	torc_pipe_read_start(torc_process_stdout(process), &read);
	turn();
	torc_process_close(process);
	must_be(torc_await(&read.done), -ECANCELED);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_THREAD(a_mebibyte_goes_through_cat_and_comes_back),
		WITH_THREAD(one_child_writes_into_the_other),
		WITH_THREAD(
			one_that_closes_its_output_early_is_still_waited_for),
		WITH_THREAD(closing_it_ends_who_reads_its_output),
	};

	return cmocka_run_group_tests_name(
		"core/io/process_pipe", tests, start_a_thread, NULL);
}
