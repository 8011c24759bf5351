/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_VEC_PRIV_H
#define TORC_CORE_VEC_PRIV_H

/*
 * vec - what a vectored send names besides its bytes
 *
 * The kernel may read it until the send's CQE, so it cannot lie on a stack.
 * A shard keeps those that it made for the next vectored send.
 */

#include <sys/socket.h>
#include <sys/uio.h>

struct torc_shard;

/* Pieces of one send; more would not leave at once anyway. */
#define TORC__IOV_MAX 32

struct torc_vec {
	struct msghdr msg;
	struct iovec iov[TORC__IOV_MAX];
	struct torc_vec *next;
};

/* NULL when memory is exhausted. Cost: two loads and a store when kept. */
struct torc_vec *torc__vec_get(struct torc_shard *shard);
void torc__vec_put(struct torc_shard *shard, struct torc_vec *vec);

/* Free what was kept. */
void torc__vecs_free(struct torc_shard *shard);

#endif /* TORC_CORE_VEC_PRIV_H */
