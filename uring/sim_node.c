/* SPDX-License-Identifier: MIT */
/* Names on the simulated disk, and where paths lead. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "uring/sim_disk_priv.h"

/* As the kernel's own, on one path. */
#define LINKS_MAX 40

static struct torc_sim_node *
node_new(struct torc_sim *sim, bool is_folder)
{
	struct torc_sim_node *node = calloc(1, sizeof(*node));

	if (node == NULL)
		return NULL;
	torc__list_init(&node->inside);
	node->refs_count = 1;
	node->names_count = 1;
	node->is_folder = is_folder;
	node->mode = is_folder ? 0755 : 0644;
	node->number = ++sim->nodes_count;
	node->changed_ns = sim->now_ns;
	return node;
}

static struct torc_sim_node *
look_up(const struct torc_sim_node *folder, const char *name)
{
	for (struct torc_link *link = folder->inside.next;
		link != &folder->inside; link = link->next) {
		struct torc_sim_node *node =
			torc__container_of(link, struct torc_sim_node, beside);

		if (strcmp(node->name, name) == 0)
			return node;
	}
	return NULL;
}

struct torc_sim_node *
torc__sim_node_after(const struct torc_sim_node *folder, uint64_t order)
{
	for (struct torc_link *link = folder->inside.next;
		link != &folder->inside; link = link->next) {
		struct torc_sim_node *node =
			torc__container_of(link, struct torc_sim_node, beside);

		if (node->order > order)
			return node;
	}
	return NULL;
}

static void
attach(struct torc_sim *sim, struct torc_sim_node *node,
	const struct torc_sim_spot *spot)
{
	memcpy(node->name, spot->name, sizeof(node->name));
	node->folder = spot->folder;
	node->order = ++sim->names_count;
	torc__list_push_back(&spot->folder->inside, &node->beside);
	spot->folder->changed_ns = sim->now_ns;
}

/* The world's first file needs it. */
static struct torc_sim_node *
root_of(struct torc_sim *sim)
{
	struct torc_sim_spot tmp = { .name = "tmp" };

	if (sim->root != NULL)
		return sim->root;
	sim->root = node_new(sim, true);
	if (sim->root == NULL)
		torc__panic("out of memory for a simulated disk");
	sim->root->folder = sim->root;
	tmp.folder = sim->root;
	if (torc__sim_node_add(sim, &tmp, true) == NULL)
		torc__panic("out of memory for a simulated disk");
	return sim->root;
}

/* The next part of `path`, which is then behind it; false: too long. */
static bool
cut_part(const char **path, char *name)
{
	size_t bytes = strcspn(*path, "/");

	if (bytes > TORC__SIM_NAME_MAX)
		return false;
	memcpy(name, *path, bytes);
	name[bytes] = '\0';
	*path += bytes;
	return true;
}

/* One part further: into `spot`, whose node is where we are. */
static int
step(struct torc_sim_spot *spot, const char **path)
{
	struct torc_sim_node *here = spot->node;

	if (here == NULL)
		return -ENOENT;
	if (!here->is_folder)
		return -ENOTDIR;
	if (!cut_part(path, spot->name))
		return -ENAMETOOLONG;
	spot->is_dot = strcmp(spot->name, ".") == 0;
	spot->is_up = strcmp(spot->name, "..") == 0;
	spot->folder = here;
	spot->node = spot->is_dot  ? here
		     : spot->is_up ? here->folder
				   : look_up(here, spot->name);
	return 0;
}

/* At a link that has to be followed? */
static const char *
target_of(const struct torc_sim_spot *spot, const char *path, unsigned follow)
{
	unsigned kind = path[0] == '/' ? TORC__SIM_FOLLOW_SLASHED
				       : TORC__SIM_FOLLOW_BARE;
	bool is_last = path[strspn(path, "/")] == '\0';

	if (spot->node == NULL || (is_last && !(follow & kind)))
		return NULL;
	return torc__sim_node_file(spot->node)->target;
}

/* Go on with what the link says, and then the rest of the path. */
static int
go_on(struct torc_sim *sim, struct torc_sim_spot *spot, const char *target,
	char *path, const char *rest)
{
	size_t target_bytes = strlen(target), rest_bytes = strlen(rest);
	struct torc_sim_node *from =
		target[0] == '/' ? sim->root : spot->folder;

	if (target_bytes + rest_bytes >= PATH_MAX)
		return -ENAMETOOLONG;
	memmove(path + target_bytes, rest, rest_bytes + 1);
	memcpy(path, target, target_bytes);
	*spot = (struct torc_sim_spot){ .is_up = true };
	spot->node = spot->folder = from;
	return 0;
}

int
torc__sim_spot_find(struct torc_sim *sim, struct torc_sim_node *from,
	const char *path, unsigned follow, struct torc_sim_spot *spot)
{
	char text[PATH_MAX];
	unsigned links_count = 0;

	if (path[0] == '\0')
		return -ENOENT;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (path[0] == '/' || from == NULL)
		from = root_of(sim);
	/* In a folder that was removed there is nothing to find. */
	if (from->folder == from && from != sim->root)
		return -ENOENT;
	*spot = (struct torc_sim_spot){ .is_up = true };
	spot->node = spot->folder = from;
	path = memcpy(text, path, strlen(path) + 1);
	for (;;) {
		const char *target;
		int ret;

		spot->is_slashed =
			path[0] == '/' && !spot->is_dot && !spot->is_up;
		path += strspn(path, "/");
		if (path[0] == '\0')
			return 0;
		ret = step(spot, &path);
		target = ret < 0 ? NULL : target_of(spot, path, follow);
		if (target != NULL && ++links_count > LINKS_MAX)
			return -ELOOP;
		if (target != NULL) {
			ret = go_on(sim, spot, target, text, path);
			path = text;
		}
		if (ret < 0)
			return ret;
	}
}

struct torc_sim_node *
torc__sim_node_add(
	struct torc_sim *sim, const struct torc_sim_spot *spot, bool is_folder)
{
	struct torc_sim_node *node = node_new(sim, is_folder);

	if (node != NULL)
		attach(sim, node, spot);
	return node;
}

static void
detach(struct torc_sim *sim, struct torc_sim_node *node)
{
	node->folder->changed_ns = sim->now_ns;
	torc__list_remove(&node->beside);
}

void
torc__sim_node_remove(struct torc_sim *sim, struct torc_sim_node *node)
{
	detach(sim, node);
	torc__sim_node_file(node)->names_count--;
	/* It may be open: its way up ends here. */
	node->folder = node;
	torc__sim_node_put(sim, node);
}

void
torc__sim_node_move(struct torc_sim *sim, struct torc_sim_node *node,
	const struct torc_sim_spot *to)
{
	detach(sim, node);
	attach(sim, node, to);
}

void
torc__sim_node_put(struct torc_sim *sim, struct torc_sim_node *node)
{
	torc_assert(node->refs_count > 0);
	while (node != NULL && --node->refs_count == 0) {
		struct torc_sim_node *same = node->same;

		torc__sim_node_cut(sim, node, 0);
		free(node->pages);
		free(node->target);
		free(node);
		node = same;
	}
}

void
torc__sim_disk_free(struct torc_sim *sim)
{
	struct torc_sim_node *node = sim->root;

	/* From below, so that each folder is empty when it goes. */
	while (node != NULL) {
		struct torc_link *link = torc__list_first(&node->inside);
		struct torc_sim_node *folder = node->folder;

		if (link != NULL) {
			node = torc__container_of(
				link, struct torc_sim_node, beside);
			continue;
		}
		if (node == sim->root)
			folder = NULL;
		torc__list_remove(&node->beside);
		torc__sim_node_put(sim, node);
		node = folder;
	}
	sim->root = NULL;
}
