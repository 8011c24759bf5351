/* SPDX-License-Identifier: MIT */
/*
 * Goal    The same as cancel_task_test, for pipes, signals, children, and what
 *         other threads do: whatever came before the cancel can still be had,
 *         and whatever was being done has ended.
 * Method  tests/core/waits.h runs each row in every way, on a real ring.
 */
#include <signal.h>

#include "tests/core/waits.h"

#define LITTLE ((size_t)10)
#define MUCH ((size_t)8 << 20)

/* ---- pipes ---- */

static struct torc_pipe *out, *in;
static struct torc_task *drain;

static void
arrange_pipe(void)
{
	must_be(torc_pipe_open(&out, &in), 0);
	drain = NULL;
}

static int64_t
wait_pipe_read(void)
{
	char buf[LITTLE];

	return torc_pipe_read(out, buf, sizeof(buf));
}

static void
complete_pipe_read(void)
{
	must_be(write(torc_pipe_fd(in), bytes_at(0), LITTLE), LITTLE);
}

static void
clear_pipe(void)
{
	torc_pipe_close(in);
	torc_pipe_close(out);
}

static void
clear_pipe_read(void)
{
	if (wait_completes() && wait_result < 0)
		must_be(wait_pipe_read(), LITTLE);
	clear_pipe();
}

static int64_t
wait_pipe_write(void)
{
	uint8_t *data = copy_of_bytes(0, MUCH);
	int64_t ret = torc_pipe_write_all(in, data, MUCH);

	free(data);
	return ret;
}

static int
drain_pipe(void *arg)
{
	static char buf[POOL_PIECE];

	(void)arg;
	while (torc_pipe_read(out, buf, sizeof(buf)) > 0)
		;
	return 0;
}

static void
complete_pipe_write(void)
{
	must_be(torc_spawn(&drain, drain_pipe, NULL), 0);
}

static void
clear_pipe_write(void)
{
	torc_pipe_close(in);
	if (drain != NULL)
		must_be(torc_join(drain, NULL), 0);
	torc_pipe_close(out);
}

/* ---- signals and children ---- */

static struct torc_signals *signals;

static void
arrange_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must_be(torc_signals_open(&signals, &set), 0);
}

static int64_t
wait_signal(void)
{
	return torc_signal_next(signals);
}

static void
complete_signal(void)
{
	must_be(kill(getpid(), SIGUSR1), 0);
}

static void
clear_signals(void)
{
	if (wait_completes() && wait_result < 0)
		must_be(wait_signal(), SIGUSR1);
	torc_signals_close(signals);
}

static struct torc_process *child;

static void
arrange_child(void)
{
	static const char *const argv[] = { "sleep", "3600", NULL };
	struct torc_process_options options = { .argv = argv };

	must_be(torc_process_spawn(&child, &options), 0);
}

static int64_t
wait_child(void)
{
	return torc_process_wait(child, NULL);
}

static void
complete_child(void)
{
	must_be(torc_process_kill(child, SIGKILL), 0);
}

static void
clear_child(void)
{
	struct torc_exit_status status;

	if (wait_completes()) {
		must_be(torc_process_wait(child, &status), 0);
		must_be(status.signo, SIGKILL);
	}
	torc_process_close(child);
}

static int64_t
wait_spawn(void)
{
	static const char *const argv[] = { "true", NULL };
	struct torc_process_options options = { .argv = argv };
	int ret = torc_process_spawn(&child, &options);

	if (ret == 0)
		torc_process_close(child);
	return ret;
}

static void
nothing(void)
{
}

/* ---- what other threads do ---- */

static int
block_a_while(void *arg)
{
	(void)arg;
	return usleep(5000);
}

static int64_t
wait_blocking(void)
{
	return torc_blocking(block_a_while, NULL, NULL);
}

static struct torc_file *file;

static void
arrange_file(void)
{
	must_be(torc_file_open(&file, "/proc/self/exe", O_RDONLY, 0), 0);
}

static int64_t
wait_file_read(void)
{
	static char buf[4096];

	return torc_file_pread(file, buf, sizeof(buf), 0);
}

static void
clear_file(void)
{
	torc_file_close(file);
}

static const struct wait_row system_rows[] = {
	{ "pipe read", arrange_pipe, wait_pipe_read, complete_pipe_read,
		clear_pipe_read, WAIT_HURRIES },
	{ "pipe write", arrange_pipe, wait_pipe_write, complete_pipe_write,
		clear_pipe_write, WAIT_HURRIES },
	{ "signal", arrange_signals, wait_signal, complete_signal,
		clear_signals, WAIT_HURRIES },
	{ "process wait", arrange_child, wait_child, complete_child,
		clear_child, WAIT_HURRIES },
	{ "process spawn", nothing, wait_spawn, NULL, nothing,
		WAIT_MAY_FINISH },
	{ "blocking", nothing, wait_blocking, NULL, nothing, WAIT_MAY_FINISH },
	{ "file read", arrange_file, wait_file_read, NULL, clear_file,
		WAIT_MAY_FINISH },
};

WAIT_CASE(waits_for_the_system_end_when_they_are_told, system_rows)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(waits_for_the_system_end_when_they_are_told),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/cancel_system", tests, NULL, NULL);
}
