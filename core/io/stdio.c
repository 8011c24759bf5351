/* SPDX-License-Identifier: MIT */
#include <torc/core/io/stdio.h>

#include <unistd.h>

#include "core/io/pipe_priv.h"
#include "core/shard_priv.h"

static struct torc_pipe *
standard(struct torc_shard *shard, int fd)
{
	struct torc_pipe **home = &shard->stdio[fd];

	if (*home == NULL)
		(void)torc__pipe_make(home, fd, true);
	return *home;
}

struct torc_pipe *
torc_stdin(void)
{
	return standard(torc__shard_current("torc_stdin"), STDIN_FILENO);
}

struct torc_pipe *
torc_stdout(void)
{
	return standard(torc__shard_current("torc_stdout"), STDOUT_FILENO);
}

struct torc_pipe *
torc_stderr(void)
{
	return standard(torc__shard_current("torc_stderr"), STDERR_FILENO);
}
