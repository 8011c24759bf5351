/* SPDX-License-Identifier: MIT */
/*
 * Goal    A child that is run to its end gets all of its input and gives all
 *         of its output, or nothing of it is left.
 * Method  The real kernel and real programs; cancels and deadlines at any
 *         time. After each case this process has no child at all.
 */
#include "tests/core/io/process_fixture.h"

#define INPUT_BYTES ((size_t)1 << 20)

static int
run(const char *const *argv, struct torc_process_output *output)
{
	struct torc_process_options options = { .argv = argv };

	return torc_process_run(&options, NULL, 0, output);
}

static int
both_outputs_and_the_status_come_back(void *unused)
{
	struct torc_process_output output;

	(void)unused;
	must_be(run(SH("echo one; echo two >&2; read x; exit 4"), &output), 0);
	must(is_childless());

	must_be(output.status.code, 4);
	must_be(output.out_bytes, 4);
	must_be(strcmp(output.out, "one\n"), 0);
	must_be(output.err_bytes, 4);
	must_be(strcmp(output.err, "two\n"), 0);
	torc_process_output_free(&output);
	return 0;
}

static int
nothing_is_an_output_too(void *unused)
{
	struct torc_process_options options = { .argv = SH("kill -9 $$"),
		.err.how = TORC_PROCESS_NULL };
	struct torc_process_output output;

	(void)unused;
	must_be(torc_process_run(&options, NULL, 0, &output), 0);

	must_be(output.status.signo, SIGKILL);
	must_be(strcmp(output.out, ""), 0);
	must_be(output.out_bytes, 0);
	must(output.err == NULL);
	torc_process_output_free(&output);
	return 0;
}

static int
more_than_any_pipe_holds_goes_in_and_out(void *unused)
{
	struct torc_process_options options = { .argv = SH("tee /dev/stderr") };
	uint8_t *input = copy_of_bytes(0, INPUT_BYTES);
	struct torc_process_output output;

	(void)unused;
	must_be(torc_process_run(&options, input, INPUT_BYTES, &output), 0);

	must_be(output.status.code, 0);
	must_be(output.out_bytes, INPUT_BYTES);
	must_be(output.err_bytes, INPUT_BYTES);
	must(is_right(output.out, 0, INPUT_BYTES));
	must(is_right(output.err, 0, INPUT_BYTES));
	torc_process_output_free(&output);
	free(input);
	return 0;
}

static int
input_that_is_not_read_is_no_error(void *unused)
{
	struct torc_process_options options = { .argv = SH("exit 5") };
	uint8_t *input = copy_of_bytes(0, INPUT_BYTES);
	struct torc_process_output output;

	(void)unused;
	must_be(torc_process_run(&options, input, INPUT_BYTES, &output), 0);
	must_be(output.status.code, 5);
	torc_process_output_free(&output);

	options.argv = ARGV("cat");
	must_be(torc_process_run(&options, input, 0, &output), 0);
	must_be(output.out_bytes, 0);
	torc_process_output_free(&output);
	free(input);
	return 0;
}

static int
output_past_its_bound_is_an_error(void *unused)
{
	struct torc_process_options options = { .argv = ARGV("printf", "12345"),
		.output_bytes_max = 5 };
	struct torc_process_output output;

	(void)unused;
	must_be(torc_process_run(&options, NULL, 0, &output), 0);
	must_be(strcmp(output.out, "12345"), 0);
	torc_process_output_free(&output);

	options.output_bytes_max = 4;
	must_be(torc_process_run(&options, NULL, 0, &output), -EMSGSIZE);
	options.argv = ARGV("yes");
	options.output_bytes_max = 100000;
	must_be(torc_process_run(&options, NULL, 0, &output), -EMSGSIZE);
	wait_until(is_childless());
	return 0;
}

static int
output_is_read_until_the_last_who_has_it_closes_it(void *unused)
{
	struct torc_process_output output;

	(void)unused;
	must_be(run(SH("(sleep 0.05; echo late) & echo early"), &output), 0);
	must_be(strcmp(output.out, "early\nlate\n"), 0);
	torc_process_output_free(&output);
	return 0;
}

static int
what_does_not_start_is_told(void *unused)
{
	struct torc_process_output output;

	(void)unused;
	must_be(run(ARGV("torc-no-such-program"), &output), -ENOENT);
	must(is_childless());
	return 0;
}

static int
a_deadline_ends_it_at_any_time(void *unused)
{
	uint8_t *input = copy_of_bytes(0, INPUT_BYTES);
	struct torc_process_options options = { .argv = ARGV("cat") };
	unsigned in_time = 0;

	(void)unused;
	for (int i = 0; i < 60; i++) {
		struct torc_process_output output;
		struct torc_deadline deadline;
		int ret;

		torc_deadline_begin(&deadline, random_u64() % (4 * TORC_MS));
		ret = torc_process_run(&options, input, INPUT_BYTES, &output);
		torc_deadline_end(&deadline);
		must(ret == 0 || ret == -ETIMEDOUT);
		if (ret == 0) {
			in_time++;
			must(is_right(output.out, 0, INPUT_BYTES));
			torc_process_output_free(&output);
		}
		wait_until(is_childless());
	}
	print_message("%u of 60 in time\n", in_time);
	free(input);
	return 0;
}

static int
run_forever(void *unused)
{
	struct torc_process_options options = { .argv = SH("yes & sleep 1000"),
		.own_group = true,
		.out.how = TORC_PROCESS_NULL };
	struct torc_process_output output;

	(void)unused;
	return torc_process_run(&options, "x", 1, &output);
}

static int
a_cancel_kills_it(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20; i++) {
		struct torc_task *task;
		int result;

		must_be(torc_spawn(&task, run_forever, NULL), 0);
		torc_sleep(random_u64() % (5 * TORC_MS));
		torc_cancel_join(task, &result);
		must_be(result, -ECANCELED);
		wait_until(is_childless());
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_THREAD(both_outputs_and_the_status_come_back),
		WITH_THREAD(nothing_is_an_output_too),
		WITH_THREAD(more_than_any_pipe_holds_goes_in_and_out),
		WITH_THREAD(input_that_is_not_read_is_no_error),
		WITH_THREAD(output_past_its_bound_is_an_error),
		WITH_THREAD(output_is_read_until_the_last_who_has_it_closes_it),
		WITH_THREAD(what_does_not_start_is_told),
		WITH_THREAD(a_deadline_ends_it_at_any_time),
		WITH_THREAD(a_cancel_kills_it),
	};

	return cmocka_run_group_tests_name(
		"core/io/process_run", tests, start_a_thread, NULL);
}
