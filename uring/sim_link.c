/* SPDX-License-Identifier: MIT */
/*
 * Links on the simulated disk, and the calls about paths that are none of the
 * ring's: those a thread makes, at one moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "uring/sim_disk_priv.h"

/* Where a new name goes; 0, or why it cannot. */
static int
find_new(
	struct torc_sim *sim, int fd, uint64_t path, struct torc_sim_spot *spot)
{
	int ret = torc__sim_spot_find_at(sim, fd, path, 0, spot);

	if (ret < 0)
		return ret;
	if (spot->node != NULL)
		return -EEXIST;
	return spot->is_slashed ? -ENOENT : 0;
}

static int
make_symlink(struct torc_sim *sim, struct torc_sim_op *op)
{
	const char *target = (const void *)(uintptr_t)op->sqe.addr;
	struct torc_sim_node *node;
	struct torc_sim_spot spot;
	int ret;

	if (target[0] == '\0')
		return -ENOENT;
	if (strlen(target) >= PATH_MAX)
		return -ENAMETOOLONG;
	ret = find_new(sim, op->sqe.fd, op->sqe.addr2, &spot);
	if (ret < 0)
		return ret;
	node = torc__sim_node_add(sim, &spot, false);
	if (node == NULL)
		return -ENOMEM;
	node->mode = 0777;
	node->target = strdup(target);
	if (node->target != NULL)
		return 0;
	torc__sim_node_remove(sim, node);
	return -ENOMEM;
}

enum torc_sim_attempt
torc__sim_try_symlinkat(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, make_symlink(sim, op));
}

static int
make_link(struct torc_sim *sim, struct torc_sim_op *op)
{
	bool follows = op->sqe.hardlink_flags & AT_SYMLINK_FOLLOW;
	struct torc_sim_node *file, *node;
	struct torc_sim_spot from, to;
	int ret = torc__sim_look_up(
		sim, op->sqe.fd, op->sqe.addr, follows, &from);

	if (ret == 0)
		ret = find_new(sim, (int)op->sqe.len, op->sqe.addr2, &to);
	if (ret < 0)
		return ret;
	file = torc__sim_node_file(from.node);
	if (file->is_folder)
		return -EPERM;
	node = torc__sim_node_add(sim, &to, false);
	if (node == NULL)
		return -ENOMEM;
	node->same = file;
	file->refs_count++;
	file->names_count++;
	return 0;
}

enum torc_sim_attempt
torc__sim_try_linkat(struct torc_sim *sim, struct torc_sim_op *op)
{
	if (op->sqe.hardlink_flags & ~(uint32_t)AT_SYMLINK_FOLLOW)
		return torc__sim_done(op, -EINVAL);
	if (torc__sim_is_busy(sim, op))
		return TORC__SIM_BLOCKED;
	return torc__sim_done(op, make_link(sim, op));
}

/* ---- calls ---- */

/* What is there, under the world's lock; NULL and *error. */
static struct torc_sim_node *
find_file(const char *path, bool follows, int *error)
{
	struct torc_sim_spot spot;

	*error = torc__sim_look_up(
		torc__sim, AT_FDCWD, (uintptr_t)path, follows, &spot);
	return *error < 0 ? NULL : torc__sim_node_file(spot.node);
}

int
torc__sim_chmod(struct torc_ring *ring, const char *path, unsigned mode)
{
	struct torc_sim_node *node;
	int error;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	node = find_file(path, true, &error);
	if (node != NULL)
		node->mode = mode & 07777;
	pthread_mutex_unlock(&torc__sim->lock);
	return error;
}

int
torc__sim_read_link(
	struct torc_ring *ring, const char *path, char *target, size_t bytes)
{
	struct torc_sim_node *node;
	size_t len = 0;
	int error;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	node = find_file(path, false, &error);
	if (error == 0 && (node->target == NULL || bytes == 0))
		error = -EINVAL;
	if (error == 0) {
		len = strlen(node->target);
		len = len < bytes ? len : bytes;
		memcpy(target, node->target, len);
	}
	pthread_mutex_unlock(&torc__sim->lock);
	return error < 0 ? error : (int)len;
}

/* The path of a node, from its end on; how long, or -ENAMETOOLONG. */
static int
spell(const struct torc_sim *sim, const struct torc_sim_node *node, char *real)
{
	size_t at = PATH_MAX - 1;

	real[at] = '\0';
	if (node == sim->root)
		real[--at] = '/';
	for (; node != sim->root; node = node->folder) {
		size_t bytes = strlen(node->name);

		if (bytes + 1 > at)
			return -ENAMETOOLONG;
		at -= bytes;
		memcpy(real + at, node->name, bytes);
		real[--at] = '/';
	}
	memmove(real, real + at, PATH_MAX - at);
	return (int)(PATH_MAX - 1 - at);
}

int
torc__sim_real_path(struct torc_ring *ring, const char *path, char *real)
{
	struct torc_sim_spot spot;
	int ret;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	ret = torc__sim_look_up(
		torc__sim, AT_FDCWD, (uintptr_t)path, true, &spot);
	if (ret == 0)
		ret = spell(torc__sim, spot.node, real);
	pthread_mutex_unlock(&torc__sim->lock);
	return ret;
}
