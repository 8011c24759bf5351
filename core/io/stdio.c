/* SPDX-License-Identifier: MIT */
#include <torc/core/io/stdio.h>

#include <unistd.h>

#include "core/io/pipe_priv.h"
#include "core/shard_priv.h"

static struct torc_pipe *
standard(int fd)
{
	struct torc_pipe **home;

	torc_assert(torc__shard != NULL);
	home = &torc__shard->stdio[fd];
	if (*home == NULL)
		(void)torc__pipe_make(home, fd, true);
	return *home;
}

struct torc_pipe *
torc_stdin(void)
{
	return standard(STDIN_FILENO);
}

struct torc_pipe *
torc_stdout(void)
{
	return standard(STDOUT_FILENO);
}

struct torc_pipe *
torc_stderr(void)
{
	return standard(STDERR_FILENO);
}
