/* SPDX-License-Identifier: MIT */
/*
 * Who is where: addresses with ports, paths, abstract names. Every address
 * is this machine's, so that clients and backends of a test may be told
 * apart by theirs.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "uring/sim_world_priv.h"

#define PORT_FIRST 32768
#define PORT_COUNT 28232

static uint16_t
port_of(const struct torc_sim_name *name)
{
	if (name->at.ss_family == AF_INET)
		return ((const struct sockaddr_in *)&name->at)->sin_port;
	return ((const struct sockaddr_in6 *)&name->at)->sin6_port;
}

static void
set_port(struct torc_sim_name *name, uint16_t port)
{
	if (name->at.ss_family == AF_INET)
		((struct sockaddr_in *)&name->at)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)&name->at)->sin6_port = htons(port);
}

static bool
is_any(const struct torc_sim_name *name)
{
	if (name->at.ss_family == AF_INET)
		return ((const struct sockaddr_in *)&name->at)
			       ->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(
		&((const struct sockaddr_in6 *)&name->at)->sin6_addr);
}

static bool
is_same_host(const struct torc_sim_name *a, const struct torc_sim_name *b)
{
	if (a->at.ss_family != b->at.ss_family)
		return false;
	if (a->at.ss_family == AF_INET)
		return memcmp(&((const struct sockaddr_in *)&a->at)->sin_addr,
			       &((const struct sockaddr_in *)&b->at)->sin_addr,
			       sizeof(struct in_addr)) == 0;
	return memcmp(&((const struct sockaddr_in6 *)&a->at)->sin6_addr,
		       &((const struct sockaddr_in6 *)&b->at)->sin6_addr,
		       sizeof(struct in6_addr)) == 0;
}

/* [::] takes IPv4 as well. */
static bool
covers(const struct torc_sim_name *bound, const struct torc_sim_name *to)
{
	if (is_any(bound))
		return bound->at.ss_family == to->at.ss_family ||
		       bound->at.ss_family == AF_INET6;
	return is_same_host(bound, to);
}

static int
copy_name(struct torc_sim_name *name, const struct sockaddr *at, socklen_t len)
{
	if (len > sizeof(name->at) || len < sizeof(sa_family_t))
		return -EINVAL;
	memset(name, 0, sizeof(*name));
	memcpy(&name->at, at, len);
	name->len = len;
	return 0;
}

static struct torc_sim_file *
bound_file(struct torc_link *link)
{
	return torc__container_of(link, struct torc_sim_file, bound);
}

static bool
is_taken(const struct torc_sim *sim, const struct torc_sim_file *file,
	const struct torc_sim_name *name)
{
	for (struct torc_link *link = sim->bound.next; link != &sim->bound;
		link = link->next) {
		struct torc_sim_file *other = bound_file(link);

		if (other == file || other->kind != file->kind ||
			port_of(&other->local) != port_of(name))
			continue;
		if (!covers(&other->local, name) &&
			!covers(name, &other->local))
			continue;
		if (!other->is_reuseport || !file->is_reuseport)
			return true;
	}
	return false;
}

static uint16_t
next_port(struct torc_sim *sim)
{
	sim->next_port = (uint16_t)((sim->next_port + 1) % PORT_COUNT);
	return (uint16_t)(PORT_FIRST + sim->next_port);
}

static int
bind_inet(struct torc_sim *sim, struct torc_sim_file *file,
	struct torc_sim_name *name)
{
	if (name->len < (name->at.ss_family == AF_INET
					? sizeof(struct sockaddr_in)
					: sizeof(struct sockaddr_in6)))
		return -EINVAL;
	if (port_of(name) == 0) {
		unsigned tries = 0;

		do {
			if (++tries > PORT_COUNT)
				return -EADDRINUSE;
			set_port(name, next_port(sim));
		} while (is_taken(sim, file, name));
	} else if (is_taken(sim, file, name)) {
		return -EADDRINUSE;
	}
	file->local = *name;
	torc__list_push_back(&sim->bound, &file->bound);
	return 0;
}

static int
bind_unix(struct torc_sim *sim, struct torc_sim_file *file,
	const struct torc_sim_name *name)
{
	struct torc_sim_path *path;

	if (torc__sim_path_find(
		    sim, (const struct sockaddr *)&name->at, name->len) != NULL)
		return -EADDRINUSE;
	path = calloc(1, sizeof(*path));
	if (path == NULL)
		return -ENOMEM;
	path->name = file->local = *name;
	path->file = file;
	torc__list_push_back(&sim->paths, &path->link);
	return 0;
}

/* Five digits in the abstract namespace: unix(7), autobind. */
static void
choose_unix(struct torc_sim *sim, struct torc_sim_name *name)
{
	struct sockaddr_un *un = (void *)&name->at;
	const size_t before = offsetof(struct sockaddr_un, sun_path) + 1;

	name->len = (socklen_t)(before + 5);
	do
		snprintf(un->sun_path + 1, 6, "%05x",
			(unsigned)(++sim->names_count & 0xfffff));
	while (torc__sim_path_find(sim, (const struct sockaddr *)&name->at,
		       name->len) != NULL);
}

int
torc__sim_name_bind(struct torc_sim *sim, struct torc_sim_file *file,
	const struct sockaddr *at, socklen_t len)
{
	struct torc_sim_name name;
	int ret = copy_name(&name, at, len);

	if (ret < 0)
		return ret;
	if (name.at.ss_family != file->family)
		return file->family == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
	if (file->local.len != 0)
		return -EINVAL;
	if (file->family != AF_UNIX)
		return bind_inet(sim, file, &name);
	if (name.len == sizeof(sa_family_t))
		choose_unix(sim, &name);
	return bind_unix(sim, file, &name);
}

static bool
is_abstract(const struct torc_sim_name *name)
{
	return ((const struct sockaddr_un *)&name->at)->sun_path[0] == '\0';
}

void
torc__sim_path_remove(struct torc_sim *sim, struct torc_sim_path *path)
{
	(void)sim;
	torc__list_remove(&path->link);
	free(path);
}

void
torc__sim_name_unbind(struct torc_sim *sim, struct torc_sim_file *file)
{
	torc__list_remove(&file->bound);
	if (file->family != AF_UNIX)
		return;
	for (struct torc_link *link = sim->paths.next; link != &sim->paths;
		link = link->next) {
		struct torc_sim_path *path =
			torc__container_of(link, struct torc_sim_path, link);

		if (path->file != file)
			continue;
		path->file = NULL;
		/* A file's name stays, stale, until somebody removes it. */
		if (is_abstract(&path->name))
			torc__sim_path_remove(sim, path);
		return;
	}
}

void
torc__sim_name_choose(
	struct torc_sim *sim, struct torc_sim_file *file, int family)
{
	struct torc_sim_name *name = &file->local;

	/* A Unix client has none. */
	if (name->len != 0 || family == AF_UNIX)
		return;
	memset(name, 0, sizeof(*name));
	name->at.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		((struct sockaddr_in *)&name->at)->sin_addr.s_addr =
			htonl(INADDR_LOOPBACK);
		name->len = sizeof(struct sockaddr_in);
	} else {
		((struct sockaddr_in6 *)&name->at)->sin6_addr =
			in6addr_loopback;
		name->len = sizeof(struct sockaddr_in6);
	}
	set_port(name, next_port(sim));
}

struct torc_sim_path *
torc__sim_path_find(
	struct torc_sim *sim, const struct sockaddr *at, socklen_t len)
{
	for (struct torc_link *link = sim->paths.next; link != &sim->paths;
		link = link->next) {
		struct torc_sim_path *path =
			torc__container_of(link, struct torc_sim_path, link);

		if (path->name.len == len &&
			memcmp(&path->name.at, at, len) == 0)
			return path;
	}
	return NULL;
}

static struct torc_sim_file *
find_unix(struct torc_sim *sim, const struct sockaddr *at, socklen_t len,
	int *error)
{
	struct torc_sim_path *path = torc__sim_path_find(sim, at, len);

	*error = -ECONNREFUSED;
	if (path == NULL && len > sizeof(sa_family_t) &&
		((const struct sockaddr_un *)(const void *)at)->sun_path[0] !=
			'\0')
		*error = -ENOENT;
	return path != NULL ? path->file : NULL;
}

/* Of several with SO_REUSEPORT any may get it. */
struct torc_sim_file *
torc__sim_name_find(struct torc_sim *sim, enum torc_sim_kind kind,
	const struct sockaddr *at, socklen_t len, int *error)
{
	struct torc_sim_file *found = NULL;
	struct torc_sim_name name;
	uint64_t count = 0;

	*error = copy_name(&name, at, len);
	if (*error < 0)
		return NULL;
	if (kind == TORC__SIM_UNIX)
		return find_unix(sim, at, len, error);
	*error = -ECONNREFUSED;
	for (struct torc_link *link = sim->bound.next; link != &sim->bound;
		link = link->next) {
		struct torc_sim_file *file = bound_file(link);

		if (file->kind != kind ||
			port_of(&file->local) != port_of(&name) ||
			!covers(&file->local, &name))
			continue;
		if (kind == TORC__SIM_TCP && file->state != TORC__SIM_LISTENING)
			continue;
		count++;
		if (count == 1 || torc__sim_draw_below(sim, count) == 0)
			found = file;
	}
	return found;
}
