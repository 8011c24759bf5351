/* SPDX-License-Identifier: MIT */
/*
 * streams ADDR MIN-MAX SEED COUNT LANES: COUNT streams through an echo, LANES
 * of them at once, of MIN to MAX bytes each, every byte verified. For tests
 * in which connections may break: a stream ends exact, or by an explicit
 * reset, and anything else is a fault. Prints how many of each, and exits
 * with 1 when there was a fault.
 */
#include "wire.h"

#include <poll.h>
#include <stdatomic.h>

enum { STALL_MS = WIRE_LIMIT_S * 1000, FAULTS_SHOWN = 10 };

struct settings {
	const char *addr;
	uint64_t bytes_min;
	uint64_t bytes_max;
	uint64_t seed;
	uint64_t count;
	atomic_ullong begun;
	atomic_ullong exact;
	atomic_ullong reset;
	atomic_ullong verified;
	atomic_ullong faults;
};

static struct settings settings;

struct stream {
	int fd;
	uint64_t seed;
	uint64_t bytes;
	uint64_t sent;
	uint64_t verified;
	const char *fault;
	uint8_t buf[WIRE_CHUNK_BYTES];
};

/* Returns 1 to go on, 0 when the stream is over, or -errno. */
static int
take(struct stream *stream)
{
	ssize_t res = recv(
		stream->fd, stream->buf, sizeof(stream->buf), MSG_DONTWAIT);

	if (res < 0)
		return errno == EAGAIN ? 1 : -errno;
	if (res == 0) {
		if (stream->verified != stream->bytes)
			stream->fault = "a clean end too early";
		return 0;
	}
	size_t same = wire_check(
		stream->seed, stream->verified, stream->buf, (size_t)res);
	stream->verified += same;
	if (same < (size_t)res)
		stream->fault = "a wrong byte";
	return stream->fault == NULL;
}

static int
give(struct stream *stream)
{
	size_t part = sizeof(stream->buf);

	if (part > stream->bytes - stream->sent)
		part = (size_t)(stream->bytes - stream->sent);
	wire_fill(stream->seed, stream->sent, stream->buf, part);
	ssize_t res = send(
		stream->fd, stream->buf, part, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (res < 0)
		return errno == EAGAIN ? 1 : -errno;
	stream->sent += (uint64_t)res;
	if (stream->sent == stream->bytes)
		shutdown(stream->fd, SHUT_WR);
	return 1;
}

static int
move(struct stream *stream)
{
	struct pollfd ready = { .fd = stream->fd, .events = POLLIN };
	int res = 1;

	if (stream->sent < stream->bytes)
		ready.events |= POLLOUT;
	if (poll(&ready, 1, STALL_MS) == 0) {
		stream->fault = "nothing moves";
		return 0;
	}
	/* First: an end must not be taken for the reset that follows it. */
	if (ready.revents & (POLLIN | POLLERR | POLLHUP))
		res = take(stream);
	if (res == 1 && ready.revents & POLLOUT)
		res = give(stream);
	return res;
}

static void
judge(struct stream *stream, int res)
{
	if (res < 0 && !wire_is_reset(res))
		stream->fault = strerror(-res);
	atomic_fetch_add(&settings.verified, stream->verified);
	if (stream->fault == NULL) {
		atomic_fetch_add(
			res < 0 ? &settings.reset : &settings.exact, 1);
		return;
	}
	if (atomic_fetch_add(&settings.faults, 1) < FAULTS_SHOWN)
		fprintf(stderr, "stream %llu: %s after %llu of %llu bytes\n",
			(unsigned long long)stream->seed, stream->fault,
			(unsigned long long)stream->verified,
			(unsigned long long)stream->bytes);
}

static void *
run_lane(void *arg)
{
	struct stream *stream = wire_alloc(sizeof(*stream));
	uint64_t number;

	(void)arg;
	while ((number = atomic_fetch_add(&settings.begun, 1)) <
		settings.count) {
		struct wire_random random = { .seed = settings.seed + number };

		stream->seed = settings.seed + number;
		stream->bytes = wire_draw(
			&random, settings.bytes_min, settings.bytes_max);
		stream->sent = stream->verified = 0;
		stream->fault = NULL;
		stream->fd = wire_connect(settings.addr);
		int res = stream->fd < 0 ? stream->fd : 1;
		while (res == 1)
			res = move(stream);
		judge(stream, res);
		if (stream->fd >= 0)
			close(stream->fd);
	}
	free(stream);
	return NULL;
}

int
main(int argc, char **argv)
{
	char *dash = argc == 6 ? strchr(argv[2], '-') : NULL;
	pthread_t threads[1024];
	uint64_t lanes;

	if (dash == NULL) {
		fprintf(stderr, "streams ADDR MIN-MAX SEED COUNT LANES\n");
		return 2;
	}
	*dash = '\0';
	settings.addr = argv[1];
	settings.bytes_min = wire_number(argv[2], UINT32_MAX);
	settings.bytes_max = wire_number(dash + 1, UINT32_MAX);
	settings.seed = wire_number(argv[3], UINT64_MAX);
	settings.count = wire_number(argv[4], UINT32_MAX);
	lanes = wire_number(argv[5], 1024);
	for (uint64_t i = 0; i < lanes; i++)
		threads[i] = wire_start(run_lane, NULL);
	for (uint64_t i = 0; i < lanes; i++)
		pthread_join(threads[i], NULL);
	printf("streams=%llu exact=%llu reset=%llu verified=%llu faults=%llu\n",
		(unsigned long long)settings.count,
		(unsigned long long)settings.exact,
		(unsigned long long)settings.reset,
		(unsigned long long)settings.verified,
		(unsigned long long)settings.faults);
	return settings.faults != 0;
}
