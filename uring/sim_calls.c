/* SPDX-License-Identifier: MIT */
/*
 * The calls around a socket, on simulated ones. Each takes the world's lock
 * and is written down in the trace.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "uring/sim_world_priv.h"

#define BACKLOG_MAX 4096

enum call {
	CALL_SOCKET,
	CALL_BIND,
	CALL_LISTEN,
	CALL_SHUTDOWN,
	CALL_CLOSE,
	CALL_PAIR,
	CALL_PIPE,
};

static struct torc_sim_file *
find(int fd)
{
	pthread_mutex_lock(&torc__sim->lock);
	return torc__sim_fd_file(torc__sim, fd);
}

static int
done(enum call call, int fd, int res)
{
	torc__sim_note(
		torc__sim, TORC__SIM_CALL, 0, call, (uint64_t)fd, res, 0);
	pthread_mutex_unlock(&torc__sim->lock);
	return res;
}

static int
quiet(int res)
{
	pthread_mutex_unlock(&torc__sim->lock);
	return res;
}

static int
kind_of(int domain, int type)
{
	type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (domain == AF_UNIX &&
		(type == SOCK_STREAM || type == SOCK_SEQPACKET))
		return TORC__SIM_UNIX;
	if (domain == AF_UNIX && type == SOCK_DGRAM)
		return TORC__SIM_UDP;
	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (type == SOCK_STREAM)
		return TORC__SIM_TCP;
	return type == SOCK_DGRAM ? TORC__SIM_UDP : -EPROTONOSUPPORT;
}

static int
open_file(struct torc_sim *sim, enum torc_sim_kind kind, int family)
{
	struct torc_sim_file *file;
	int fd;

	if (family != 0 && torc__sim_strikes(sim, TORC__SIM_EMFILE))
		return -EMFILE;
	file = torc__sim_file_new(sim, kind);
	if (file == NULL)
		return -ENOMEM;
	file->family = family;
	fd = torc__sim_fd_open(sim, file);
	if (fd < 0)
		torc__sim_file_put(sim, file);
	return fd;
}

int
torc__sim_socket(struct torc_ring *ring, int domain, int type, int protocol)
{
	int kind = kind_of(domain, type), fd = kind;

	(void)ring;
	(void)protocol;
	pthread_mutex_lock(&torc__sim->lock);
	if (kind >= 0)
		fd = open_file(torc__sim, (enum torc_sim_kind)kind, domain);
	if (fd >= 0)
		torc__sim_fd_file(torc__sim, fd)->is_packet =
			(type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) ==
			SOCK_SEQPACKET;
	return done(CALL_SOCKET, fd, fd);
}

int
torc__sim_socketpair(struct torc_ring *ring, int type, int fds[2])
{
	int ret;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	ret = torc__sim_pair_open(torc__sim, type, fds);
	return done(CALL_PAIR, ret < 0 ? ret : fds[0], ret);
}

int
torc__sim_pipe(struct torc_ring *ring, int fds[2])
{
	int ret;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	ret = torc__sim_fifo_open(torc__sim, fds);
	return done(CALL_PIPE, ret < 0 ? ret : fds[0], ret);
}

int
torc__sim_bind(struct torc_ring *ring, int fd, const struct sockaddr *at,
	socklen_t len)
{
	struct torc_sim_file *file = find(fd);
	int ret = -EBADF;

	(void)ring;
	if (file != NULL)
		ret = file->kind <= TORC__SIM_UDP
			      ? torc__sim_name_bind(torc__sim, file, at, len)
			      : -ENOTSOCK;
	return done(CALL_BIND, fd, ret);
}

static int
start_listening(struct torc_sim_file *file, int backlog)
{
	if (file->kind == TORC__SIM_UDP)
		return -EOPNOTSUPP;
	if (file->kind > TORC__SIM_UDP)
		return -ENOTSOCK;
	if (file->state != TORC__SIM_NEW && file->state != TORC__SIM_LISTENING)
		return -EINVAL;
	file->state = TORC__SIM_LISTENING;
	file->backlog = backlog < 0 || backlog > BACKLOG_MAX
				? BACKLOG_MAX
				: (uint32_t)backlog;
	return 0;
}

int
torc__sim_listen(struct torc_ring *ring, int fd, int backlog)
{
	struct torc_sim_file *file = find(fd);

	(void)ring;
	return done(CALL_LISTEN, fd,
		file == NULL ? -EBADF : start_listening(file, backlog));
}

static int
shut(struct torc_sim *sim, struct torc_sim_file *file, int how)
{
	if (file->kind > TORC__SIM_UDP)
		return -ENOTSOCK;
	if (file->state == TORC__SIM_LISTENING && how != SHUT_WR) {
		torc__sim_socket_unlisten(sim, file);
		return 0;
	}
	if (file->state != TORC__SIM_CONNECTED)
		return -ENOTCONN;
	if (how != SHUT_RD && !file->is_write_shut) {
		file->is_write_shut = true;
		if (file->peer != NULL)
			torc__sim_pipe_finish(
				sim, &file->peer->rx, TORC__SIM_PIPE_FIN);
		torc__sim_wake(sim, &file->writers);
	}
	if (how != SHUT_WR) {
		file->is_read_shut = true;
		torc__sim_wake(sim, &file->readers);
	}
	torc__sim_wake(sim, &file->pollers);
	return 0;
}

int
torc__sim_shutdown(struct torc_ring *ring, int fd, int how)
{
	struct torc_sim_file *file = find(fd);

	(void)ring;
	return done(CALL_SHUTDOWN, fd,
		file == NULL ? -EBADF : shut(torc__sim, file, how));
}

static void
set_option(struct torc_sim_file *file, int level, int name, const void *value,
	socklen_t len)
{
	struct linger linger;
	int flag = 0;

	if (level != SOL_SOCKET)
		return;
	if (name == SO_LINGER && len >= sizeof(linger)) {
		memcpy(&linger, value, sizeof(linger));
		file->is_linger_reset =
			linger.l_onoff != 0 && linger.l_linger == 0;
	}
	if (name == SO_REUSEPORT && len >= sizeof(flag)) {
		memcpy(&flag, value, sizeof(flag));
		file->is_reuseport = flag != 0;
	}
}

/* Options that change nothing here are taken all the same. */
int
torc__sim_setsockopt(struct torc_ring *ring, int fd, int level, int name,
	const void *value, socklen_t len)
{
	struct torc_sim_file *file = find(fd);

	(void)ring;
	if (file == NULL)
		return quiet(-EBADF);
	if (file->kind > TORC__SIM_UDP)
		return quiet(-ENOTSOCK);
	set_option(file, level, name, value, len);
	return quiet(0);
}

static uint8_t
tcp_state(const struct torc_sim_file *file)
{
	bool is_end = file->rx.is_end_seen;

	switch (file->state) {
	case TORC__SIM_LISTENING:
		return TCP_LISTEN;
	case TORC__SIM_CONNECTING:
		return TCP_SYN_SENT;
	case TORC__SIM_CONNECTED:
		if (is_end)
			return file->is_write_shut ? TCP_CLOSE : TCP_CLOSE_WAIT;
		return file->is_write_shut ? TCP_FIN_WAIT2 : TCP_ESTABLISHED;
	case TORC__SIM_NEW:
	case TORC__SIM_DEAD:
		break;
	}
	return TCP_CLOSE;
}

static int
type_of(const struct torc_sim_file *file)
{
	if (file->is_packet)
		return SOCK_SEQPACKET;
	return file->kind == TORC__SIM_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

static int
get_option(struct torc_sim_file *file, int level, int name, void *value,
	socklen_t *len)
{
	struct tcp_info info = { .tcpi_state = tcp_state(file) };
	const void *from = NULL;
	socklen_t bytes = 0;
	int number = 0;

	if (level == IPPROTO_TCP && name == TCP_INFO) {
		from = &info;
		bytes = sizeof(info);
	} else if (level == SOL_SOCKET && name == SO_ERROR) {
		number = file->error;
		file->error = 0;
		from = &number;
		bytes = sizeof(number);
	} else if (level == SOL_SOCKET && name == SO_TYPE) {
		number = type_of(file);
		from = &number;
		bytes = sizeof(number);
	} else {
		return -ENOPROTOOPT;
	}
	if (*len < bytes)
		bytes = *len;
	memcpy(value, from, bytes);
	*len = bytes;
	return 0;
}

int
torc__sim_getsockopt(struct torc_ring *ring, int fd, int level, int name,
	void *value, socklen_t *len)
{
	struct torc_sim_file *file = find(fd);

	(void)ring;
	return quiet(file == NULL ? -EBADF
				  : get_option(file, level, name, value, len));
}

static int
give_name(const struct torc_sim_name *name, int family, struct sockaddr *at,
	socklen_t *len)
{
	struct sockaddr_storage none = { .ss_family = (sa_family_t)family };
	const void *from = name->len != 0 ? (const void *)&name->at : &none;
	socklen_t bytes = name->len != 0 ? name->len : sizeof(sa_family_t);

	memcpy(at, from, bytes < *len ? bytes : *len);
	*len = bytes;
	return 0;
}

int
torc__sim_getsockname(
	struct torc_ring *ring, int fd, struct sockaddr *at, socklen_t *len)
{
	struct torc_sim_file *file = find(fd);

	(void)ring;
	if (file == NULL)
		return quiet(-EBADF);
	return quiet(give_name(&file->local, file->family, at, len));
}

int
torc__sim_getpeername(
	struct torc_ring *ring, int fd, struct sockaddr *at, socklen_t *len)
{
	struct torc_sim_file *file = find(fd);

	(void)ring;
	if (file == NULL)
		return quiet(-EBADF);
	if (file->state != TORC__SIM_CONNECTED)
		return quiet(-ENOTCONN);
	return quiet(give_name(&file->remote, file->family, at, len));
}

int
torc__sim_dup(struct torc_ring *ring, int fd)
{
	struct torc_sim_file *file = find(fd);
	int copy;

	(void)ring;
	if (file == NULL)
		return quiet(-EBADF);
	file->refs_count++;
	copy = torc__sim_fd_open(torc__sim, file);
	if (copy < 0)
		torc__sim_file_put(torc__sim, file);
	return quiet(copy);
}

bool
torc__sim_unix_is_stale(
	struct torc_ring *ring, const struct sockaddr *at, socklen_t len)
{
	struct torc_sim_path *path;
	bool is_stale;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	path = torc__sim_path_find(torc__sim, at, len);
	is_stale = path != NULL && path->file == NULL;
	pthread_mutex_unlock(&torc__sim->lock);
	return is_stale;
}

void
torc__sim_unix_remove(struct torc_ring *ring, const struct sockaddr *at)
{
	struct torc_link *link;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	for (link = torc__sim->paths.next; link != &torc__sim->paths;
		link = link->next) {
		struct torc_sim_path *path =
			torc__container_of(link, struct torc_sim_path, link);

		if (memcmp(&path->name.at, at, path->name.len) == 0) {
			torc__sim_path_remove(torc__sim, path);
			break;
		}
	}
	pthread_mutex_unlock(&torc__sim->lock);
}

/*
 * Shards open theirs at the same time, so each has a slot of its own: the
 * number must not depend on which comes first.
 */
int
torc__sim_event_open(struct torc_ring *ring)
{
	struct torc_soft *soft = torc__soft_of(ring);
	struct torc_sim_ring *own = soft->engine;
	struct torc_sim *sim = torc__sim;
	struct torc_sim_file *file;
	int fd;

	pthread_mutex_lock(&sim->lock);
	file = torc__sim_file_new(sim, TORC__SIM_EVENT);
	if (file == NULL)
		return quiet(-ENOMEM);
	if (own->index < sim->scheduled_max && sim->begun_count == 0 &&
		sim->fds[own->index] == NULL) {
		sim->fds[own->index] = file;
		sim->fds_count++;
		file->fds_count++;
		file->fd = TORC__SIM_FD_BASE + (int)own->index;
		file->serial = own->index + 1;
		return quiet(file->fd);
	}
	fd = torc__sim_fd_open(sim, file);
	if (fd < 0)
		torc__sim_file_put(sim, file);
	return quiet(fd);
}

void
torc__sim_event_ring_remote(struct torc_ring *ring, int fd)
{
	struct torc_sim_file *file = find(fd);

	(void)ring;
	torc_assert(file != NULL && file->kind == TORC__SIM_EVENT);
	file->count++;
	torc__sim_wake(torc__sim, &file->readers);
	torc__sim_wake(torc__sim, &file->pollers);
	quiet(0);
}

int
torc__sim_signals_open(struct torc_ring *ring, const sigset_t *set)
{
	int fd;

	(void)ring;
	pthread_mutex_lock(&torc__sim->lock);
	fd = open_file(torc__sim, TORC__SIM_SIGNALS, 0);
	if (fd < 0)
		return quiet(fd);
	for (int signo = 1; signo < 64; signo++)
		if (sigismember(set, signo) == 1)
			torc__sim_fd_file(torc__sim, fd)->mask |= UINT64_C(1)
								  << signo;
	return quiet(fd);
}

void
torc__sim_close_fd(struct torc_ring *ring, int fd)
{
	struct torc_sim *sim = torc__sim;
	bool is_over;
	int ret;

	(void)ring;
	pthread_mutex_lock(&sim->lock);
	ret = torc__sim_fd_close(sim, fd);
	is_over = !sim->is_explicit && sim->rings_count == 0 &&
		  sim->fds_count == 0;
	(void)done(CALL_CLOSE, fd, ret);
	if (is_over)
		torc__sim_end(NULL);
}
