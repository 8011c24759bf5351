/* SPDX-License-Identifier: MIT */
/*
 * What is in a simulated folder, in the order in which it came there. What is
 * removed or added meanwhile is seen or not, and nothing twice.
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "uring/sim_disk_priv.h"

/* Positions: those of "." and "..", then the orders of names. */
#define NAMES_FROM 2

/* One record behind `at`; its bytes, or 0 when it does not fit. */
static size_t
put_record(uint8_t *at, size_t room, struct torc_sim_node *node,
	const char *name, uint64_t position)
{
	size_t name_bytes = strlen(name) + 1;
	size_t bytes = offsetof(struct dirent64, d_name) + name_bytes;
	const struct torc_sim_node *file = torc__sim_node_file(node);
	struct dirent64 head = { .d_ino = file->number,
		.d_off = (int64_t)position,
		.d_type = file->is_folder        ? DT_DIR
			  : file->target != NULL ? DT_LNK
						 : DT_REG };

	bytes = (bytes + 7) & ~(size_t)7;
	if (bytes > room)
		return 0;
	head.d_reclen = (uint16_t)bytes;
	memset(at, 0, bytes);
	memcpy(at, &head, offsetof(struct dirent64, d_name));
	memcpy(at + offsetof(struct dirent64, d_name), name, name_bytes);
	return bytes;
}

/* The next record; 0 when there is none, or no room for it. */
static size_t
put_next(struct torc_sim_file *file, uint8_t *at, size_t room, bool *is_end)
{
	struct torc_sim_node *node = file->node;
	uint64_t position = file->position;
	const char *name = position == 0 ? "." : "..";
	size_t bytes;

	if (position == 1)
		node = node->folder;
	if (position >= NAMES_FROM) {
		node = torc__sim_node_after(node, position - NAMES_FROM);
		*is_end = node == NULL;
		if (node == NULL)
			return 0;
		name = node->name;
		position = node->order + NAMES_FROM - 1;
	}
	bytes = put_record(at, room, node, name, position + 1);
	if (bytes > 0)
		file->position = position + 1;
	return bytes;
}

static int
read_folder(struct torc_sim *sim, int fd, uint8_t *buf, size_t bytes)
{
	struct torc_sim_file *file = torc__sim_fd_file(sim, fd);
	bool is_end = false;
	size_t done = 0, now;

	if (file == NULL)
		return -EBADF;
	if (file->node == NULL || !file->node->is_folder)
		return -ENOTDIR;
	if (torc__sim_strikes(sim, TORC__SIM_DISK_ERROR))
		return -EIO;
	while ((now = put_next(file, buf + done, bytes - done, &is_end)) > 0)
		done += now;
	return done == 0 && !is_end ? -EINVAL : (int)done;
}

int
torc__sim_read_dir(struct torc_ring *ring, int fd, void *buf, size_t bytes)
{
	int ret;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	ret = read_folder(torc__sim, fd, buf, bytes);
	pthread_mutex_unlock(&torc__sim->lock);
	return ret;
}
