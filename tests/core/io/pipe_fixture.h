/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_PIPE_FIXTURE_H
#define TORC_TESTS_CORE_IO_PIPE_FIXTURE_H

/* pipe_fixture - one end of a pipe is torc's, the other a plain descriptor */

#include "tests/core/io/fixture.h"

static inline struct torc_pipe *
pipe_of(int fd)
{
	struct torc_pipe *pipe;

	must_be(torc_pipe_from_fd(&pipe, fd), 0);
	return pipe;
}

/* A pipe of ours to read from, and the plain descriptor to write to. */
static inline struct torc_pipe *
open_reader(int *fd)
{
	int fds[2];

	must_be(pipe2(fds, O_CLOEXEC), 0);
	*fd = fds[1];
	return pipe_of(fds[0]);
}

static inline struct torc_pipe *
open_writer(int *fd)
{
	int fds[2];

	must_be(pipe2(fds, O_CLOEXEC), 0);
	*fd = fds[0];
	return pipe_of(fds[1]);
}

#endif /* TORC_TESTS_CORE_IO_PIPE_FIXTURE_H */
