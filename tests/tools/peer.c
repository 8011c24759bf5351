/* SPDX-License-Identifier: MIT */
/*
 * Scripted TCP clients for the end-to-end tests. Each prints its figures on
 * one line and exits 0 when all of it was as it should be, else 1 with the
 * reason on stderr. backend.c has the servers that they expect.
 *
 *   free-port          an unused port of 127.0.0.1, below the ephemeral ones
 *   stream             CONNS at once through an echo: every byte is verified;
 *                      BYTES may be MIN-MAX, drawn for each connection
 *   random-disconnect  N at once through an echo, leaving at random moments
 *   count-ends         N one by one: one byte out, then read to the end
 *   slow-reader        against source: not a read for 2 s, then everything
 *   stuck              N through an echo that send and never read; holds
 *   idle               N through an echo, each alive; holds, verifies again
 *   reset-clients      N against witness: one byte there and back, then
 *                      some bytes and a reset
 *   after-end          against late: reads to the end, then sends BYTES
 *   wait-end           one byte through an echo, then idle until the end
 *   roundtrip          COUNT closed-loop round trips of BYTES
 *
 * Those that hold do so until SIGUSR1.
 */
#include "wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_int faults;

/* One line for each fault, but not a thousand. */
__attribute__((format(printf, 1, 2))) static void
fault(const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(&faults, 1) >= 10)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static const char *
reason(ssize_t res)
{
	if (res == 0)
		return "ended";
	if (res == -EAGAIN)
		return "stalled";
	return strerror((int)-res);
}

static int
connect_or_die(const char *addr)
{
	int fd = wire_connect(addr);

	if (fd < 0)
		die("connect to %s: %s", addr, reason(fd));
	return fd;
}

/* Blocked from the start, so that a release can't come too early. */
static void
block_release(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
hold_until_released(void)
{
	sigset_t set;
	int got;

	fflush(stdout);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigwait(&set, &got);
}

static int
run_free_port(char **args)
{
	struct wire_random random = { .seed = wire_now_ns() };

	(void)args;
	for (int tries = 0; tries < 1000; tries++) {
		char text[8];
		unsigned int port =
			(unsigned int)wire_draw(&random, 12000, 31999);
		snprintf(text, sizeof(text), "%u", port);
		struct wire_addr addr = wire_parse(text);
		/* Any address: a server may listen on all of them. */
		addr.u.in.sin_addr.s_addr = htonl(INADDR_ANY);
		int fd = wire_socket(&addr);
		int err = bind(fd, &addr.u.any, addr.len);
		close(fd);
		if (err)
			continue;
		printf("%u\n", port);
		return 0;
	}
	die("no free port");
}

/* One connection of stream: a thread writes, another verifies. */
struct stream {
	pthread_t reader;
	pthread_t writer;
	const char *addr;
	uint64_t seed;
	uint64_t bytes;
	uint64_t verified;
	int fd;
};

static void *
stream_write(void *arg)
{
	struct stream *stream = arg;
	struct wire_random random = { .seed = ~stream->seed };
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);
	uint64_t sent = 0;

	while (sent < stream->bytes) {
		uint64_t part = wire_draw(&random, 1, WIRE_CHUNK_BYTES);
		if (part > stream->bytes - sent)
			part = stream->bytes - sent;
		wire_fill(stream->seed, sent, buf, (size_t)part);
		int res = wire_write_all(stream->fd, buf, (size_t)part);
		if (res) {
			fault("stream %llu: write at %llu of %llu: %s",
				(unsigned long long)stream->seed,
				(unsigned long long)sent,
				(unsigned long long)stream->bytes, reason(res));
			break;
		}
		sent += part;
	}
	shutdown(stream->fd, SHUT_WR);
	free(buf);
	return NULL;
}

/* Reads all, and sees that nothing but a clean end comes after it. */
static ssize_t
stream_verify(struct stream *stream, uint8_t *buf)
{
	ssize_t res;

	while ((res = wire_read(stream->fd, buf, WIRE_CHUNK_BYTES)) > 0) {
		size_t same = wire_check(
			stream->seed, stream->verified, buf, (size_t)res);
		stream->verified += same;
		if (same < (size_t)res) {
			fault("stream %llu: wrong byte at %llu of %llu",
				(unsigned long long)stream->seed,
				(unsigned long long)stream->verified,
				(unsigned long long)stream->bytes);
			return 0;
		}
	}
	if (res || stream->verified != stream->bytes)
		fault("stream %llu: %s after %llu of %llu bytes",
			(unsigned long long)stream->seed, reason(res),
			(unsigned long long)stream->verified,
			(unsigned long long)stream->bytes);
	return res;
}

static void *
stream_read(void *arg)
{
	struct stream *stream = arg;
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);

	stream->fd = wire_connect(stream->addr);
	if (stream->fd < 0) {
		fault("stream %llu: connect: %s",
			(unsigned long long)stream->seed, reason(stream->fd));
	} else {
		stream->writer = wire_start(stream_write, stream);
		stream_verify(stream, buf);
		/* After a fault the writer may wait for its reader. */
		shutdown(stream->fd, SHUT_RDWR);
		pthread_join(stream->writer, NULL);
		close(stream->fd);
	}
	free(buf);
	return NULL;
}

static uint64_t
draw_bytes(char *range, uint64_t seed)
{
	struct wire_random random = { .seed = seed };
	char *dash = strchr(range, '-');

	if (!dash)
		return wire_number(range, UINT64_MAX);
	*dash = '\0';
	uint64_t bytes = wire_draw(&random, wire_number(range, 1u << 30),
		wire_number(dash + 1, 1u << 30));
	*dash = '-';
	return bytes;
}

static int
run_stream(char **args)
{
	uint64_t seed = wire_number(args[2], UINT64_MAX);
	uint64_t count = wire_number(args[3], 10000);
	struct stream *streams = wire_alloc(count * sizeof(*streams));
	uint64_t verified = 0;

	for (uint64_t i = 0; i < count; i++) {
		streams[i].addr = args[0];
		streams[i].seed = seed + i;
		streams[i].bytes = draw_bytes(args[1], seed + i);
		streams[i].reader = wire_start(stream_read, &streams[i]);
	}
	for (uint64_t i = 0; i < count; i++) {
		pthread_join(streams[i].reader, NULL);
		verified += streams[i].verified;
	}
	free(streams);
	printf("streams=%llu verified=%llu faults=%d\n",
		(unsigned long long)count, (unsigned long long)verified,
		faults);
	return faults != 0;
}

/* One client of random-disconnect. */
struct leaver {
	pthread_t thread;
	const char *addr;
	uint64_t seed;
	uint64_t sent;
	uint64_t verified;
};

/* Sends and receives what is possible now; returns 0 or -errno. */
static int
leaver_move(struct leaver *leaver, int fd, uint8_t *buf, uint64_t until)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN | POLLOUT };

	if (poll(&ready, 1, 1000) == 0)
		return -EAGAIN;
	if (ready.revents & POLLIN) {
		ssize_t res = recv(fd, buf, WIRE_CHUNK_BYTES, MSG_DONTWAIT);
		if (res <= 0)
			return res ? -errno : -EPIPE;
		if (wire_check(leaver->seed, leaver->verified, buf,
			    (size_t)res) != (size_t)res)
			return -EBADMSG;
		leaver->verified += (uint64_t)res;
	}
	if (ready.revents & POLLOUT && leaver->sent < until) {
		size_t part = WIRE_CHUNK_BYTES / 4;
		if (part > until - leaver->sent)
			part = (size_t)(until - leaver->sent);
		wire_fill(leaver->seed, leaver->sent, buf, part);
		ssize_t res = send(fd, buf, part, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (res < 0 && errno != EAGAIN)
			return -errno;
		leaver->sent += res > 0 ? (uint64_t)res : 0;
	}
	return 0;
}

static void
leaver_leave(int fd, uint64_t manner)
{
	switch (manner) {
	case 0: /* unread bytes make this a reset, otherwise it is an end */
		break;
	case 1:
		wire_reset(fd);
		return;
	case 2: /* half-closes, takes a little, and is gone */
		shutdown(fd, SHUT_WR);
		wire_sleep_ms(1);
		break;
	case 3:
		shutdown(fd, SHUT_RDWR);
		break;
	}
	close(fd);
}

static void *
leaver_run(void *arg)
{
	struct leaver *leaver = arg;
	struct wire_random random = { .seed = leaver->seed };
	uint64_t until = wire_draw(&random, 0, 512 << 10);
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);
	int fd = wire_connect(leaver->addr);
	int res = fd < 0 ? fd : 0;

	while (res == 0 && leaver->sent < until)
		res = leaver_move(leaver, fd, buf, until);
	if (res)
		fault("client %llu, before it left: %s",
			(unsigned long long)leaver->seed, reason(res));
	if (fd >= 0)
		leaver_leave(fd, wire_draw(&random, 0, 3));
	free(buf);
	return NULL;
}

static int
run_random_disconnect(char **args)
{
	uint64_t count = wire_number(args[1], 10000);
	uint64_t seed = wire_number(args[2], UINT64_MAX);
	struct leaver *leavers = wire_alloc(count * sizeof(*leavers));
	uint64_t sent = 0;

	for (uint64_t i = 0; i < count; i++) {
		leavers[i].addr = args[0];
		leavers[i].seed = seed + i;
		leavers[i].thread = wire_start(leaver_run, &leavers[i]);
	}
	for (uint64_t i = 0; i < count; i++) {
		pthread_join(leavers[i].thread, NULL);
		sent += leavers[i].sent;
	}
	free(leavers);
	printf("clients=%llu seed=%llu sent=%llu faults=%d\n",
		(unsigned long long)count, (unsigned long long)seed,
		(unsigned long long)sent, faults);
	return faults != 0;
}

/* Reads to the end, verifying stream 0; returns 0 or -errno. */
static int
read_stream(int fd, uint64_t *bytes)
{
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);
	ssize_t res;

	*bytes = 0;
	while ((res = wire_read(fd, buf, WIRE_CHUNK_BYTES)) > 0) {
		size_t same = wire_check(0, *bytes, buf, (size_t)res);
		*bytes += same;
		if (same < (size_t)res) {
			fault("wrong byte at %llu", (unsigned long long)*bytes);
			res = -EBADMSG;
			break;
		}
	}
	free(buf);
	return (int)res;
}

static int
run_count_ends(char **args)
{
	uint64_t count = wire_number(args[1], 1000000);
	uint64_t bytes, sum = 0;
	int clean = 0, reset = 0, other = 0;

	for (uint64_t i = 0; i < count; i++) {
		int fd = wire_connect(args[0]);
		int res = fd;
		if (fd >= 0) {
			res = wire_write_all(fd, "x", 1);
			if (res == 0)
				res = read_stream(fd, &bytes);
			sum += bytes;
			close(fd);
		}
		if (res == 0)
			clean++;
		else if (wire_is_reset(res))
			reset++;
		else
			other++;
	}
	printf("clean=%d reset=%d other=%d bytes=%llu\n", clean, reset, other,
		(unsigned long long)sum);
	return faults || other;
}

static int
run_slow_reader(char **args)
{
	uint64_t want = wire_number(args[1], 1u << 20) << 20;
	uint64_t got;
	int fd = connect_or_die(args[0]);

	printf("waiting\n");
	fflush(stdout);
	wire_sleep_ms(2000);
	int res = read_stream(fd, &got);
	close(fd);
	printf("verified=%llu of %llu: %s\n", (unsigned long long)got,
		(unsigned long long)want, reason(res));
	return res || got != want;
}

static atomic_ullong stuck_bytes;

/* Sends until nothing has moved for a while. */
static void *
stuck_run(void *arg)
{
	struct pollfd ready = { .fd = connect_or_die(arg), .events = POLLOUT };
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);

	while (poll(&ready, 1, 300) > 0) {
		ssize_t res = send(ready.fd, buf, WIRE_CHUNK_BYTES,
			MSG_DONTWAIT | MSG_NOSIGNAL);
		if (res < 0 && errno != EAGAIN)
			die("send: %s", strerror(errno));
		if (res > 0)
			atomic_fetch_add(&stuck_bytes, (unsigned int)res);
	}
	free(buf);
	return NULL;
}

static int
run_stuck(char **args)
{
	uint64_t count = wire_number(args[1], 10000);
	pthread_t *threads = wire_alloc(count * sizeof(*threads));

	for (uint64_t i = 0; i < count; i++)
		threads[i] = wire_start(stuck_run, args[0]);
	for (uint64_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	printf("stuck %llu sent=%llu\n", (unsigned long long)count,
		stuck_bytes);
	hold_until_released();
	return 0;
}

static void
echo_byte(int fd, uint64_t index)
{
	uint8_t sent = (uint8_t)(index * 7 + 1), got = 0;
	int res = wire_write_all(fd, &sent, 1);

	if (res == 0) {
		ssize_t count = wire_read(fd, &got, 1);
		res = count == 1 ? 0 : count ? (int)count : -EPIPE;
	}
	if (res)
		die("connection %llu: %s", (unsigned long long)index,
			reason(res));
	if (got != sent)
		die("connection %llu: sent %u, got %u",
			(unsigned long long)index, sent, got);
}

static int
run_idle(char **args)
{
	uint64_t count = wire_number(args[1], 100000);
	int *fds = wire_alloc(count * sizeof(*fds));

	for (uint64_t i = 0; i < count; i++) {
		fds[i] = connect_or_die(args[0]);
		echo_byte(fds[i], i);
	}
	printf("idle %llu\n", (unsigned long long)count);
	hold_until_released();
	for (uint64_t i = 0; i < count; i++)
		echo_byte(fds[i], i + 1);
	for (uint64_t i = 0; i < count; i++)
		close(fds[i]);
	free(fds);
	printf("alive %llu\n", (unsigned long long)count);
	return 0;
}

static int
run_reset_clients(char **args)
{
	uint64_t count = wire_number(args[1], 1000000);
	struct wire_random random = { .seed = 1 };
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);

	for (uint64_t i = 0; i < count; i++) {
		int fd = connect_or_die(args[0]);
		echo_byte(fd, i);
		int res = wire_write_all(
			fd, buf, wire_draw(&random, 1, WIRE_CHUNK_BYTES));
		if (res)
			fault("client %llu: %s", (unsigned long long)i,
				reason(res));
		/* Let some of it be on its way through the proxy. */
		if (i % 2)
			wire_sleep_ms(1);
		wire_reset(fd);
	}
	free(buf);
	printf("reset %llu\n", (unsigned long long)count);
	return faults != 0;
}

static int
run_after_end(char **args)
{
	uint64_t bytes = wire_number(args[1], 1u << 30), got;
	uint8_t *buf = wire_alloc(bytes + 1);
	int fd = connect_or_die(args[0]);

	int res = read_stream(fd, &got);
	if (res || got)
		die("the server's end: %llu bytes, then %s",
			(unsigned long long)got, reason(res));
	res = wire_write_all(fd, buf, bytes);
	if (res)
		die("after the server's end: %s", reason(res));
	free(buf);
	close(fd);
	printf("sent=%llu\n", (unsigned long long)bytes);
	return 0;
}

static int
run_wait_end(char **args)
{
	uint8_t byte;
	int fd = connect_or_die(args[0]);

	echo_byte(fd, 0);
	uint64_t start_ns = wire_now_ns();
	printf("connected\n");
	fflush(stdout);
	ssize_t res = wire_read(fd, &byte, 1);
	printf("%s after_ms=%llu\n",
		res == 0             ? "clean"
		: wire_is_reset(res) ? "reset"
				     : reason(res),
		(unsigned long long)(wire_now_ns() - start_ns) / 1000000);
	return !(res == 0 || wire_is_reset(res));
}

static int
compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static int
run_roundtrip(char **args)
{
	uint64_t count = wire_number(args[1], 100000000);
	size_t bytes = (size_t)wire_number(args[2], 1u << 24);
	uint64_t *took_ns = wire_alloc((count + 1) * sizeof(*took_ns));
	uint8_t *buf = wire_alloc(bytes + 1);
	int fd = connect_or_die(args[0]);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t start_ns = wire_now_ns();
		int err = wire_write_all(fd, buf, bytes);
		if (err)
			die("round trip %llu: %s", (unsigned long long)i,
				reason(err));
		for (size_t got = 0; got < bytes;) {
			ssize_t res = wire_read(fd, buf + got, bytes - got);
			if (res <= 0)
				die("round trip %llu: %s",
					(unsigned long long)i, reason(res));
			got += (size_t)res;
		}
		took_ns[i] = wire_now_ns() - start_ns;
	}
	qsort(took_ns, count, sizeof(*took_ns), compare_u64);
	printf("roundtrips=%llu p50_us=%.1f p99_us=%.1f\n",
		(unsigned long long)count, (double)took_ns[count / 2] / 1e3,
		(double)took_ns[count * 99 / 100] / 1e3);
	free(took_ns);
	free(buf);
	close(fd);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct wire_command table[] = {
		{ "free-port", "", 0, run_free_port },
		{ "stream", "ADDR BYTES SEED CONNS", 4, run_stream },
		{ "random-disconnect", "ADDR N SEED", 3,
			run_random_disconnect },
		{ "count-ends", "ADDR N", 2, run_count_ends },
		{ "slow-reader", "ADDR MIB", 2, run_slow_reader },
		{ "stuck", "ADDR N", 2, run_stuck },
		{ "idle", "ADDR N", 2, run_idle },
		{ "reset-clients", "ADDR N", 2, run_reset_clients },
		{ "after-end", "ADDR BYTES", 2, run_after_end },
		{ "wait-end", "ADDR", 1, run_wait_end },
		{ "roundtrip", "ADDR COUNT BYTES", 3, run_roundtrip },
	};

	block_release();
	return wire_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}
