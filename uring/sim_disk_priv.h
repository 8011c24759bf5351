/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_SIM_DISK_PRIV_H
#define TORC_URING_SIM_DISK_PRIV_H

/*
 * disk - the files and folders of a simulated world
 *
 * A tree in memory; it begins with "/" and "/tmp", and relative paths begin
 * at "/". A file is a set of pages: what was never written takes no room and
 * reads as zeros. Permissions are kept, with a umask of 022, and refuse
 * nothing; there are no owners.
 *
 * A node is a name and, with the first name, what it names. A further name of
 * the same file (a hard link) is a node that points to that one.
 *
 * Lifetime  Of the world. A node lives while it has a name or is open.
 * Shard     Behind the world's lock.
 * Errors    -errno, as the system calls have them; -ENOSPC when all pages
 *           of the disk (torc_sim_config.disk_bytes) are in use.
 */

#include <sys/uio.h>

#include "uring/sim_world_priv.h"

#define TORC__SIM_PAGE_BYTES 4096u
#define TORC__SIM_NAME_MAX 255

struct torc_sim_page {
	uint64_t index;
	uint8_t *data;
};

struct torc_sim_node {
	struct torc_link beside; /* in its folder, the oldest first */
	struct torc_link inside; /* of a folder */
	struct torc_sim_node *folder;
	uint64_t number;
	uint64_t order;             /* in its folder; later ones are higher */
	uint32_t refs_count;        /* its name, and what has it open */
	struct torc_sim_node *same; /* the file, of a further name; or NULL */
	uint32_t names_count;       /* of the file */
	uint16_t mode;              /* permissions */
	char *target;               /* of a symbolic link; or NULL */
	bool is_folder;
	uint64_t bytes;
	uint64_t changed_ns;
	struct torc_sim_page *pages; /* by index, ascending */
	uint32_t pages_count, pages_max;
	char name[TORC__SIM_NAME_MAX + 1];
};

/* Where a path leads. */
struct torc_sim_spot {
	struct torc_sim_node *folder; /* that its last part is in */
	struct torc_sim_node *node;   /* NULL: there is none of that name */
	char name[TORC__SIM_NAME_MAX + 1];
	bool is_slashed; /* a slash behind that: only for folders */
	bool is_dot;     /* its last part is "." */
	bool is_up;      /* or "..", or it is "/" itself */
};

/* ---- names; sim_node.c ---- */

/* Go on where the last part is a symbolic link: with nothing behind it ... */
#define TORC__SIM_FOLLOW_BARE 1u
/* ... or with a slash, which then is the link's target's. */
#define TORC__SIM_FOLLOW_SLASHED 2u

/*
 * From `from` on (NULL: "/"). `follow`: of the above; 0 for who makes, moves or
 * removes the name itself. 0, or what is wrong before the last part.
 */
int torc__sim_spot_find(struct torc_sim *sim, struct torc_sim_node *from,
	const char *path, unsigned follow, struct torc_sim_spot *spot);
/* The same, of an op's path, which begins at `fd` unless it begins at "/". */
int torc__sim_spot_find_at(struct torc_sim *sim, int fd, uint64_t path,
	unsigned follow, struct torc_sim_spot *spot);
/*
 * What must be there, and be a folder if a slash is behind it; `follows`: also
 * a symbolic link without one. 0, and spot->node is set; -errno.
 */
int torc__sim_look_up(struct torc_sim *sim, int fd, uint64_t path, bool follows,
	struct torc_sim_spot *spot);
/* What this name names. */
static inline struct torc_sim_node *
torc__sim_node_file(struct torc_sim_node *node)
{
	return node->same != NULL ? node->same : node;
}
/* A new one there; NULL without memory. */
struct torc_sim_node *torc__sim_node_add(
	struct torc_sim *sim, const struct torc_sim_spot *spot, bool is_folder);
/* It has no name any more. */
void torc__sim_node_remove(struct torc_sim *sim, struct torc_sim_node *node);
void torc__sim_node_move(struct torc_sim *sim, struct torc_sim_node *node,
	const struct torc_sim_spot *to);
/* The first in `folder` whose order is above this, or NULL. */
struct torc_sim_node *torc__sim_node_after(
	const struct torc_sim_node *folder, uint64_t order);
void torc__sim_node_put(struct torc_sim *sim, struct torc_sim_node *node);
/* All of it. */
void torc__sim_disk_free(struct torc_sim *sim);

/* ---- bytes; sim_bytes.c ---- */

/* Not past the end; how many. */
uint32_t torc__sim_node_read(const struct torc_sim_node *node, uint64_t offset,
	void *data, uint32_t bytes);
/* How many; fewer than asked for when the disk is full. */
uint32_t torc__sim_node_write(struct torc_sim *sim, struct torc_sim_node *node,
	uint64_t offset, const void *data, uint32_t bytes);
void torc__sim_node_cut(
	struct torc_sim *sim, struct torc_sim_node *node, uint64_t bytes);

#endif /* TORC_URING_SIM_DISK_PRIV_H */
