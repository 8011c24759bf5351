/* SPDX-License-Identifier: MIT */
/*
 * Runs a command and keeps a copy of what it writes: tee FILE COMMAND [ARG]...
 *
 * Its exit status is the command's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <torc.h>

static int
copy(struct torc_pipe *from, struct torc_file *file)
{
	char buf[16384];
	ssize_t bytes;

	while ((bytes = torc_pipe_read(from, buf, sizeof(buf))) > 0) {
		ssize_t ret =
			torc_pipe_write_all(torc_stdout(), buf, (size_t)bytes);

		if (ret >= 0)
			ret = torc_file_write_all(file, buf, (size_t)bytes);
		if (ret < 0)
			return (int)ret;
	}
	return (int)bytes;
}

/* The command's exit status; 128 and the signal that ended it; -errno. */
static int
run(struct torc_file *file, char **argv)
{
	struct torc_process_options options = {
		.argv = (const char *const *)argv,
		.out.how = TORC_PROCESS_PIPE,
	};
	struct torc_exit_status status;
	struct torc_process *process;
	int ret = torc_process_spawn(&process, &options);

	if (ret < 0)
		return ret;
	ret = copy(torc_process_stdout(process), file);
	if (ret == 0)
		ret = torc_process_wait(process, &status);
	torc_process_close(process);
	if (ret < 0)
		return ret;
	return status.signo != 0 ? 128 + status.signo : status.code;
}

static int
open_and_run(void *arg)
{
	char **argv = arg;
	struct torc_file *file;
	int ret = torc_file_open(
		&file, argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (ret < 0) {
		fprintf(stderr, "tee: %s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	ret = run(file, argv + 2);
	torc_file_close(file);
	if (ret < 0)
		fprintf(stderr, "tee: %s: %s\n", argv[2], strerror(-ret));
	return ret < 0 ? 1 : ret;
}

int
main(int argc, char **argv)
{
	struct torc_options options = { .shards = 1 };

	if (argc < 3) {
		fputs("usage: tee FILE COMMAND [ARG]...\n", stderr);
		return 2;
	}
	return torc_run(&options, open_and_run, argv);
}
