/* SPDX-License-Identifier: MIT */
#include "core/vec_priv.h"

#include <torc/alloc/arena.h>

#include "core/shard_priv.h"

struct torc_vec *
torc__vec_get(struct torc_shard *shard)
{
	struct torc_vec *vec = shard->spare_vecs;

	if (vec == NULL)
		return torc_malloc(sizeof(*vec));
	shard->spare_vecs = vec->next;
	return vec;
}

void
torc__vec_put(struct torc_shard *shard, struct torc_vec *vec)
{
	vec->next = shard->spare_vecs;
	shard->spare_vecs = vec;
}

void
torc__vecs_free(struct torc_shard *shard)
{
	while (shard->spare_vecs != NULL) {
		struct torc_vec *vec = shard->spare_vecs;

		shard->spare_vecs = vec->next;
		torc_free(vec);
	}
}
