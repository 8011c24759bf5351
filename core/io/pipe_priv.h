/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_PIPE_PRIV_H
#define TORC_CORE_IO_PIPE_PRIV_H

#include <torc/core/io/pipe.h>

struct torc_shard;

/* While somebody of the shard may write where nobody reads; see pipe.h. */
void torc__pipe_block_signal(struct torc_shard *shard, bool is_blocked);

/*
 * A pipe at *home, which becomes NULL when somebody closes it. `is_borrowed`:
 * the descriptor is not closed with it. 0 or -ENOMEM: the descriptor is still
 * the caller's.
 */
int torc__pipe_make(struct torc_pipe **home, int fd, bool is_borrowed);

#endif /* TORC_CORE_IO_PIPE_PRIV_H */
