/* SPDX-License-Identifier: MIT */
/*
 * Scripted TCP servers for the end-to-end tests. Each runs until it is
 * killed, except late and witness, which end with their figures.
 *
 *   echo     sends back what it gets, and its end after the client's end
 *   collect  answers only after the client's end: with all it got
 *   source   sends BYTES of stream 0, then its end
 *   sink     accepts and never reads
 *   rst      takes one byte, sends 1 to 200,000 bytes of stream 0, resets
 *   silent   a full backlog: the kernel answers no more connection attempts
 *   close    accepts and closes at once
 *   late     sends its end at once, then reads: tells how much and what end
 *   witness  takes N connections, sends back the first byte of each, reads
 *            it to its end, tells the ends
 */
#include "wire.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/epoll.h>

/* One client of the echo server. */
struct client {
	int fd;
	uint32_t interest;
	/* What the socket did not take; freed when it is empty. */
	uint8_t *held;
	size_t held_bytes;
	size_t held_sent;
};

struct job {
	int fd;
	uint64_t number;
	uint64_t bytes;
};

static void
set_interest(int epoll, struct client *client, uint32_t interest)
{
	struct epoll_event event = {
		.events = interest,
		.data.ptr = client,
	};

	if (client->interest == interest)
		return;
	epoll_ctl(epoll, client->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		client->fd, &event);
	client->interest = interest;
}

/* Returns the bytes that were taken, or -errno. */
static ssize_t
send_some(int fd, const uint8_t *data, size_t bytes)
{
	size_t sent = 0;

	while (sent < bytes) {
		ssize_t res = send(fd, data + sent, bytes - sent, MSG_NOSIGNAL);
		if (res < 0 && errno == EAGAIN)
			break;
		if (res < 0)
			return -errno;
		sent += (size_t)res;
	}
	return (ssize_t)sent;
}

/* Returns 1 when nothing is held any more, 0 when something is. */
static int
flush_held(struct client *client)
{
	if (!client->held)
		return 1;
	ssize_t sent = send_some(client->fd, client->held + client->held_sent,
		client->held_bytes - client->held_sent);
	if (sent < 0)
		return (int)sent;
	client->held_sent += (size_t)sent;
	if (client->held_sent < client->held_bytes)
		return 0;
	free(client->held);
	client->held = NULL;
	return 1;
}

/* Returns 0 to wait for the next event, or -errno when the client is done. */
static int
echo_once(int epoll, struct client *client)
{
	static uint8_t buf[WIRE_CHUNK_BYTES];

	int empty = flush_held(client);
	if (empty <= 0)
		return empty;

	ssize_t got = recv(client->fd, buf, sizeof(buf), 0);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (got == 0)
		return -ENOTCONN;

	ssize_t sent = send_some(client->fd, buf, (size_t)got);
	if (sent < 0)
		return (int)sent;
	if (sent < got) {
		client->held_bytes = (size_t)(got - sent);
		client->held_sent = 0;
		client->held = wire_alloc(client->held_bytes);
		memcpy(client->held, buf + sent, client->held_bytes);
	}
	set_interest(epoll, client, client->held ? EPOLLOUT : EPOLLIN);
	return 0;
}

static void
accept_all(int epoll, int listener)
{
	int on = 1;

	for (;;) {
		int fd = accept4(
			listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		struct client *client = wire_alloc(sizeof(*client));
		client->fd = fd;
		set_interest(epoll, client, EPOLLIN);
	}
}

static int
run_echo(char **args)
{
	int listener = wire_listen(args[0], 4096);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct client self = { .fd = listener };
	struct epoll_event events[256];

	fcntl(listener, F_SETFL, O_NONBLOCK);
	set_interest(epoll, &self, EPOLLIN);
	for (;;) {
		int count = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < count; i++) {
			struct client *client = events[i].data.ptr;
			if (client == &self) {
				accept_all(epoll, listener);
			} else if (echo_once(epoll, client)) {
				close(client->fd);
				free(client->held);
				free(client);
			}
		}
	}
	return 0;
}

/* The other servers: a thread for each connection. */
static void
serve(const char *addr, void *(*fn)(void *), uint64_t bytes)
{
	int listener = wire_listen(addr, 4096);

	for (uint64_t number = 0;; number++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			wire_sleep_ms(1);
			continue;
		}
		struct job *job = wire_alloc(sizeof(*job));
		*job = (struct job){ fd, number, bytes };
		pthread_detach(wire_start(fn, job));
	}
}

/* Sends bytes of stream 0; returns 0 or -errno. */
static int
send_stream(int fd, uint64_t bytes)
{
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);
	uint64_t sent = 0;
	int res = 0;

	while (sent < bytes && res == 0) {
		size_t part = WIRE_CHUNK_BYTES;
		if (part > bytes - sent)
			part = (size_t)(bytes - sent);
		wire_fill(0, sent, buf, part);
		res = wire_write_all(fd, buf, part);
		sent += part;
	}
	free(buf);
	return res;
}

/* Reads to the end and counts; returns 0 or -errno. */
static int
read_to_end(int fd, uint64_t *bytes)
{
	uint8_t *buf = wire_alloc(WIRE_CHUNK_BYTES);
	ssize_t res;

	*bytes = 0;
	while ((res = wire_read(fd, buf, WIRE_CHUNK_BYTES)) > 0)
		*bytes += (uint64_t)res;
	free(buf);
	return (int)res;
}

static void *
source_one(void *arg)
{
	struct job *job = arg;
	uint64_t bytes;

	if (send_stream(job->fd, job->bytes) == 0) {
		shutdown(job->fd, SHUT_WR);
		read_to_end(job->fd, &bytes);
	}
	close(job->fd);
	free(job);
	return NULL;
}

static int
run_source(char **args)
{
	serve(args[0], source_one, wire_number(args[1], UINT64_MAX));
	return 0;
}

static void *
collect_one(void *arg)
{
	struct job *job = arg;
	size_t size = WIRE_CHUNK_BYTES, bytes = 0;
	uint8_t *all = wire_alloc(size);
	ssize_t res;

	while ((res = wire_read(job->fd, all + bytes, size - bytes)) > 0) {
		bytes += (size_t)res;
		if (bytes < size)
			continue;
		size *= 2;
		all = realloc(all, size);
		if (!all)
			die("no memory for %zu bytes", size);
	}
	if (res == 0)
		res = wire_write_all(job->fd, all, bytes);
	close(job->fd);
	free(all);
	free(job);
	return NULL;
}

static int
run_collect(char **args)
{
	serve(args[0], collect_one, 0);
	return 0;
}

static void *
rst_one(void *arg)
{
	struct job *job = arg;
	struct wire_random random = { .seed = job->number };
	uint8_t request;

	if (wire_read(job->fd, &request, 1) == 1)
		send_stream(job->fd, wire_draw(&random, 1, 200000));
	wire_reset(job->fd);
	free(job);
	return NULL;
}

static int
run_rst(char **args)
{
	serve(args[0], rst_one, 0);
	return 0;
}

static int
run_sink(char **args)
{
	int listener = wire_listen(args[0], 4096);

	for (;;) {
		if (accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0)
			wire_sleep_ms(10);
	}
	return 0;
}

static int
run_close(char **args)
{
	int listener = wire_listen(args[0], 4096);

	for (;;)
		close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	return 0;
}

/* Connects to itself until the kernel stops answering, then waits. */
static int
run_silent(char **args)
{
	struct wire_addr addr = wire_parse(args[0]);
	int count = 0;

	wire_listen(args[0], 0);
	for (;;) {
		int fd = wire_socket(&addr);
		struct timeval limit = { .tv_usec = 300000 };
		/* On Linux SO_SNDTIMEO bounds connect() too. */
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, &addr.u.any, addr.len))
			break;
		count++;
	}
	printf("full after %d\n", count);
	fflush(stdout);
	for (;;)
		pause();
	return 0;
}

static int
run_late(char **args)
{
	int listener = wire_listen(args[0], 1);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	uint64_t bytes;

	if (fd < 0)
		die("accept: %s", strerror(errno));
	wire_set_limit(fd, WIRE_LIMIT_S);
	shutdown(fd, SHUT_WR);
	int res = read_to_end(fd, &bytes);
	printf("got=%llu end=%s\n", (unsigned long long)bytes,
		res ? strerror(-res) : "clean");
	return 0;
}

static atomic_int ends_clean;
static atomic_int ends_reset;
static atomic_int ends_other;

static void *
witness_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	uint8_t first;
	uint64_t bytes;

	wire_set_limit(fd, WIRE_LIMIT_S);
	int res = wire_read(fd, &first, 1) == 1 ? wire_write_all(fd, &first, 1)
						: -EPROTO;
	if (res == 0)
		res = read_to_end(fd, &bytes);
	close(fd);
	if (res == 0)
		atomic_fetch_add(&ends_clean, 1);
	else if (wire_is_reset(res))
		atomic_fetch_add(&ends_reset, 1);
	else
		atomic_fetch_add(&ends_other, 1);
	return NULL;
}

static int
run_witness(char **args)
{
	uint64_t count = wire_number(args[1], 100000);
	pthread_t *threads = wire_alloc(count * sizeof(*threads));
	int listener = wire_listen(args[0], 4096);

	for (uint64_t i = 0; i < count; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			die("accept: %s", strerror(errno));
		threads[i] = wire_start(witness_one, (void *)(intptr_t)fd);
	}
	for (uint64_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	printf("clean=%d reset=%d other=%d\n", ends_clean, ends_reset,
		ends_other);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct wire_command table[] = {
		{ "echo", "ADDR", 1, run_echo },
		{ "collect", "ADDR", 1, run_collect },
		{ "source", "ADDR BYTES", 2, run_source },
		{ "sink", "ADDR", 1, run_sink },
		{ "rst", "ADDR", 1, run_rst },
		{ "silent", "ADDR", 1, run_silent },
		{ "close", "ADDR", 1, run_close },
		{ "late", "ADDR", 1, run_late },
		{ "witness", "ADDR N", 2, run_witness },
	};

	return wire_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}
