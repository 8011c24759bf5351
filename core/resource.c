/* SPDX-License-Identifier: MIT */
#include "core/resource_priv.h"

#include <errno.h>

#include <torc/core/future.h>

#include "core/shard_priv.h"

void
torc__resources_close(struct torc_shard *shard)
{
	struct torc_link left, *link;

	torc__list_init(&left);
	torc__list_splice(&left, &shard->resources);
	while ((link = torc__list_pop_front(&left)) != NULL) {
		struct torc_resource *resource =
			torc__container_of(link, struct torc_resource, link);

		torc__list_push_back(&shard->resources, link);
		resource->close(resource);
	}
}

void
torc__resources_free(struct torc_shard *shard)
{
	struct torc_link *link;

	while ((link = torc__list_pop_front(&shard->kept)) != NULL) {
		struct torc_resource *resource =
			torc__container_of(link, struct torc_resource, link);

		resource->is_ending = false;
		resource->close(resource);
	}
}

void
torc__resource_gone(struct torc_shard *shard, struct torc_resource *resource)
{
	torc__list_remove(&resource->link);
	if (resource->is_ending)
		torc__list_push_back(&shard->kept, &resource->link);
}

void
torc__resource_close_again(struct torc_resource *resource, const char *what)
{
	if (!resource->is_ending)
		torc__panic("%s is closed twice: its close takes it", what);
	resource->is_ending = false;
}

int
torc__resource_refusal(const struct torc_resource *resource, const char *what)
{
	if (!resource->is_ending)
		torc__panic(
			"%s is used after its close: a close takes it", what);
	return -ECANCELED;
}

void
torc__resource_refuse(const struct torc_resource *resource, const char *what,
	struct torc_future *future)
{
	int ret = torc__resource_refusal(resource, what);

	torc_future_init(future, NULL, NULL);
	torc_future_complete(future, ret);
}
