/* SPDX-License-Identifier: MIT */
/*
 * Goal    When memory runs out for a pipe, a child or a signal, the call says
 *         so, and nothing stays behind: no descriptor, no child, no mask.
 * Method  A scenario runs with its first allocation failing, then with its
 *         second, and so on until none fails.
 */
#include "tests/core/io/process_fixture.h"
#include "tests/support/failing_alloc.h"

static bool
is_blocked(int signo)
{
	sigset_t mask;

	must_be(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	return sigismember(&mask, signo);
}

static unsigned fds_before;

static void
judge(int result, bool has_failed)
{
	must_be(result, has_failed ? -ENOMEM : 0);
	wait_until(is_shard_quiet() && is_childless());
	must_be(fds_count(), fds_before);
	must(!is_blocked(SIGPIPE) && !is_blocked(SIGINT));
}

static uint32_t
fail_each(int (*scenario)(void))
{
	fds_before = fds_count();
	return alloc_fail_each(scenario, judge);
}

static int
open_a_pipe(void)
{
	struct torc_pipe *reader, *writer;
	int ret = torc_pipe_open(&reader, &writer);

	if (ret < 0)
		return ret;
	torc_pipe_close(reader);
	torc_pipe_close(writer);
	return 0;
}

static int
write_to_standard_error(void)
{
	ssize_t ret = torc_pipe_write_all(torc_stderr(), "\n", 1);

	torc_pipe_close(torc_stderr());
	return ret < 0 ? (int)ret : 0;
}

static int
wait_for_an_interrupt(void)
{
	struct torc_interrupt interrupt;

	torc_interrupt_start(&interrupt);
	torc_future_cancel(&interrupt.done);
	return interrupt.done.value == -ECANCELED ? 0
						  : (int)interrupt.done.value;
}

static int
run_a_child(void)
{
	struct torc_process_options options = {
		.argv = (const char *const[]){ "sh", "-c",
			"head -c 20000 /dev/zero; cat >&2", NULL },
	};
	struct torc_process_output output;
	int ret = torc_process_run(&options, "input", 5, &output);

	if (ret < 0)
		return ret;
	must_be(output.out_bytes, 20000);
	must_be(output.err_bytes, 5);
	torc_process_output_free(&output);
	return 0;
}

static int
each_allocation_may_fail(void *unused)
{
	(void)unused;
	/* Its thread is made before descriptors are counted. */
	must_be(torc_blocking(do_nothing, NULL, NULL), 0);
	must_be(fail_each(open_a_pipe), 2);
	must_be(fail_each(write_to_standard_error), 1);
	must_be(fail_each(wait_for_an_interrupt), 1);
	/* The child, three pipes, and two buffers, one of which grows. */
	must(fail_each(run_a_child) >= 7);
	return 0;
}

static void
without_memory_nothing_is_left_half_done(void **unused)
{
	struct torc_options options = { .shards = 1 };
	unsigned fds_outside = fds_count();

	(void)unused;
	alarm(CASE_SECONDS_MAX);
	must_be(torc_run(&options, each_allocation_may_fail, NULL), 0);
	must_be(fds_count(), fds_outside);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_nothing_is_left_half_done),
	};

	return cmocka_run_group_tests_name(
		"core/io/process_fault", tests, NULL, NULL);
}
