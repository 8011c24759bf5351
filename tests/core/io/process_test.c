/* SPDX-License-Identifier: MIT */
/*
 * Goal    A child's end is told, or brought about, and it leaves nothing: no
 *         zombie, no descriptor, no program that runs on.
 * Method  The real kernel and real programs: cat, sh, sleep, true. After
 *         each case this process has no child at all.
 */
#include "tests/core/io/process_fixture.h"
#include "tests/support/child.h"

/* Dead, and the business of the one that adopts orphans. */
static bool
is_zombie(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "re");
	if (stat != NULL) {
		must_be(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
		fclose(stat);
	}
	return state == 'Z';
}

/* ---- how it ends ---- */

static int
its_exit_code_or_its_signal_is_told(void *unused)
{
	struct torc_exit_status status;

	(void)unused;
	must_be(wait_and_close(spawn(ARGV("true"))).code, 0);
	must_be(wait_and_close(spawn(ARGV("false"))).code, 1);
	must_be(wait_and_close(spawn(SH("exit 255"))).code, 255);

	status = wait_and_close(spawn(SH("kill -USR1 $$")));
	must_be(status.code, -1);
	must_be(status.signo, SIGUSR1);
	must(!status.has_core);
	return 0;
}

static int
it_may_be_asked_again_once_it_has_exited(void *unused)
{
	struct torc_process *process = spawn(SH("exit 3"));
	struct torc_exit_status status;

	(void)unused;
	wait_until(torc_process_try_wait(process, &status) != -EAGAIN);
	must_be(status.code, 3);
	must_be(torc_process_kill(process, SIGKILL), -ESRCH);
	for (int i = 0; i < 3; i++) {
		status.code = -1;
		must_be(torc_process_wait(process, &status), 0);
		must_be(status.code, 3);
	}
	must_be(torc_process_wait(process, NULL), 0);
	torc_process_close(process);
	return 0;
}

static int
nobody_has_to_wait_for_it(void *unused)
{
	struct torc_process *process = spawn(ARGV("true"));

	(void)unused;
	wait_until(is_childless());
	must_be(torc_process_try_wait(process, NULL), 0);
	torc_process_close(process);
	return 0;
}

static int
a_signal_reaches_it(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "1000"));

	(void)unused;
	must_be(torc_process_try_wait(process, NULL), -EAGAIN);
	must_be(kill(torc_process_pid(process), 0), 0);
	must_be(torc_process_kill(process, 1234), -EINVAL);
	must_be(torc_process_kill(process, SIGTERM), 0);
	must_be(wait_and_close(process).signo, SIGTERM);
	return 0;
}

/* Ready once its trap is set; SIGTERM and its own sleep's end it ignores. */
#define STUBBORN "trap '' TERM; echo; while :; do sleep 1000; done"

static int
stopping_asks_first_and_then_insists(void *unused)
{
	struct torc_process_options options = { .out.how = TORC_PROCESS_PIPE,
		.own_group = true };
	struct torc_process *process = spawn(ARGV("sleep", "1000"));
	struct torc_exit_status status;
	char byte;

	(void)unused;
	must_be(torc_process_stop(process, 1000 * TORC_S, &status), 0);
	must_be(status.signo, SIGTERM);
	torc_process_close(process);

	process = spawn_as(options, SH(STUBBORN));
	must_be(torc_pipe_read(torc_process_stdout(process), &byte, 1), 1);
	must_be(torc_process_stop(process, 20 * TORC_MS, &status), 0);
	must_be(status.signo, SIGKILL);
	must_be(torc_process_stop(process, 20 * TORC_MS, &status), 0);
	torc_process_close(process);
	return 0;
}

static int
closing_kills_what_runs(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "1000"));
	pid_t pid = torc_process_pid(process);

	(void)unused;
	torc_process_close(process);
	wait_until(is_childless());
	must(kill(pid, 0) < 0 && errno == ESRCH);
	torc_process_close(NULL);
	return 0;
}

static int
closing_kills_the_whole_group(void *unused)
{
	struct torc_process_options options = { .out.how = TORC_PROCESS_PIPE,
		.own_group = true };
	char text[16] = "";
	struct torc_process *process =
		spawn_as(options, SH("sleep 1000 & echo $!; wait"));
	pid_t grandchild;

	(void)unused;
	must(torc_pipe_read(torc_process_stdout(process), text, 15) > 0);
	grandchild = (pid_t)strtol(text, NULL, 10);
	must_be(getpgid(grandchild), torc_process_pid(process));

	torc_process_close(process);

	wait_until(is_childless());
	wait_until(is_zombie(grandchild));
	return 0;
}

static int
what_is_detached_runs_on_and_is_reaped(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "0.05"));
	pid_t pid = torc_process_pid(process);

	(void)unused;
	torc_process_detach(process);
	turn();
	must_be(kill(pid, 0), 0);
	wait_until(is_childless());
	return 0;
}

static pid_t detached;

static int
detach_and_end(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "1000"));

	(void)unused;
	detached = torc_process_pid(process);
	torc_process_detach(process);
	(void)spawn(ARGV("sleep", "1000"));
	return 0;
}

static void
the_end_of_the_runtime_kills_all_but_the_detached(void **unused)
{
	struct torc_options options = { .shards = 1 };
	siginfo_t info = { 0 };

	(void)unused;
	must_be(torc_run(&options, detach_and_end, NULL), 0);
	must_be(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	must_be(info.si_pid, 0);
	must_be(kill(detached, SIGKILL), 0);
	must_be(waitpid(-1, NULL, 0), detached);
	must(is_childless());
}

/* ---- cancel ---- */

static int
an_interrupted_wait_leaves_it_running(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "1000"));
	struct torc_deadline deadline;

	(void)unused;
	for (int i = 0; i < 20; i++) {
		torc_deadline_begin(&deadline, random_u64() % (50 * TORC_US));
		must_be(torc_process_wait(process, NULL), -ETIMEDOUT);
		torc_deadline_end(&deadline);
	}
	must_be(torc_process_try_wait(process, NULL), -EAGAIN);
	torc_process_close(process);
	return 0;
}

/* While a task is in fn(process), which must end by it. */
static void
close_under(torc_task_fn *fn, struct torc_process *process)
{
	struct torc_task *task;
	int result;

	must_be(torc_spawn(&task, fn, process), 0);
	turn();
	torc_process_close(process);
	must_be(torc_join(task, &result), 0);
	must_be(result, -ECANCELED);
}

static int
wait_for_it(void *process)
{
	return torc_process_wait(process, NULL);
}

static int
closing_ends_a_wait(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "1000"));

	(void)unused;
	close_under(wait_for_it, process);
	return 0;
}

/* It has exited long ago, and there is nothing to wait for. */
static int
wait_again_and_again(void *process)
{
	int ret;

	do
		ret = torc_process_wait(process, NULL);
	while (ret == 0);
	return ret;
}

static int
stop_patiently(void *process)
{
	struct torc_exit_status status;

	return torc_process_stop(process, 1000 * TORC_S, &status);
}

static int
a_stop_by_who_is_cancelled_does_nothing(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "1000"));
	struct torc_exit_status status;
	struct torc_task *task;
	int result;

	(void)unused;
	must_be(torc_spawn(&task, stop_patiently, process), 0);
	torc_cancel_join(task, &result);
	must_be(result, -ECANCELED);
	/* Had it got SIGTERM, this would come too late. */
	must_be(torc_process_kill(process, SIGKILL), 0);
	must_be(torc_process_wait(process, &status), 0);
	must_be(status.signo, SIGKILL);
	torc_process_close(process);
	return 0;
}

static int
closing_ends_who_asks_how_it_ended(void *unused)
{
	struct torc_process *process = spawn(ARGV("true"));

	(void)unused;
	must_be(torc_process_wait(process, NULL), 0);
	close_under(wait_again_and_again, process);
	return 0;
}

static int
closing_ends_a_stop(void *unused)
{
	struct torc_process_options options = { .out.how = TORC_PROCESS_PIPE,
		.own_group = true };
	struct torc_process *process = spawn_as(options, SH(STUBBORN));
	char byte;

	(void)unused;
	must_be(torc_pipe_read(torc_process_stdout(process), &byte, 1), 1);
	close_under(stop_patiently, process);
	wait_until(is_childless());
	return 0;
}

static int
spawn_when_cancelled(void *unused)
{
	struct torc_process_options options = { .argv = ARGV("true") };
	struct torc_process *process;

	(void)unused;
	must_be(torc_sleep(TORC_S), -ECANCELED);
	must_be(torc_process_spawn(&process, &options), -ECANCELED);
	return 0;
}

static int
a_cancelled_spawn_leaves_no_child_or_a_handle(void *unused)
{
	struct torc_process_options options = { .argv = ARGV("true"),
		.out.how = TORC_PROCESS_PIPE };
	struct torc_task *task;

	(void)unused;
	must_be(torc_spawn(&task, spawn_when_cancelled, NULL), 0);
	torc_cancel_join(task, NULL);
	for (int i = 0; i < 30; i++) {
		struct torc_process_spawn spawn;

		torc_process_spawn_start(&spawn, &options);
		if (i % 3 > 0)
			torc_sleep(i % 3 * 30 * TORC_US);
		torc_future_cancel(&spawn.done);
		if (torc_await(&spawn.done) == 0)
			torc_process_close(spawn.process);
		else
			must_be(spawn.done.value, -ECANCELED);
		wait_until(is_childless());
	}
	return 0;
}

/* ---- many, and misuse ---- */

#define MANY 200

static int
two_hundred_at_once(void *unused)
{
	static struct torc_process_spawn spawns[MANY];
	struct torc_process_options options = { .argv = ARGV("cat"),
		.in.how = TORC_PROCESS_PIPE,
		.out.how = TORC_PROCESS_PIPE };

	(void)unused;
	for (int i = 0; i < MANY; i++)
		torc_process_spawn_start(&spawns[i], &options);
	for (int i = 0; i < MANY; i++)
		must_be(torc_await(&spawns[i].done), 0);
	for (int i = 0; i < MANY; i++) {
		struct torc_process *process = spawns[i].process;

		if (i % 2 == 0)
			torc_pipe_close(torc_process_stdin(process));
		else
			must_be(torc_process_kill(process, SIGTERM), 0);
	}
	for (int i = 0; i < MANY; i++) {
		struct torc_exit_status status;

		must_be(torc_process_wait(spawns[i].process, &status), 0);
		must_be(i % 2 == 0 ? status.code : status.signo,
			i % 2 == 0 ? 0 : SIGTERM);
		torc_process_close(spawns[i].process);
	}
	must(is_childless());
	return 0;
}

static int
run_here(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10; i++) {
		struct torc_process *process = spawn(SH("exit 7"));
		struct torc_exit_status status;

		must_be(torc_process_wait(process, &status), 0);
		must_be(status.code, 7);
		torc_process_close(process);
	}
	return 0;
}

static int
run_on_every_shard(void *unused)
{
	return torc_run_on_shards(run_here, unused);
}

static void
every_shard_may_have_its_own(void **unused)
{
	struct torc_options options = { .shards = 2 };

	(void)unused;
	must_be(torc_run(&options, run_on_every_shard, NULL), 0);
	must(is_childless());
}

static int
many_left_open_are_killed_at_the_end(void *unused)
{
	struct torc_process_options options = { .in.how = TORC_PROCESS_PIPE,
		.out.how = TORC_PROCESS_PIPE };
	static struct torc_future waits[20];

	(void)unused;
	for (int i = 0; i < 20; i++)
		torc_process_wait_start(
			spawn_as(options, ARGV("cat")), &waits[i]);
	return 0;
}

static int
leave_spawns_under_way(void *unused)
{
	static struct torc_process_options options = {
		.in.how = TORC_PROCESS_PIPE, .out.how = TORC_PROCESS_PIPE
	};
	static const char *const argv[] = { "cat", NULL };
	static struct torc_process_spawn spawns[5];

	(void)unused;
	options.argv = argv;
	for (int i = 0; i < 5; i++)
		torc_process_spawn_start(&spawns[i], &options);
	return 0;
}

static void
children_that_came_too_late_are_killed(void **unused)
{
	struct torc_options options = { .shards = 1 };
	unsigned fds_before = fds_count();

	(void)unused;
	for (int i = 0; i < 10; i++) {
		must_be(torc_run(&options, leave_spawns_under_way, NULL), 0);
		must(is_childless());
		must_be(fds_count(), fds_before);
	}
}

static int
a_status_that_somebody_else_took_is_told(void *unused)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	struct torc_process *process;

	(void)unused;
	must_be(sigaction(SIGCHLD, &ignore, &old), 0);
	process = spawn(ARGV("true"));
	must_be(torc_process_wait(process, NULL), -ECHILD);
	torc_process_close(process);
	must_be(spawn_error((struct torc_process_options){ 0 },
			ARGV("torc-no-such-program")),
		-ENOENT);
	must_be(sigaction(SIGCHLD, &old, NULL), 0);
	return 0;
}

static int
wait_twice(void *unused)
{
	struct torc_future one, two;
	struct torc_process *process = spawn(ARGV("sleep", "0.1"));

	(void)unused;
	torc_process_wait_start(process, &one);
	torc_process_wait_start(process, &two);
	return 0;
}

static void
two_who_wait_at_once_are_named_as_a_mistake(void **unused)
{
	(void)unused;
	assert_says(last_words_of_run(wait_twice, NULL, 1), "waited for again");
}

static void
two_hundred_on_many_threads_leave_nothing(void **unused)
{
	struct torc_options options = { .shards = 1 };
	unsigned fds_before = fds_count();

	(void)unused;
	must_be(torc_run(&options, two_hundred_at_once, NULL), 0);
	must_be(fds_count(), fds_before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_THREAD(its_exit_code_or_its_signal_is_told),
		WITH_THREAD(it_may_be_asked_again_once_it_has_exited),
		WITH_THREAD(nobody_has_to_wait_for_it),
		WITH_THREAD(a_signal_reaches_it),
		WITH_THREAD(stopping_asks_first_and_then_insists),
		WITH_THREAD(closing_kills_what_runs),
		WITH_THREAD(closing_kills_the_whole_group),
		WITH_THREAD(what_is_detached_runs_on_and_is_reaped),
		cmocka_unit_test(
			the_end_of_the_runtime_kills_all_but_the_detached),
		WITH_THREAD(an_interrupted_wait_leaves_it_running),
		WITH_THREAD(a_stop_by_who_is_cancelled_does_nothing),
		WITH_THREAD(closing_ends_a_wait),
		WITH_THREAD(closing_ends_who_asks_how_it_ended),
		WITH_THREAD(closing_ends_a_stop),
		WITH_THREAD(a_cancelled_spawn_leaves_no_child_or_a_handle),
		cmocka_unit_test(two_hundred_on_many_threads_leave_nothing),
		cmocka_unit_test(children_that_came_too_late_are_killed),
		cmocka_unit_test(every_shard_may_have_its_own),
		TORC_CASE(many_left_open_are_killed_at_the_end,
			.is_left_open = true,
			.options.blocking_threads_max = 1),
		WITH_THREAD(a_status_that_somebody_else_took_is_told),
		cmocka_unit_test(two_who_wait_at_once_are_named_as_a_mistake),
	};

	return cmocka_run_group_tests_name(
		"core/io/process", tests, start_a_thread, NULL);
}
