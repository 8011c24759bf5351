/* SPDX-License-Identifier: MIT */
#include "uring/sys_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sanitizer_priv.h"

/*
 * The ring closes most descriptors, which TSan does not see: it would take the
 * next use of the number, on another thread, for a race with who had it. So it
 * sees neither end of them.
 */
#ifdef TORC__TSAN
#define UNSEEN(name, ...) (int)syscall(SYS_##name, __VA_ARGS__)
#else
#define UNSEEN(name, ...) name(__VA_ARGS__)
#endif

static int
result(int ret)
{
	return ret < 0 ? -errno : ret;
}

int
torc__sys_socket(struct torc_ring *ring, int domain, int type, int protocol)
{
	(void)ring;
	return result(UNSEEN(socket, domain, type | SOCK_CLOEXEC, protocol));
}

int
torc__sys_socketpair(struct torc_ring *ring, int type, int fds[2])
{
	(void)ring;
	return result(UNSEEN(socketpair, AF_UNIX, type | SOCK_CLOEXEC, 0, fds));
}

int
torc__sys_pipe(struct torc_ring *ring, int fds[2])
{
	(void)ring;
	return result(UNSEEN(pipe2, fds, O_CLOEXEC));
}

int
torc__sys_read_dir(struct torc_ring *ring, int fd, void *buf, size_t bytes)
{
	(void)ring;
	return result((int)getdents64(fd, buf, bytes));
}

int
torc__sys_chmod(struct torc_ring *ring, const char *path, unsigned mode)
{
	(void)ring;
	return result(chmod(path, (mode_t)mode));
}

int
torc__sys_read_link(
	struct torc_ring *ring, const char *path, char *target, size_t bytes)
{
	(void)ring;
	return result((int)readlink(path, target, bytes));
}

int
torc__sys_real_path(struct torc_ring *ring, const char *path, char *real)
{
	(void)ring;
	return realpath(path, real) == NULL ? -errno : (int)strlen(real);
}

int
torc__sys_bind(struct torc_ring *ring, int fd, const struct sockaddr *sa,
	socklen_t len)
{
	(void)ring;
	return result(bind(fd, sa, len));
}

int
torc__sys_listen(struct torc_ring *ring, int fd, int backlog)
{
	(void)ring;
	return result(listen(fd, backlog));
}

int
torc__sys_shutdown(struct torc_ring *ring, int fd, int how)
{
	(void)ring;
	return result(shutdown(fd, how));
}

int
torc__sys_setsockopt(struct torc_ring *ring, int fd, int level, int name,
	const void *value, socklen_t len)
{
	(void)ring;
	return result(setsockopt(fd, level, name, value, len));
}

int
torc__sys_getsockopt(struct torc_ring *ring, int fd, int level, int name,
	void *value, socklen_t *len)
{
	(void)ring;
	return result(getsockopt(fd, level, name, value, len));
}

int
torc__sys_getsockname(
	struct torc_ring *ring, int fd, struct sockaddr *sa, socklen_t *len)
{
	(void)ring;
	return result(getsockname(fd, sa, len));
}

int
torc__sys_getpeername(
	struct torc_ring *ring, int fd, struct sockaddr *sa, socklen_t *len)
{
	(void)ring;
	return result(getpeername(fd, sa, len));
}

int
torc__sys_dup(struct torc_ring *ring, int fd)
{
	(void)ring;
	return result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

bool
torc__sys_unix_is_stale(
	struct torc_ring *ring, const struct sockaddr *sa, socklen_t len)
{
	const char *path =
		((const struct sockaddr_un *)(const void *)sa)->sun_path;
	struct stat file;
	int fd, ret;

	(void)ring;
	/* To connect to a file that is no socket is refused just the same. */
	if (lstat(path, &file) < 0 || !S_ISSOCK(file.st_mode))
		return false;
	/* A live one whose backlog is full must not hold up this shard. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ret = connect(fd, sa, len) < 0 ? errno : 0;
	close(fd);
	return ret == ECONNREFUSED;
}

void
torc__sys_unix_remove(struct torc_ring *ring, const struct sockaddr *sa)
{
	(void)ring;
	unlink(((const struct sockaddr_un *)(const void *)sa)->sun_path);
}

int
torc__sys_event_open(struct torc_ring *ring)
{
	(void)ring;
	/* Blocking on purpose: io_uring then waits instead of -EAGAIN. */
	return result(eventfd(0, EFD_CLOEXEC));
}

void
torc__sys_event_ring_remote(struct torc_ring *ring, int fd)
{
	uint64_t one = 1;
	ssize_t written;

	(void)ring;
	/* Fails only when 2^64 - 2 rings wait to be read. */
	do
		written = write(fd, &one, sizeof(one));
	while (written < 0 && errno == EINTR);
}

int
torc__sys_signals_open(struct torc_ring *ring, const sigset_t *set)
{
	(void)ring;
	return result(signalfd(-1, set, SFD_CLOEXEC));
}

void
torc__sys_close_fd(struct torc_ring *ring, int fd)
{
	(void)ring;
	(void)UNSEEN(close, fd);
}
