/* SPDX-License-Identifier: MIT */
/*
 * Goal    A child begins as a clean process, with what it was given and
 *         nothing else; what keeps it from beginning is told.
 * Method  The real kernel and real programs that say what they find. After
 *         each case this process has no child at all.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/core/io/process_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_THREAD(what_keeps_it_from_starting_is_told),
		WITH_THREAD(a_descriptor_that_is_not_open_is_told),
		WITH_THREAD(without_descriptors_there_is_no_child),
		WITH_THREAD(its_directory_and_environment_are_as_asked),
		WITH_THREAD(it_begins_with_clean_signals),
		WITH_THREAD(
			it_inherits_three_descriptors_or_what_is_meant_for_it),
		WITH_THREAD(a_group_or_a_session_of_its_own),
		WITH_THREAD(its_descriptors_may_be_any_in_any_order),
	};

	return cmocka_run_group_tests_name(
		"core/io/process_start", tests, start_a_thread, NULL);
}
