/* SPDX-License-Identifier: MIT */
/* The descriptors that scripts use, made through the engine and the ring. */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "tests/contract/steps.h"

/* Ids of the harness's own operations; scripts use small ones. */
#define OWN_IDS UINT64_C(0xf0000000)

/* Far above what a script opens, and below every limit's default. */
#define BAD_FD 987

/* A send that takes longer than this has found the buffers full. */
#define FULL_NS (20 * TORC_MS)
#define FULL_SIM_NS (3 * TORC_S)

/* More than any buffer of a connection. */
#define FILL_MAX ((size_t)64 << 20)

static uint64_t
next_id(struct contract *c)
{
	return OWN_IDS + c->serial++;
}

int
own(struct contract *c, int fd)
{
	if (fd < 0)
		give_up(c, "no descriptor: %s", strerror(-fd));
	if (c->fds_count == CONTRACT_FDS_MAX)
		give_up(c, "more than %u descriptors", CONTRACT_FDS_MAX);
	c->fds[c->fds_count++] = fd;
	return fd;
}

static void
disown(struct contract *c, int fd)
{
	for (uint32_t i = 0; i < c->fds_count; i++) {
		if (c->fds[i] != fd)
			continue;
		c->fds[i] = c->fds[--c->fds_count];
		return;
	}
}

int
open_socket(struct contract *c, int domain, int type)
{
	return own(c, c->engine->socket(&c->ring, domain, type, 0));
}

static struct sockaddr_in
loopback(void)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

int
open_bound(struct contract *c, int type, struct sockaddr_in *sa)
{
	int fd = open_socket(c, AF_INET, type);
	socklen_t len = sizeof(*sa);
	int ret;

	*sa = loopback();
	ret = c->engine->bind(&c->ring, fd, (struct sockaddr *)sa, sizeof(*sa));
	if (ret == 0)
		ret = c->engine->getsockname(
			&c->ring, fd, (struct sockaddr *)sa, &len);
	if (ret < 0)
		give_up(c, "bind to 127.0.0.1: %s", strerror(-ret));
	return fd;
}

int
open_listener_with(struct contract *c, struct sockaddr_in *sa, int backlog)
{
	int fd = open_bound(c, SOCK_STREAM, sa);
	int ret = c->engine->listen(&c->ring, fd, backlog);

	if (ret < 0)
		give_up(c, "listen: %s", strerror(-ret));
	return fd;
}

int
open_listener(struct contract *c, struct sockaddr_in *sa)
{
	return open_listener_with(c, sa, 128);
}

int
open_udp(struct contract *c, struct sockaddr_in *sa)
{
	return open_bound(c, SOCK_DGRAM, sa);
}

int
dial(struct contract *c, const struct sockaddr_in *sa)
{
	int fd = open_socket(c, AF_INET, SOCK_STREAM);
	uint64_t id = next_id(c);

	start_connect(c, id, fd, sa, sizeof(*sa));
	expect(c, id, RES(0));
	return fd;
}

static struct pair
join(struct contract *c, int listener, const void *sa, socklen_t len, int near)
{
	uint64_t accepted = next_id(c), connected = next_id(c);
	struct pair pair = { .near = near };

	start_accept(c, accepted, listener);
	start_connect(c, connected, near, sa, len);
	expect(c, connected, RES(0));
	pair.far = own(c, expect(c, accepted, BETWEEN(0, INT32_MAX)).res);
	drop(c, listener);
	return pair;
}

struct pair
open_pair(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	return join(c, listener, &sa, sizeof(sa),
		open_socket(c, AF_INET, SOCK_STREAM));
}

struct pair
open_narrow_pair(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_bound(c, SOCK_STREAM, &sa);
	int near = open_socket(c, AF_INET, SOCK_STREAM);

	/* An engine without buffers to set has buffers all the same. */
	set_option(c, listener, SOL_SOCKET, SO_RCVBUF, 4096);
	set_option(c, near, SOL_SOCKET, SO_SNDBUF, 4096);
	if (c->engine->listen(&c->ring, listener, 1) < 0)
		give_up(c, "listen failed");
	return join(c, listener, &sa, sizeof(sa), near);
}

socklen_t
name_unix(struct contract *c, struct sockaddr_un *sa)
{
	int bytes;

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	bytes = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1,
		"torc-contract-%d-%llu", (int)getpid(),
		(unsigned long long)c->serial++);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)bytes);
}

int
open_unix_listener(struct contract *c, struct sockaddr_un *sa, socklen_t *len)
{
	int fd = open_socket(c, AF_UNIX, SOCK_STREAM);
	int ret;

	*len = name_unix(c, sa);
	ret = c->engine->bind(&c->ring, fd, (struct sockaddr *)sa, *len);
	if (ret == 0)
		ret = c->engine->listen(&c->ring, fd, 128);
	if (ret < 0)
		give_up(c, "a Unix listener: %s", strerror(-ret));
	return fd;
}

struct pair
open_unix_pair(struct contract *c)
{
	struct sockaddr_un sa;
	socklen_t len;
	int listener = open_unix_listener(c, &sa, &len);

	return join(
		c, listener, &sa, len, open_socket(c, AF_UNIX, SOCK_STREAM));
}

int
open_event(struct contract *c)
{
	return own(c, c->engine->event_open(&c->ring));
}

int
bad_fd(struct contract *c)
{
	(void)c;
	return BAD_FD;
}

void
drop(struct contract *c, int fd)
{
	disown(c, fd);
	c->engine->close_fd(&c->ring, fd);
}

void
reset(struct contract *c, int fd)
{
	struct linger linger = { .l_onoff = 1 };
	int ret = c->engine->setsockopt(
		&c->ring, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));

	if (ret < 0)
		give_up(c, "SO_LINGER: %s", strerror(-ret));
	drop(c, fd);
}

int
set_option(struct contract *c, int fd, int level, int name, int value)
{
	return c->engine->setsockopt(
		&c->ring, fd, level, name, &value, sizeof(value));
}

void
half_close(struct contract *c, int fd)
{
	int ret = c->engine->shutdown(&c->ring, fd, SHUT_WR);

	if (ret < 0)
		give_up(c, "shutdown: %s", strerror(-ret));
}

void
give(struct contract *c, int fd, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes > 0) {
		uint64_t id = next_id(c);
		struct torc_cqe cqe;

		start_send(c, id, fd, at, bytes);
		cqe = expect(c, id, BETWEEN(1, (int32_t)bytes));
		at += cqe.res;
		bytes -= (size_t)cqe.res;
	}
}

void
take(struct contract *c, int fd, void *data, size_t bytes)
{
	uint8_t *at = data;

	while (bytes > 0) {
		uint64_t id = next_id(c);
		struct torc_cqe cqe;

		start_recv(c, id, fd, at, bytes);
		cqe = expect(c, id, BETWEEN(1, (int32_t)bytes));
		at += cqe.res;
		bytes -= (size_t)cqe.res;
	}
}

void
take_text(struct contract *c, int fd, const char *text)
{
	size_t bytes = strlen(text);
	char *got = memory(c, bytes + 1);

	take(c, fd, got, bytes);
	if (memcmp(got, text, bytes) != 0)
		give_up(c, "received '%s' instead of '%s'", got, text);
}

uint8_t
stream_byte(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

uint8_t *
stream(struct contract *c, size_t bytes)
{
	uint8_t *data = memory(c, bytes);

	for (size_t i = 0; i < bytes; i++)
		data[i] = stream_byte(i);
	return data;
}

size_t
fill(struct contract *c, int fd, uint64_t id)
{
	enum { CHUNK = 65536 };
	uint64_t full_ns =
		strcmp(c->engine->name, "sim") == 0 ? FULL_SIM_NS : FULL_NS;
	uint8_t *chunk = memory(c, CHUNK);
	size_t bytes = 0;

	for (;;) {
		/* The stream's pattern; CHUNK bytes from any place in it. */
		for (size_t i = 0; i < CHUNK; i++)
			chunk[i] = stream_byte(bytes + i);
		start_send(c, id, fd, chunk, CHUNK);
		if (!came_within(c, id, full_ns))
			return bytes;
		bytes += (size_t)expect(c, id, BETWEEN(1, CHUNK)).res;
		if (bytes > FILL_MAX)
			give_up(c, "the peer's buffers have no end");
	}
}
