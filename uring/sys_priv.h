/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_SYS_PRIV_H
#define TORC_URING_SYS_PRIV_H

/*
 * sys - the system's own sockets and events, for engines that use them
 *
 * Each is the system call of that name, with -errno for errors; what they
 * are for stands in engine_priv.h. The ring is not looked at.
 */

#include <signal.h>
#include <stdbool.h>

#include "uring/engine_priv.h"

int torc__sys_socket(struct torc_ring *, int domain, int type, int protocol);
int torc__sys_socketpair(struct torc_ring *, int type, int fds[2]);
int torc__sys_pipe(struct torc_ring *, int fds[2]);
int torc__sys_read_dir(struct torc_ring *, int fd, void *buf, size_t bytes);
int torc__sys_chmod(struct torc_ring *, const char *path, unsigned mode);
int torc__sys_read_link(
	struct torc_ring *, const char *path, char *target, size_t bytes);
int torc__sys_real_path(struct torc_ring *, const char *path, char *real);
int torc__sys_bind(
	struct torc_ring *, int fd, const struct sockaddr *, socklen_t);
int torc__sys_listen(struct torc_ring *, int fd, int backlog);
int torc__sys_shutdown(struct torc_ring *, int fd, int how);
int torc__sys_setsockopt(struct torc_ring *, int fd, int level, int name,
	const void *value, socklen_t);
int torc__sys_getsockopt(struct torc_ring *, int fd, int level, int name,
	void *value, socklen_t *);
int torc__sys_getsockname(
	struct torc_ring *, int fd, struct sockaddr *, socklen_t *);
int torc__sys_getpeername(
	struct torc_ring *, int fd, struct sockaddr *, socklen_t *);
int torc__sys_dup(struct torc_ring *, int fd);
bool torc__sys_unix_is_stale(
	struct torc_ring *, const struct sockaddr *, socklen_t);
void torc__sys_unix_remove(struct torc_ring *, const struct sockaddr *);
int torc__sys_event_open(struct torc_ring *);
void torc__sys_event_ring_remote(struct torc_ring *, int fd);
int torc__sys_signals_open(struct torc_ring *, const sigset_t *);
void torc__sys_close_fd(struct torc_ring *, int fd);

/* All of them, for an engine's table. */
#define TORC__SYS_CALLS                                                 \
	.socket = torc__sys_socket, .socketpair = torc__sys_socketpair, \
	.pipe = torc__sys_pipe, .read_dir = torc__sys_read_dir,         \
	.chmod = torc__sys_chmod, .read_link = torc__sys_read_link,     \
	.real_path = torc__sys_real_path, .bind = torc__sys_bind,       \
	.listen = torc__sys_listen, .shutdown = torc__sys_shutdown,     \
	.setsockopt = torc__sys_setsockopt,                             \
	.getsockopt = torc__sys_getsockopt,                             \
	.getsockname = torc__sys_getsockname,                           \
	.getpeername = torc__sys_getpeername, .dup = torc__sys_dup,     \
	.unix_is_stale = torc__sys_unix_is_stale,                       \
	.unix_remove = torc__sys_unix_remove,                           \
	.event_open = torc__sys_event_open,                             \
	.event_ring_remote = torc__sys_event_ring_remote,               \
	.signals_open = torc__sys_signals_open, .close_fd = torc__sys_close_fd

#endif /* TORC_URING_SYS_PRIV_H */
