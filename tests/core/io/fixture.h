/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_FIXTURE_H
#define TORC_TESTS_CORE_IO_FIXTURE_H

/*
 * fixture - a test that runs as torc's main task and leaves nothing behind
 *
 * WITH_TORC(fn) runs fn(NULL) on a runtime of its own. When fn returns, its
 * shard must become quiet by itself: no socket, no other task, no receive
 * buffer taken, nothing in flight. LEFT_OPEN(fn) leaves that to the end of
 * the runtime. After either the process has the descriptors and, with
 * jemalloc, the bytes that it had before; sanitizer builds watch each block.
 *
 * Peers are plain sockets that the test's own tasks poll, so that a test
 * decides what happens first. A check that fails ends the program: cmocka's
 * longjmp must not cross from a task's stack.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <unistd.h>

#include <torc.h>

#include "tests/test.h"
#include "core/io/stream_priv.h"

#if !defined(TORC__ASAN) && !defined(TORC__TSAN)
#include <jemalloc/jemalloc.h>
#endif

/* Longer than any wait in these tests; a hang ends here. */
#define PATIENCE_NS (20 * TORC_S)
#define CASE_SECONDS_MAX 120

#define must(condition)                                              \
	do {                                                         \
		if (!(condition))                                    \
			must_failed(__FILE__, __LINE__, #condition); \
	} while (0)

#define must_be(actual, expected)                                             \
	do {                                                                  \
		int64_t must_a = (int64_t)(actual);                           \
		int64_t must_e = (int64_t)(expected);                         \
		if (must_a != must_e)                                         \
			must_be_failed(                                       \
				__FILE__, __LINE__, #actual, must_a, must_e); \
	} while (0)

#define must_be_at_most(actual, bound)                                \
	do {                                                          \
		if ((int64_t)(actual) > (int64_t)(bound))             \
			must_be_failed(__FILE__, __LINE__, #actual,   \
				(int64_t)(actual), (int64_t)(bound)); \
	} while (0)

/* Let the shard run until the condition holds. */
#define wait_until(condition)                                         \
	do {                                                          \
		uint64_t wait_end_ns = torc_clock_ns() + PATIENCE_NS; \
		while (!(condition)) {                                \
			must(torc_clock_ns() < wait_end_ns);          \
			torc_sleep(50 * TORC_US);                     \
		}                                                     \
	} while (0)

__attribute__((noreturn)) static inline void
must_failed(const char *file, int line, const char *what)
{
	printf("%s:%d: not so: %s\n", file, line, what);
	fflush(stdout);
	abort();
}

__attribute__((noreturn)) static inline void
must_be_failed(const char *file, int line, const char *what, int64_t actual,
	int64_t expected)
{
	printf("%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", file, line, what,
		actual, expected);
	fflush(stdout);
	abort();
}

/*
 * Let the loop turn once: what was started goes to the kernel, and what the
 * kernel has done is told. torc_yield() alone lets other tasks run.
 */
static inline void
turn(void)
{
	uint64_t before = torc__pulse_turns(&torc__shard->pulse);

	while (torc__pulse_turns(&torc__shard->pulse) == before)
		must(torc_yield() == 0 || torc_interrupted() != 0);
}

/* ---- what a case leaves behind ---- */

static inline unsigned
fds_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	must(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static inline size_t
heap_bytes(void)
{
	size_t bytes = 0;
#if !defined(TORC__ASAN) && !defined(TORC__TSAN)
	uint64_t epoch = 1;
	size_t len = sizeof(bytes);

	must_be(mallctl("thread.tcache.flush", NULL, NULL, NULL, 0), 0);
	must_be(mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)), 0);
	must_be(mallctl("stats.allocated", &bytes, &len, NULL, 0), 0);
#endif
	return bytes;
}

static inline bool
is_shard_quiet(void)
{
	struct torc_shard *shard = torc__shard;
	uint32_t bell = !torc__op_is_idle(&shard->bell.op);

	return torc__list_is_empty(&shard->resources) &&
	       shard->tasks_count == 1 && shard->streams.taken_count == 0 &&
	       (!shard->has_datagrams || shard->datagrams.taken_count == 0) &&
	       shard->ring.inflight_count == bell;
}

/*
 * For main(): begin anew without the C library's cache of thread stacks (a
 * setting of glibc 2.34). It keeps a record per stack on the heap, which a
 * case with helper threads would seem to have left behind.
 */
static inline void
forget_stacks(char **argv)
{
	if (getenv("GLIBC_TUNABLES") != NULL)
		return;
	setenv("GLIBC_TUNABLES", "glibc.pthread.stack_cache_size=0", 1);
	execv("/proc/self/exe", argv);
}

struct torc_case {
	torc_task_fn *fn;
	bool is_left_open;
	struct torc_options options;
};

static inline int
run_case_task(void *arg)
{
	struct torc_case *c = arg;

	must_be(c->fn(NULL), 0);
	if (!c->is_left_open)
		wait_until(is_shard_quiet());
	return 0;
}

static inline int
do_nothing(void *unused)
{
	(void)unused;
	return 0;
}

static inline void
run_case(void **state)
{
	struct torc_case *c = *state;
	unsigned fds_before = fds_count();
	size_t bytes_before;

	if (c->options.shards == 0)
		c->options.shards = 1;
	/* The first run of all makes what the process keeps for the next. */
	must_be(torc_run(&c->options, do_nothing, NULL), 0);
	bytes_before = heap_bytes();
	alarm(CASE_SECONDS_MAX);
	must_be(torc_run(&c->options, run_case_task, c), 0);
	alarm(0);
	must_be(fds_count(), fds_before);
	must_be(heap_bytes(), bytes_before);
}

#define TORC_CASE(fn_, ...)                          \
	{                                            \
		.name = #fn_, .test_func = run_case, \
		.initial_state = &(struct torc_case) \
		{                                    \
			.fn = fn_, ##__VA_ARGS__     \
		}                                    \
	}
#define WITH_TORC(fn_) TORC_CASE(fn_)
#define WITH_SHARDS(fn_, count) TORC_CASE(fn_, .options.shards = count)
#define LEFT_OPEN(fn_) TORC_CASE(fn_, .is_left_open = true)

/* ---- bytes whose place in a stream can be told ---- */

/* A prime, so that no chunk that is lost or doubled goes unnoticed. */
#define POOL_BYTES ((size_t)1048573)
#define POOL_PIECE ((size_t)65536)

static uint8_t pool_memory[POOL_BYTES + POOL_PIECE];

static inline uint64_t
random_u64(void)
{
	static uint64_t seed;
	uint64_t z;

	if (seed == 0) {
		const char *text = getenv("TORC_SEED");

		must_be(getentropy(&seed, sizeof(seed)), 0);
		if (text != NULL)
			seed = strtoull(text, NULL, 0);
		printf("TORC_SEED=%" PRIu64 "\n", seed);
	}
	/* splitmix64 */
	z = (seed += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* From 1 to max. */
static inline size_t
random_size(size_t max)
{
	return 1 + random_u64() % max;
}

/* Up to POOL_PIECE bytes as they stand at this offset of every stream. */
static inline const uint8_t *
bytes_at(size_t offset)
{
	if (pool_memory[0] == 0) {
		for (size_t i = 0; i < POOL_BYTES; i++)
			pool_memory[i] = (uint8_t)(random_u64() % 255 + 1);
		memcpy(pool_memory + POOL_BYTES, pool_memory, POOL_PIECE);
	}
	return pool_memory + offset % POOL_BYTES;
}

static inline bool
is_right(const void *data, size_t offset, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes > 0) {
		size_t part = bytes < POOL_PIECE ? bytes : POOL_PIECE;

		if (memcmp(at, bytes_at(offset), part) != 0)
			return false;
		at += part;
		offset += part;
		bytes -= part;
	}
	return true;
}

/* A block of the stream, for sends of any size; the caller frees it. */
static inline uint8_t *
copy_of_bytes(size_t offset, size_t bytes)
{
	uint8_t *copy = malloc(bytes);

	must(copy != NULL);
	for (size_t done = 0; done < bytes; done += POOL_PIECE) {
		size_t left = bytes - done;

		memcpy(copy + done, bytes_at(offset + done),
			left < POOL_PIECE ? left : POOL_PIECE);
	}
	return copy;
}

/* ---- plain sockets, from a task ---- */

static inline struct torc_address
address_of(const char *text)
{
	struct torc_address address;

	must_be(torc_address_parse(&address, text, NULL), 0);
	return address;
}

static inline int
raw_socket(const struct torc_address *to)
{
	int type = to->type == TORC_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(to->sa.sa_family, type | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	return fd;
}

/* What the kernel holds for a peer that does not read is bounded, too. */
static inline int
raw_connect(const struct torc_address *to)
{
	int fd = raw_socket(to), bytes = 256 << 10;

	must_be(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)),
		0);
	must_be(connect(fd, &to->sa, to->len), 0);
	return fd;
}

/* So many bytes as the socket takes now; 0: it is full; -errno. */
static inline ssize_t
raw_send_some(int fd, size_t offset, size_t bytes)
{
	ssize_t ret = send(fd, bytes_at(offset),
		bytes < POOL_PIECE ? bytes : POOL_PIECE,
		MSG_DONTWAIT | MSG_NOSIGNAL);

	if (ret < 0)
		return errno == EAGAIN ? 0 : -errno;
	return ret;
}

static inline void
raw_send(int fd, size_t offset, size_t bytes)
{
	while (bytes > 0) {
		ssize_t ret = raw_send_some(fd, offset, bytes);

		must(ret >= 0);
		if (ret == 0)
			torc_sleep(50 * TORC_US);
		offset += (size_t)ret;
		bytes -= (size_t)ret;
	}
}

/* -EAGAIN: nothing yet. */
static inline ssize_t
raw_recv_some(int fd, void *buf, size_t bytes)
{
	ssize_t ret = recv(fd, buf, bytes, MSG_DONTWAIT);

	return ret < 0 ? -errno : ret;
}

/* What recv says, once it says something. */
static inline ssize_t
raw_recv(int fd, void *buf, size_t bytes)
{
	ssize_t ret;

	wait_until((ret = raw_recv_some(fd, buf, bytes)) != -EAGAIN);
	return ret;
}

/* So many bytes, and the right ones. */
static inline void
raw_expect(int fd, size_t offset, size_t bytes)
{
	static uint8_t buf[POOL_PIECE];

	while (bytes > 0) {
		ssize_t ret = raw_recv(
			fd, buf, bytes < sizeof(buf) ? bytes : sizeof(buf));

		must(ret > 0);
		must(is_right(buf, offset, (size_t)ret));
		offset += (size_t)ret;
		bytes -= (size_t)ret;
	}
}

/* All that was sent has reached the other side's kernel. */
static inline void
raw_wait_delivered(int fd)
{
	int queued = 0;

	wait_until(ioctl(fd, SIOCOUTQ, &queued) == 0 && queued == 0);
}

static inline void
raw_reset(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	must_be(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
		0);
	close(fd);
}

/* ---- a stream of ours and a plain socket at its other end ---- */

struct pair {
	struct torc_listener *listener;
	struct torc_address address;
	struct torc_stream *stream;
	int peer;
};

static inline void
pair_connect(struct pair *pair)
{
	pair->peer = raw_connect(&pair->address);
	must_be(torc_accept(pair->listener, &pair->stream), 0);
}

static inline void
pair_open(struct pair *pair, const char *text)
{
	struct torc_address address = address_of(text);

	must_be(torc_listen(&pair->listener, &address, NULL), 0);
	torc_listener_address(pair->listener, &pair->address);
	pair_connect(pair);
}

/* The stream is taken; the peer is closed unless it is -1. */
static inline void
pair_close(struct pair *pair)
{
	torc_close(pair->stream);
	torc_listener_close(pair->listener);
	if (pair->peer >= 0)
		close(pair->peer);
}

#define TCP "127.0.0.1:0"

/* A name of its own for each process. */
static inline const char *
abstract_text(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "@torc-test-%d", getpid());
	return text;
}

/*
 * What a stream may hold: one receive may take all that the kernel is shown
 * (Linux 6.18: 33 buffers, up to three times in one enter) before its cancel
 * takes effect.
 */
static inline uint32_t
held_max(void)
{
	return TORC_STREAM_CREDIT + torc__shard->streams.options.posted_max;
}

#endif /* TORC_TESTS_CORE_IO_FIXTURE_H */
