/* SPDX-License-Identifier: MIT */
/*
 * Goal    When memory runs out, a call says so or one connection is shed:
 *         nothing crashes, hangs, stays behind, or passes for success.
 * Method  A scenario runs with its first allocation failing, then with its
 *         second, and so on until none fails.
 */
#include <signal.h>

#include "tests/core/io/fixture.h"
#include "tests/support/failing_alloc.h"
#include "core/vec_priv.h"

#define BYTES ((size_t)300000)

static unsigned fds_before;

static void
judge(int result, bool has_failed)
{
	must(result == 0 || result == -ENOMEM || result == -ETIMEDOUT);
	must(has_failed || result == 0);
	wait_until(is_shard_quiet());
	must_be(fds_count(), fds_before);
}

static uint32_t
fail_each(int (*scenario)(void))
{
	fds_before = fds_count();
	return alloc_fail_each(scenario, judge);
}

/* The plain side of a relay, sending and reading at once. */
static bool
exchange(int client, int server)
{
	static uint8_t buf[POOL_PIECE];
	uint64_t end_ns = torc_clock_ns() + 2 * TORC_S;
	size_t sent = 0, got = 0;

	while (got < BYTES && torc_clock_ns() < end_ns) {
		ssize_t in = raw_recv_some(server, buf, sizeof(buf));
		ssize_t out =
			sent < BYTES ? raw_send_some(client, sent, BYTES - sent)
				     : 0;

		/* Shed: with an error, or before the first byte. */
		if (in == 0)
			must_be(got, 0);
		if (out < 0 || in == 0 || (in < 0 && in != -EAGAIN))
			return false;
		sent += (size_t)out;
		if (in == -EAGAIN) {
			torc_sleep(50 * TORC_US);
			continue;
		}
		must(is_right(buf, got, (size_t)in));
		got += (size_t)in;
	}
	return got == BYTES;
}

struct plain_ends {
	int client, server, listener;
};

static int
exchange_and_end(void *arg)
{
	struct plain_ends *ends = arg;
	bool is_whole;

	ends->server = accept(ends->listener, NULL, NULL);
	must(ends->server >= 0);
	is_whole = exchange(ends->client, ends->server);
	shutdown(ends->client, SHUT_WR);
	shutdown(ends->server, SHUT_WR);
	return is_whole;
}

/* Accept, connect onward, relay until both have ended. */
static int
relay_one(struct torc_listener *listener, struct plain_ends *ends,
	const struct torc_address *backend)
{
	struct torc_stream *a, *b;
	struct torc_task *task;
	int is_whole = 0;
	int ret = torc_accept(listener, &a);
	char byte;

	if (ret < 0) {
		must_be(raw_recv(ends->client, &byte, 1), -ECONNRESET);
		return ret;
	}
	ret = torc_connect(&b, backend);
	if (ret < 0) {
		torc_abort(a);
		return ret;
	}
	if (torc_spawn(&task, exchange_and_end, ends) < 0) {
		torc_abort(a);
		torc_abort(b);
		return -ENOMEM;
	}
	ret = torc_relay(a, b, 0);
	must_be(torc_join(task, &is_whole), 0);
	close(ends->server);
	/* A relay that ended well has passed on everything. */
	if (ret == 0)
		must(is_whole);
	return ret;
}

static int
relay_scenario(void)
{
	struct torc_address address = address_of(TCP), backend = address;
	struct torc_listener *listener;
	struct torc_deadline deadline;
	struct plain_ends ends;
	int ret;

	ends.listener = raw_socket(&backend);
	must_be(bind(ends.listener, &backend.sa, backend.len), 0);
	must_be(listen(ends.listener, 10), 0);
	must_be(getsockname(ends.listener, &backend.sa, &backend.len), 0);
	ret = torc_listen(&listener, &address, NULL);
	if (ret == 0) {
		torc_listener_address(listener, &address);
		ends.client = raw_connect(&address);
		torc_deadline_begin(&deadline, 300 * TORC_MS);
		ret = relay_one(listener, &ends, &backend);
		torc_deadline_end(&deadline);
		close(ends.client);
		torc_listener_close(listener);
	}
	close(ends.listener);
	return ret;
}

static int
a_relay_or_one_connection_is_shed(void *unused)
{
	(void)unused;
	must(fail_each(relay_scenario) >= 4);
	return 0;
}

/* A vectored send needs memory; without it they leave one by one. */
static int
vectored_send_scenario(void)
{
	struct torc_send sends[5];
	uint32_t paused = alloc_pause();
	struct pair pair;

	pair_open(&pair, TCP);
	torc__vecs_free(torc__shard);
	alloc_resume(paused);
	for (size_t i = 0; i < 5; i++) {
		sends[i] = (struct torc_send){ .data = bytes_at(i * 1000),
			.bytes = 1000 };
		torc_send_start(pair.stream, &sends[i]);
	}
	for (size_t i = 0; i < 5; i++)
		must_be(torc_await(&sends[i].done), 1000);
	alloc_pause();
	raw_expect(pair.peer, 0, 5000);
	pair_close(&pair);
	return 0;
}

static int
sends_leave_without_memory_for_a_vector(void *unused)
{
	(void)unused;
	must(fail_each(vectored_send_scenario) >= 1);
	return 0;
}

/* From many pieces, and one by one when there is no memory for a vector. */
static int
pieces_scenario(void)
{
	struct iovec pieces[50];
	uint32_t paused = alloc_pause();
	struct pair pair;

	pair_open(&pair, TCP);
	torc__vecs_free(torc__shard);
	alloc_resume(paused);
	for (size_t i = 0; i < 50; i++)
		pieces[i] =
			(struct iovec){ (void *)(uintptr_t)bytes_at(i * 100),
				100 };
	must_be(torc_send_vec(pair.stream, pieces, 50), 5000);
	alloc_pause();
	raw_expect(pair.peer, 0, 5000);
	pair_close(&pair);
	return 0;
}

static int
send_message_of_pieces(struct torc_stream *stream)
{
	struct iovec pieces[] = { { "ab", 2 }, { "c", 1 } };
	ssize_t ret = torc_send_vec(stream, pieces, 2);

	must(ret == 3 || ret == -ENOMEM);
	return ret < 0 ? (int)ret : 0;
}

static int
pairs_scenario(void)
{
	struct torc_stream *a, *b;
	const void *data;
	int ret = torc_stream_pair(&a, &b);

	if (ret < 0)
		return ret;
	torc_close(a);
	torc_close(b);
	torc__vecs_free(torc__shard);
	ret = torc_packet_pair(&a, &b);
	if (ret < 0)
		return ret;
	ret = send_message_of_pieces(a);
	/* The one that found no memory ended alone. */
	must_be(send_message_of_pieces(a), 0);
	must_be(torc_recv(b, &data), 3);
	torc_close(a);
	torc_close(b);
	return ret;
}

static int
pieces_leave_without_memory_for_a_vector(void *unused)
{
	(void)unused;
	must(fail_each(pieces_scenario) >= 1);
	must(fail_each(pairs_scenario) >= 5);
	return 0;
}

/* With memory for one chunk it takes longer, that is all. */
static int
send_file_scenario(void)
{
	uint64_t bytes = 3 * TORC_SEND_FILE_CHUNK_BYTES;
	struct torc_send_file send;
	uint32_t paused = alloc_pause();
	struct torc_file *file;
	struct pair pair;
	int ret;

	pair_open(&pair, TCP);
	must_be(torc_file_open(&file, "/proc/self/exe", O_RDONLY, 0), 0);
	alloc_resume(paused);
	torc_send_file_start(pair.stream, &send, file, 0, bytes);
	for (size_t got = 0; got < bytes;) {
		static uint8_t buf[POOL_PIECE];
		ssize_t part =
			torc_future_is_ready(&send.done) && send.done.value < 0
				? -1
				: raw_recv(pair.peer, buf, POOL_PIECE);

		if (part <= 0)
			break;
		got += (size_t)part;
	}
	ret = (int)torc_await(&send.done);
	must(ret == -ENOMEM || ret == (int)bytes);
	torc_file_close(file);
	pair_close(&pair);
	return ret < 0 ? ret : 0;
}

static int
a_file_is_sent_with_one_chunk_or_refused(void *unused)
{
	(void)unused;
	must(fail_each(send_file_scenario) >= 2);
	return 0;
}

static int
sockets_scenario(void)
{
	struct torc_address udp_address = address_of("udp:127.0.0.1:0");
	struct torc_address unix_address = address_of(abstract_text());
	struct torc_listener *listener;
	struct torc_signals *signals;
	struct torc_udp *udp;
	sigset_t set;
	int ret = torc_udp_bind(&udp, &udp_address);

	if (ret < 0)
		return ret;
	torc_udp_close(udp);
	ret = torc_listen(&listener, &unix_address, NULL);
	if (ret < 0)
		return ret;
	torc_listener_close(listener);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ret = torc_signals_open(&signals, &set);
	if (ret < 0)
		return ret;
	torc_signals_close(signals);
	return 0;
}

static int
opening_anything_says_enomem(void *unused)
{
	(void)unused;
	must(fail_each(sockets_scenario) >= 5);
	return 0;
}

static int
adopt_scenario(void)
{
	struct torc_listener *listener;
	struct torc_udp *udp;
	int fd = socket(AF_INET, SOCK_STREAM, 0), ret;

	must_be(listen(fd, 1), 0);
	ret = torc_listener_adopt(&listener, fd);
	if (ret < 0)
		return ret;
	torc_listener_close(listener);
	ret = torc_udp_adopt(&udp, socket(AF_UNIX, SOCK_DGRAM, 0));
	if (ret == 0)
		torc_udp_close(udp);
	return ret;
}

static int
what_is_adopted_without_memory_is_closed(void *unused)
{
	(void)unused;
	must(fail_each(adopt_scenario) >= 2);
	return 0;
}

static int
copy_scenario(void)
{
	static uint8_t from[BYTES];
	struct torc_bytes in, out;
	int64_t copied;

	torc_bytes_init_data(&in, from, sizeof(from));
	torc_bytes_init(&out, 0);
	copied = torc_copy(torc_bytes_source(&in), torc_bytes_sink(&out));
	must(copied < 0 || out.bytes == sizeof(from));
	torc_bytes_fini(&out);
	return copied < 0 ? (int)copied : 0;
}

static int
a_copy_into_memory_says_enomem(void *unused)
{
	(void)unused;
	must(fail_each(copy_scenario) >= 4);
	return 0;
}

static int
use_dir(const char *path)
{
	struct torc_dir_entry entry;
	struct torc_dir *dir;
	int ret = torc_dir_open(&dir, path);

	if (ret < 0)
		return ret;
	do
		ret = torc_dir_next(dir, &entry);
	while (ret > 0);
	torc_dir_close(dir);
	return ret;
}

static int
files_scenario(void)
{
	struct torc_file *file;
	void *block = torc_io_alloc(4096);
	int ret;

	if (block == NULL)
		return -ENOMEM;
	ret = torc_file_open(&file, "/proc/self/status", O_RDONLY, 0);
	if (ret == 0) {
		ret = torc_file_pread(file, block, 4096, 0) > 0 ? 0 : -EIO;
		torc_file_close(file);
	}
	torc_io_free(block);
	return ret < 0 ? ret : use_dir("/proc/self");
}

static int
files_say_enomem(void *unused)
{
	(void)unused;
	must(fail_each(files_scenario) >= 2);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_relay_or_one_connection_is_shed),
		WITH_TORC(sends_leave_without_memory_for_a_vector),
		WITH_TORC(pieces_leave_without_memory_for_a_vector),
		WITH_TORC(a_file_is_sent_with_one_chunk_or_refused),
		WITH_TORC(opening_anything_says_enomem),
		WITH_TORC(what_is_adopted_without_memory_is_closed),
		WITH_TORC(a_copy_into_memory_says_enomem),
		WITH_TORC(files_say_enomem),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name("core/io/fault", tests, NULL, NULL);
}
