/* SPDX-License-Identifier: MIT */
#include "core/resource_priv.h"

#include <errno.h>

#include <torc/core/future.h>

#include "core/shard_priv.h"

void
torc__resource_join(struct torc_shard *shard, struct torc_resource *resource)
{
	torc__list_push_back(&shard->resources, &resource->link);
	resource->is_joined = true;
	shard->resources_count++;
}

void
torc__resource_leave(struct torc_shard *shard, struct torc_resource *resource)
{
	torc__list_remove(&resource->link);
	shard->resources_count -= resource->is_joined;
	resource->is_joined = false;
}

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

	torc_check(!torc__list_is_empty(&shard->resources) ||
		   shard->resources_count == 0);
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
	torc__resource_leave(shard, resource);
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
