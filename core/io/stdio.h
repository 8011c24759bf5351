/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_STDIO_H
#define TORC_CORE_IO_STDIO_H

/*
 * stdio - standard input, output and error as pipes
 *
 *   torc_pipe_write_all(torc_stdout(), "hello\n", 6)
 *
 * Whatever they are: a terminal, a pipe, a file. Nothing about the
 * descriptors 0, 1 and 2 is changed, for the shell and others share them, and
 * they are never closed. What stdio.h of the C library has buffered is not
 * known here: do not mix the two on one descriptor.
 *
 * Lifetime  From the first call to the end of the runtime, or to a
 *           torc_pipe_close(), after which the next call makes it anew.
 * Shard     Each has its own; a line that two shards write at once may be
 *           mixed, and who reads on two takes turns by chance.
 * Errors    NULL when memory ran out; the calls of pipe.h then say -ENOMEM.
 *           In a simulation there are none: -EBADF.
 */

#include <torc/core/io/pipe.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_pipe *torc_stdin(void);
struct torc_pipe *torc_stdout(void);
struct torc_pipe *torc_stderr(void);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_STDIO_H */
