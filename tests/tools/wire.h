/* SPDX-License-Identifier: MIT */
/*
 * What the test tools share: addresses, sockets with a time limit, and a
 * byte pattern that can be checked from any offset.
 *
 * The tools use plain blocking sockets and threads, and nothing of torc, so
 * that a fault of torc can't hide in its own judge.
 *
 * An address is a port of 127.0.0.1, or a Unix socket: /path or @name.
 */
#ifndef TORC_TESTS_TOOLS_WIRE_H
#define TORC_TESTS_TOOLS_WIRE_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	WIRE_CHUNK_BYTES = 64 << 10,
	/* A peer that waits longer than this is stuck, not slow. */
	WIRE_LIMIT_S = 40,
	WIRE_STACK_BYTES = 128 << 10,
};

struct wire_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} u;
	socklen_t len;
};

__attribute__((format(printf, 1, 2), noreturn)) static inline void
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static inline uint64_t
wire_number(const char *text, uint64_t max)
{
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno || end == text || *end || value > max)
		die("'%s' is not a number up to %llu", text,
			(unsigned long long)max);
	return value;
}

static inline struct wire_addr
wire_parse(const char *text)
{
	struct wire_addr addr = { .len = sizeof(addr.u.in) };

	if (text[0] != '/' && text[0] != '@') {
		addr.u.in.sin_family = AF_INET;
		addr.u.in.sin_port =
			htons((uint16_t)wire_number(text, UINT16_MAX));
		addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return addr;
	}

	size_t len = strlen(text);
	if (len >= sizeof(addr.u.un.sun_path))
		die("'%s' is too long for a Unix socket", text);
	addr.u.un.sun_family = AF_UNIX;
	memcpy(addr.u.un.sun_path, text, len);
	if (text[0] == '@')
		addr.u.un.sun_path[0] = '\0';
	addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return addr;
}

static inline int
wire_socket(const struct wire_addr *addr)
{
	int fd = socket(addr->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket: %s", strerror(errno));
	return fd;
}

static inline int
wire_listen(const char *text, int backlog)
{
	struct wire_addr addr = wire_parse(text);
	int fd = wire_socket(&addr);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (text[0] == '/')
		unlink(text);
	if (bind(fd, &addr.u.any, addr.len) || listen(fd, backlog))
		die("listen on %s: %s", text, strerror(errno));
	return fd;
}

/* A blocking socket whose reads and writes give up with EAGAIN. */
static inline void
wire_set_limit(int fd, int limit_s)
{
	struct timeval limit = { .tv_sec = limit_s };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* Returns a connected socket or -errno. */
static inline int
wire_connect(const char *text)
{
	struct wire_addr addr = wire_parse(text);
	int fd = wire_socket(&addr);
	int on = 1;

	wire_set_limit(fd, WIRE_LIMIT_S);
	if (connect(fd, &addr.u.any, addr.len)) {
		int err = -errno;
		close(fd);
		return err;
	}
	if (addr.u.any.sa_family == AF_INET)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Closes so that the other side sees a reset. */
static inline void
wire_reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* Returns 0 or -errno; a broken connection is a result and no signal. */
static inline int
wire_write_all(int fd, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes) {
		ssize_t res = send(fd, at, bytes, MSG_NOSIGNAL);
		if (res < 0 && errno == EINTR)
			continue;
		if (res < 0)
			return -errno;
		at += res;
		bytes -= (size_t)res;
	}
	return 0;
}

/* Returns a count, 0 at the end, or -errno. */
static inline ssize_t
wire_read(int fd, void *data, size_t bytes)
{
	ssize_t res;

	do
		res = recv(fd, data, bytes, 0);
	while (res < 0 && errno == EINTR);
	return res < 0 ? -errno : res;
}

static inline int
wire_is_reset(ssize_t res)
{
	return res == -ECONNRESET || res == -EPIPE;
}

/* splitmix64: any word of the stream, without those before it. */
static inline uint64_t
wire_word(uint64_t seed, uint64_t index)
{
	uint64_t z =
		seed * 0xd1342543de82ef95u + (index + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* The bytes of stream seed from offset on. */
static inline void
wire_fill(uint64_t seed, uint64_t offset, void *data, size_t bytes)
{
	uint8_t *at = data;

	while (bytes) {
		uint64_t word = wire_word(seed, offset / 8);
		size_t skip = offset % 8;
		size_t part = 8 - skip < bytes ? 8 - skip : bytes;

		word >>= 8 * skip;
		memcpy(at, &word, part);
		at += part;
		offset += part;
		bytes -= part;
	}
}

/* The index of the first byte that is not of the stream, or bytes. */
static inline size_t
wire_check(uint64_t seed, uint64_t offset, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint8_t want[4096];
	size_t done = 0;

	while (done < bytes) {
		size_t part = bytes - done;
		if (part > sizeof(want))
			part = sizeof(want);
		wire_fill(seed, offset + done, want, part);
		if (memcmp(at + done, want, part)) {
			size_t same = 0;
			while (at[done + same] == want[same])
				same++;
			return done + same;
		}
		done += part;
	}
	return bytes;
}

struct wire_random {
	uint64_t seed;
	uint64_t drawn;
};

/* A number from min to max, both included. */
static inline uint64_t
wire_draw(struct wire_random *random, uint64_t min, uint64_t max)
{
	return min + wire_word(random->seed, random->drawn++) % (max - min + 1);
}

static inline uint64_t
wire_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void
wire_sleep_ms(unsigned int delay_ms)
{
	usleep(delay_ms * 1000);
}

static inline void *
wire_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory)
		die("no memory for %zu bytes", bytes);
	return memory;
}

static inline pthread_t
wire_start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WIRE_STACK_BYTES);
	int err = pthread_create(&thread, &attr, fn, arg);
	if (err)
		die("thread: %s", strerror(err));
	pthread_attr_destroy(&attr);
	return thread;
}

static inline void
wire_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* A program of this folder is a table of these. */
struct wire_command {
	const char *name;
	const char *args;
	int args_count;
	int (*run)(char **args);
};

static inline int
wire_main(int argc, char **argv, const struct wire_command *table, size_t count)
{
	wire_raise_descriptors();
	for (size_t i = 0; i < count; i++) {
		if (argc - 2 == table[i].args_count &&
			strcmp(argv[1], table[i].name) == 0)
			return table[i].run(argv + 2);
	}
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "%s %s %s\n", argv[0], table[i].name,
			table[i].args);
	return 2;
}

#endif
