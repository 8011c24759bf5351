/* SPDX-License-Identifier: MIT */
/*
 * Goal    A child begins as a clean process, its exit is told, and it leaves
 *         nothing: no zombie, no descriptor, no program that runs on.
 * Method  The real kernel and real programs: cat, sh, sleep, yes, true. After
 *         each case this process has no child at all.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/core/io/fixture.h"
#include "tests/support/fake_shard.h"

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SH(script) ARGV("sh", "-c", script)

/* True when no child is left, dead or alive. */
static bool
is_childless(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
	       errno == ECHILD;
}

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

static struct torc_process *
spawn_as(struct torc_process_options options, const char *const *argv)
{
	struct torc_process *process;

	options.argv = argv;
	must_be(torc_process_spawn(&process, &options), 0);
	return process;
}

static struct torc_process *
spawn(const char *const *argv)
{
	return spawn_as((struct torc_process_options){ 0 }, argv);
}

static int
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

static struct torc_exit_status
wait_and_close(struct torc_process *process)
{
	struct torc_exit_status status;

	must_be(torc_process_wait(process, &status), 0);
	torc_process_close(process);
	must(is_childless());
	return status;
}

/* All that comes until the end, as a string. */
static const char *
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
static const char *
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

static void
must_be_text(const char *actual, const char *expected)
{
	if (strcmp(actual, expected) != 0)
		printf("\"%s\" instead of \"%s\"\n", actual, expected);
	must(strcmp(actual, expected) == 0);
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

static int
wait_for_it(void *process)
{
	return torc_process_wait(process, NULL);
}

static int
closing_ends_a_wait(void *unused)
{
	struct torc_process *process = spawn(ARGV("sleep", "1000"));
	struct torc_task *task;
	int result;

	(void)unused;
	must_be(torc_spawn(&task, wait_for_it, process), 0);
	turn();
	torc_process_close(process);
	must_be(torc_join(task, &result), 0);
	must_be(result, -ECANCELED);
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
closing_ends_who_asks_how_it_ended(void *unused)
{
	struct torc_process *process = spawn(ARGV("true"));
	struct torc_task *task;
	int result;

	(void)unused;
	must_be(torc_process_wait(process, NULL), 0);
	must_be(torc_spawn(&task, wait_again_and_again, process), 0);
	turn();
	torc_process_close(process);
	must_be(torc_join(task, &result), 0);
	must_be(result, -ECANCELED);
	return 0;
}

static int
closing_ends_a_stop(void *unused)
{
	struct torc_process_options options = { .out.how = TORC_PROCESS_PIPE,
		.own_group = true };
	struct torc_process *process = spawn_as(options, SH(STUBBORN));
	struct torc_task *task;
	int result;
	char byte;

	(void)unused;
	must_be(torc_pipe_read(torc_process_stdout(process), &byte, 1), 1);
	must_be(torc_spawn(&task, stop_patiently, process), 0);
	turn();
	torc_process_close(process);
	must_be(torc_join(task, &result), 0);
	must_be(result, -ECANCELED);
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

/* ---- how it begins ---- */

static int
what_keeps_it_from_starting_is_told(void *unused)
{
	struct torc_process_options plain = { 0 };
	char path[] = "/tmp/torc-process-XXXXXX", *huge = malloc(4 << 20);
	int fd = mkstemp(path);

	(void)unused;
	must(fd >= 0 && huge != NULL);
	memset(huge, 'x', 4 << 20);
	huge[(4 << 20) - 1] = '\0';
	must_be(spawn_error(plain, ARGV("torc-no-such-program")), -ENOENT);
	must_be(spawn_error(plain, ARGV("/no/such/program")), -ENOENT);
	must_be(spawn_error(plain, ARGV("")), -ENOENT);
	must_be(spawn_error(plain, ARGV("/tmp")), -EACCES);
	must_be(spawn_error(plain, ARGV(path)), -EACCES);
	must_be(fchmod(fd, 0700), 0);
	close(fd);
	must_be(spawn_error(plain, ARGV(path)), -ENOEXEC);
	must_be(unlink(path), 0);
	must_be(spawn_error(plain, ARGV("true", huge)), -E2BIG);
	plain.directory = "/no/such/directory";
	must_be(spawn_error(plain, ARGV("true")), -ENOENT);
	free(huge);
	return 0;
}

static int
a_descriptor_that_is_not_open_is_told(void *unused)
{
	struct torc_process_options options = {
		.out = { TORC_PROCESS_FD, 12345 }, .in.how = TORC_PROCESS_PIPE
	};

	(void)unused;
	must_be(spawn_error(options, ARGV("true")), -EBADF);
	options.out.fd = -1;
	must_be(spawn_error(options, ARGV("true")), -EBADF);
	return 0;
}

static int
without_descriptors_there_is_no_child(void *unused)
{
	struct torc_process_options options = { .in.how = TORC_PROCESS_PIPE,
		.err.how = TORC_PROCESS_PIPE };
	unsigned first = fds_count() - 1;

	(void)unused;
	for (unsigned left = 0; left < 6; left++) {
		struct rlimit old, few;
		struct torc_process *process;
		int ret;

		options.argv = ARGV("true");
		must_be(getrlimit(RLIMIT_NOFILE, &old), 0);
		few = (struct rlimit){ first + left, old.rlim_max };
		must_be(setrlimit(RLIMIT_NOFILE, &few), 0);
		ret = torc_process_spawn(&process, &options);
		must_be(setrlimit(RLIMIT_NOFILE, &old), 0);
		must(ret == 0 || ret == -EMFILE);
		if (ret == 0)
			torc_process_close(process);
		wait_until(is_childless());
	}
	return 0;
}

static int
its_directory_and_environment_are_as_asked(void *unused)
{
	struct torc_process_options options = { .directory = "/usr" };

	(void)unused;
	must_be_text(output_of(options, ARGV("pwd")), "/usr\n");
	options.envp = ARGV("ONE=1", "PATH=/nowhere:/bin:/usr/bin");
	must_be_text(output_of(options, SH("echo $ONE$HOME")), "1\n");
	options.envp = ARGV("PATH=/nowhere");
	must_be(spawn_error(options, ARGV("true")), -ENOENT);
	/* Without a PATH there is a usual one. */
	options.envp = ARGV("ONE=2");
	must_be_text(output_of(options, SH("echo $ONE")), "2\n");
	options.program = "/bin/sh";
	must_be_text(output_of(options, ARGV("me", "-c", "echo $0")), "me\n");
	return 0;
}

/* The signals that this process ignores, one bit each. */
static uint64_t
ignored_here(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t set = 0;

	must(status != NULL);
	while (fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "SigIgn:", 7) == 0)
			set = strtoull(line + 7, NULL, 16);
	fclose(status);
	return set;
}

/*
 * What was ignored before the test is so in the child: SIGINT in a shell's
 * background, and below a posix_spawn(3) of glibc 2.36, which is make's, two
 * signals of glibc's own.
 */
static int
it_begins_with_clean_signals(void *unused)
{
	struct torc_process_options options = { 0 };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old_pipe, old_hup;
	struct torc_pipe *reader, *writer;
	char expected[80];
	const char *text;
	sigset_t set, old;
	uint64_t ignored;

	(void)unused;
	must_be(torc_pipe_open(&reader, &writer), 0);
	sigfillset(&set);
	must_be(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
	must_be(sigaction(SIGPIPE, &ignore, &old_pipe), 0);
	must_be(sigaction(SIGHUP, &ignore, &old_hup), 0);
	ignored = ignored_here();
	must((ignored & 1) != 0 && (ignored >> (SIGPIPE - 1) & 1) != 0);

	text = output_of(options,
		ARGV("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"));

	must_be(sigaction(SIGPIPE, &old_pipe, NULL), 0);
	must_be(sigaction(SIGHUP, &old_hup, NULL), 0);
	must_be(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	ignored &= ~(UINT64_C(1) << (SIGPIPE - 1));
	snprintf(expected, sizeof(expected),
		"SigBlk:\t%016x\nSigIgn:\t%016" PRIx64 "\n", 0, ignored);
	must_be_text(text, expected);
	torc_pipe_close(reader);
	torc_pipe_close(writer);
	return 0;
}

static int
it_inherits_three_descriptors_or_what_is_meant_for_it(void *unused)
{
	struct torc_process_options options = { .in.how = TORC_PROCESS_NULL };
	int fd = open("/dev/null", O_RDONLY);

	(void)unused;
	must(fd >= 0);
	/* ls itself opens the folder as 3. */
	must_be_text(output_of(options, ARGV("ls", "/proc/self/fd")),
		"0\n1\n2\n3\n");
	options.inherits_fds = true;
	must(strlen(output_of(options, ARGV("ls", "/proc/self/fd"))) > 8);
	close(fd);
	return 0;
}

static int
a_group_or_a_session_of_its_own(void *unused)
{
	static const char script[] =
		"set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo group;"
		"[ $6 = $$ ] && echo session; echo end";
	struct torc_process_options options = { 0 };

	(void)unused;
	must_be_text(output_of(options, SH(script)), "end\n");
	options.own_group = true;
	must_be_text(output_of(options, SH(script)), "group\nend\n");
	options.own_session = true;
	must_be_text(output_of(options, SH(script)), "group\nsession\nend\n");
	return 0;
}

static int
its_descriptors_may_be_any_in_any_order(void *unused)
{
	struct torc_process_options options = {
		/* Crosswise, as a plain dup2 in turn would get it wrong. */
		.in = { TORC_PROCESS_FD, STDERR_FILENO },
		.err = { TORC_PROCESS_FD, STDIN_FILENO },
		.out.how = TORC_PROCESS_PIPE,
	};
	struct stat in, err;
	char text[256];

	(void)unused;
	must_be(fstat(STDERR_FILENO, &in), 0);
	must_be(fstat(STDIN_FILENO, &err), 0);
	snprintf(text, sizeof(text), "%llu\n%llu\n",
		(unsigned long long)in.st_ino, (unsigned long long)err.st_ino);
	must_be_text(output_of(options,
			     ARGV("stat", "-L", "-c", "%i", "/proc/self/fd/0",
				     "/proc/self/fd/2")),
		text);
	return 0;
}

/* ---- its pipes ---- */

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

static int
run_wait_twice(void)
{
	return torc_run(
		&(struct torc_options){ .shards = 1 }, wait_twice, NULL);
}

static void
two_who_wait_at_once_are_named_as_a_mistake(void **unused)
{
	char text[512] = "";
	int status = run_in_child(run_wait_twice, text, sizeof(text));

	(void)unused;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "waited for again"));
}

static int
run_no_job(void *unused)
{
	(void)unused;
	return torc_blocking(do_nothing, NULL, NULL);
}

/* The C library keeps something of the first thread for the next. */
static int
start_a_thread(void **unused)
{
	struct torc_options options = { .shards = 1,
		.blocking_threads_max = 1 };

	(void)unused;
	return torc_run(&options, run_no_job, NULL);
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

#define WITH_THREAD(fn_) TORC_CASE(fn_, .options.blocking_threads_max = 1)

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
		WITH_THREAD(closing_ends_a_wait),
		WITH_THREAD(closing_ends_who_asks_how_it_ended),
		WITH_THREAD(closing_ends_a_stop),
		WITH_THREAD(a_cancelled_spawn_leaves_no_child_or_a_handle),
		WITH_THREAD(what_keeps_it_from_starting_is_told),
		WITH_THREAD(a_descriptor_that_is_not_open_is_told),
		WITH_THREAD(without_descriptors_there_is_no_child),
		WITH_THREAD(its_directory_and_environment_are_as_asked),
		WITH_THREAD(it_begins_with_clean_signals),
		WITH_THREAD(
			it_inherits_three_descriptors_or_what_is_meant_for_it),
		WITH_THREAD(a_group_or_a_session_of_its_own),
		WITH_THREAD(its_descriptors_may_be_any_in_any_order),
		WITH_THREAD(a_mebibyte_goes_through_cat_and_comes_back),
		WITH_THREAD(one_child_writes_into_the_other),
		WITH_THREAD(
			one_that_closes_its_output_early_is_still_waited_for),
		WITH_THREAD(closing_it_ends_who_reads_its_output),
		cmocka_unit_test(two_hundred_on_many_threads_leave_nothing),
		cmocka_unit_test(children_that_came_too_late_are_killed),
		cmocka_unit_test(every_shard_may_have_its_own),
		TORC_CASE(many_left_open_are_killed_at_the_end,
			.is_left_open = true,
			.options.blocking_threads_max = 1),
		WITH_THREAD(a_status_that_somebody_else_took_is_told),
		cmocka_unit_test(two_who_wait_at_once_are_named_as_a_mistake),
	};

	/* A folder that may not be entered would make -ENOENT an -EACCES. */
	setenv("PATH", "/usr/bin:/bin", 1);
	return cmocka_run_group_tests_name(
		"core/io/process", tests, start_a_thread, NULL);
}
