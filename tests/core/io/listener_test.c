/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whoever connects is accepted once, or waits, or is refused; nobody
 *         is accepted and dropped. An address belongs to one process.
 * Method  The real kernel. Clients are plain sockets; a second process is
 *         this program with --listen ADDRESS.
 */
#include <netinet/in.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/core/io/fixture.h"
#include "core/io/bind_priv.h"

static struct torc_listener *
listen_on(const char *text, struct torc_address *actual)
{
	struct torc_address address = address_of(text);
	struct torc_listener *listener;

	must_be(torc_listen(&listener, &address, NULL), 0);
	must_be(torc_listener_address(listener, actual), 0);
	return listener;
}

/* -errno, or a connected descriptor. */
static int
raw_try_connect(const struct torc_address *to)
{
	int fd = raw_socket(to);

	if (connect(fd, &to->sa, to->len) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/* What a process of its own gets when it listens there, too. */
static int
listen_elsewhere(const struct torc_address *address)
{
	char text[TORC_ADDRESS_TEXT_MAX];
	char *args[] = { "/proc/self/exe", "--listen", text, NULL };
	int status;
	pid_t pid;

	must(torc_address_format(address, text, sizeof(text)) > 0);
	must_be(posix_spawn(&pid, args[0], NULL, NULL, args, environ), 0);
	must_be(waitpid(pid, &status, 0), pid);
	must(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* That process: its exit status is the errno. */
static int
listen_once(void *address)
{
	struct torc_listener *listener;
	int ret = torc_listen(&listener, address, NULL);

	if (ret == 0)
		torc_listener_close(listener);
	return ret;
}

static int
port_0_becomes_a_port(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int client;

	(void)unused;
	must(actual.in.sin_port != 0);
	must_be(actual.type, TORC_TCP);
	client = raw_connect(&actual);
	must_be(torc_accept(listener, &stream), 0);

	torc_close(stream);
	close(client);
	torc_listener_close(listener);
	return 0;
}

static int
a_shard_gets_a_port_of_its_own_each_time_it_asks(void *unused)
{
	struct torc_address one, two, three;
	struct torc_listener *first = listen_on(TCP, &one);
	struct torc_listener *second = listen_on(TCP, &two);
	struct torc_listener *third;

	(void)unused;
	must(one.in.sin_port != two.in.sin_port);
	torc_listener_close(first);
	third = listen_on(TCP, &three);
	must(three.in.sin_port != two.in.sin_port);

	torc_listener_close(second);
	torc_listener_close(third);
	return 0;
}

static int
connections_come_in_their_order(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int clients[100];
	uint8_t byte;

	(void)unused;
	for (uint8_t i = 0; i < 100; i++) {
		clients[i] = raw_connect(&actual);
		must_be(send(clients[i], &i, 1, 0), 1);
	}
	for (int i = 0; i < 100; i++) {
		must_be(torc_accept(listener, &stream), 0);
		must_be(torc_read(stream, &byte, 1), 1);
		must_be(byte, i);
		torc_close(stream);
		close(clients[i]);
	}
	torc_listener_close(listener);
	return 0;
}

static int
a_listener_can_be_opened_again_at_once(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	char text[TORC_ADDRESS_TEXT_MAX];

	(void)unused;
	must(torc_address_format(&actual, text, sizeof(text)) > 0);
	for (int i = 0; i < 50; i++) {
		int client = raw_connect(&actual);

		must_be(torc_accept(listener, &stream), 0);
		torc_listener_close(listener);
		listener = listen_on(text, &actual);
		torc_abort(stream);
		close(client);
	}
	torc_listener_close(listener);
	return 0;
}

/* ---- several shards, several processes ---- */

static _Atomic unsigned accepted_by[2];
static _Atomic unsigned listening_count;
static _Atomic bool is_over;
static struct torc_address shared_address;

static int
accept_until_over(void *text)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(text, &actual);
	unsigned shard = torc_shard_index();

	if (shard == 0)
		shared_address = actual;
	listening_count++;
	while (!is_over) {
		struct torc_deadline deadline;
		struct torc_stream *stream;
		int ret;

		torc_deadline_begin(&deadline, 5 * TORC_MS);
		ret = torc_accept(listener, &stream);
		torc_deadline_end(&deadline);
		must(ret == 0 || ret == -ETIMEDOUT);
		if (ret < 0)
			continue;
		accepted_by[shard]++;
		torc_close(stream);
	}
	torc_listener_close(listener);
	return 0;
}

static int
connect_200(void *unused)
{
	char byte;

	(void)unused;
	wait_until(listening_count == 2);
	for (int i = 0; i < 200; i++) {
		int client = raw_connect(&shared_address);

		must_be(raw_recv(client, &byte, 1), 0);
		close(client);
	}
	is_over = true;
	return 0;
}

static void
check_both_shards_accept(const char *text)
{
	struct torc_task *task;

	accepted_by[0] = accepted_by[1] = 0;
	listening_count = 0;
	is_over = false;
	must_be(torc_spawn(&task, connect_200, NULL), 0);

	must_be(torc_run_on_shards(accept_until_over, (void *)(uintptr_t)text),
		0);

	must_be(torc_join(task, NULL), 0);
	must_be(accepted_by[0] + accepted_by[1], 200);
}

static int
both_shards_get_connections_of_one_port(void *unused)
{
	(void)unused;
	check_both_shards_accept(TCP);
	/* By hash: that 200 all go one way happens once in 2^199. */
	must(accepted_by[0] > 0 && accepted_by[1] > 0);
	/* A Unix socket is shared; who wins is the kernel's choice. */
	check_both_shards_accept(abstract_text());
	return 0;
}

static int
another_process_is_refused(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);

	(void)unused;
	must_be(listen_elsewhere(&actual), -EADDRINUSE);

	torc_listener_close(listener);
	wait_until(is_shard_quiet());
	must_be(listen_elsewhere(&actual), 0);
	return 0;
}

static int
refuse_while_shards_listen(void *unused)
{
	(void)unused;
	wait_until(listening_count == 2);
	must_be(listen_elsewhere(&shared_address), -EADDRINUSE);
	is_over = true;
	return 0;
}

/* Sockets that share a port do not let a third one in. */
static int
another_process_is_refused_when_shards_share_the_port(void *unused)
{
	struct torc_task *task;

	(void)unused;
	listening_count = 0;
	is_over = false;
	must_be(torc_spawn(&task, refuse_while_shards_listen, NULL), 0);

	must_be(torc_run_on_shards(accept_until_over, TCP), 0);

	must_be(torc_join(task, NULL), 0);
	return 0;
}

static int
an_address_that_is_not_ours_is_an_error(void *unused)
{
	struct torc_address address = address_of("192.0.2.1:0");
	struct torc_listener *listener;

	(void)unused;
	must_be(torc_listen(&listener, &address, NULL), -EADDRNOTAVAIL);
	address = address_of("unix:/nonexistent/socket");
	must_be(torc_listen(&listener, &address, NULL), -ENOENT);
	return 0;
}

/* ---- Unix sockets ---- */

static const char *
unix_text(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "unix:/tmp/torc-listener-%d", getpid());
	return text;
}

static bool
is_there(const struct torc_address *address)
{
	struct stat stat_buf;

	return stat(address->un.sun_path, &stat_buf) == 0;
}

static int
a_stale_unix_socket_is_replaced_and_removed_at_the_end(void *unused)
{
	struct torc_address address = address_of(unix_text()), actual;
	struct torc_listener *listener;
	int stale = raw_socket(&address);

	(void)unused;
	must_be(bind(stale, &address.sa, address.len), 0);
	must_be(listen(stale, 1), 0);
	close(stale);
	must(is_there(&address));

	listener = listen_on(unix_text(), &actual);

	close(raw_connect(&address));
	torc_listener_close(listener);
	wait_until(!is_there(&address));
	return 0;
}

static int
a_live_unix_socket_is_refused_even_with_a_full_backlog(void *unused)
{
	struct torc_address address = address_of(unix_text());
	int live = raw_socket(&address), waiting[2];
	struct torc_listener *listener;

	(void)unused;
	must_be(bind(live, &address.sa, address.len), 0);
	must_be(listen(live, 0), 0);
	must_be(torc_listen(&listener, &address, NULL), -EADDRINUSE);
	close(accept(live, NULL, NULL));
	waiting[0] = raw_connect(&address);
	waiting[1] = raw_socket(&address);
	must_be(fcntl(waiting[1], F_SETFL, O_NONBLOCK), 0);
	must_be(connect(waiting[1], &address.sa, address.len), -1);
	must_be(errno, EAGAIN);

	must_be(torc_listen(&listener, &address, NULL), -EADDRINUSE);

	must(is_there(&address));
	close(waiting[0]);
	close(waiting[1]);
	close(live);
	unlink(address.un.sun_path);
	return 0;
}

static int
another_file_is_not_replaced(void *unused)
{
	struct torc_address address = address_of(unix_text());
	struct torc_listener *listener;
	int file = open(address.un.sun_path, O_CREAT | O_WRONLY, 0600);

	(void)unused;
	must(file >= 0);
	close(file);

	must_be(torc_listen(&listener, &address, NULL), -EADDRINUSE);

	must(is_there(&address));
	unlink(address.un.sun_path);
	return 0;
}

/* The first socket of a path may go before the others. */
static int
a_unix_path_lasts_as_long_as_any_of_its_listeners(void *unused)
{
	struct torc_address address;
	struct torc_listener *first = listen_on(unix_text(), &address);
	struct torc_listener *second = listen_on(unix_text(), &address);
	struct torc_listener *third;
	struct torc_stream *stream;
	int client;

	(void)unused;
	torc_listener_close(first);
	torc_sleep(TORC_MS);
	must(is_there(&address));
	third = listen_on(unix_text(), &address);
	torc_listener_close(second);
	torc_sleep(TORC_MS);

	client = raw_connect(&address);
	must_be(torc_accept(third, &stream), 0);
	torc_close(stream);
	close(client);
	torc_listener_close(third);

	wait_until(!is_there(&address));
	return 0;
}

/* ---- accepting ahead ---- */

static int
queued_in_backlog(const struct torc_address *address)
{
	char line[256];
	unsigned port = ntohs(address->in.sin_port);
	int queued = -1;
	FILE *file = fopen("/proc/net/tcp", "r");

	must(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		unsigned local_port, state, tx, rx;

		if (sscanf(line, " %*d: %*x:%x %*x:%*x %x %x:%x", &local_port,
			    &state, &tx, &rx) == 4 &&
			local_port == port && state == 0x0a)
			queued = (int)rx;
	}
	fclose(file);
	return queued;
}

static int
with_ahead_0_nobody_is_accepted_that_nobody_waits_for(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_deadline deadline;
	struct torc_stream *stream;
	int clients[3];

	(void)unused;
	torc_listener_ahead_set(listener, 0);
	torc_deadline_begin(&deadline, TORC_MS);
	must_be(torc_accept(listener, &stream), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	for (int i = 0; i < 3; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(5 * TORC_MS);
	must_be(queued_in_backlog(&actual), 3);

	for (int i = 0; i < 3; i++) {
		must_be(torc_accept(listener, &stream), 0);
		torc_sleep(5 * TORC_MS);
		must_be(queued_in_backlog(&actual), 2 - i);
		torc_close(stream);
		close(clients[i]);
	}
	torc_listener_close(listener);
	return 0;
}

static int
ahead_0_ends_the_accepting_that_goes_on(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int first = raw_connect(&actual), second;

	(void)unused;
	must_be(torc_accept(listener, &stream), 0);
	torc_listener_ahead_set(listener, 0);
	torc_sleep(TORC_MS);
	second = raw_connect(&actual);
	torc_sleep(5 * TORC_MS);

	must_be(queued_in_backlog(&actual), 1);

	torc_close(stream);
	close(first);
	close(second);
	torc_listener_close(listener);
	return 0;
}

/* What was there at once comes at once; but then it stops. */
static int
accepting_ahead_pauses_at_its_bound_and_goes_on(void *unused)
{
	enum { AT_ONCE = 600, CLIENTS = 700 };
	static int clients[CLIENTS];
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;

	(void)unused;
	clients[0] = raw_connect(&actual);
	must_be(torc_accept(listener, &stream), 0);
	torc_close(stream);
	for (int i = 1; i < AT_ONCE; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(10 * TORC_MS);
	for (int i = AT_ONCE; i < CLIENTS; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(10 * TORC_MS);

	must(queued_in_backlog(&actual) >= CLIENTS - AT_ONCE);

	for (int i = 1; i < CLIENTS; i++) {
		must_be(torc_accept(listener, &stream), 0);
		torc_close(stream);
	}
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	torc_listener_close(listener);
	return 0;
}

/* ---- interrupts ---- */

static int
an_accept_that_timed_out_loses_no_connection(void *unused)
{
	enum { CLIENTS = 300 };
	static int clients[CLIENTS];
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	int accepted = 0, connected = 0, timeouts = 0;

	(void)unused;
	for (int turn = 0; accepted < CLIENTS; turn++) {
		struct torc_deadline deadline;
		struct torc_stream *stream;
		int ret;

		must(turn < 100000);
		torc_listener_ahead_set(listener, turn / 64 % 2 * 64);
		if (connected < CLIENTS && turn % 2 == 0)
			clients[connected++] = raw_connect(&actual);
		torc_deadline_begin(&deadline, random_u64() % (80 * TORC_US));
		ret = torc_accept(listener, &stream);
		torc_deadline_end(&deadline);
		must(ret == 0 || ret == -ETIMEDOUT);
		timeouts += ret < 0;
		if (ret < 0)
			continue;
		/* Its own client gets its byte: nobody was skipped. */
		must_be(torc_send_all(stream, "x", 1), 1);
		torc_close(stream);
		accepted++;
	}

	must(timeouts > 50);
	for (int i = 0; i < CLIENTS; i++) {
		char byte;

		must_be(raw_recv(clients[i], &byte, 1), 1);
		close(clients[i]);
	}
	torc_listener_close(listener);
	return 0;
}

/* ---- the end ---- */

static int
stop_hands_out_what_was_accepted_and_refuses_the_rest(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int clients[5];

	(void)unused;
	clients[0] = raw_connect(&actual);
	must_be(torc_accept(listener, &stream), 0);
	torc_close(stream);
	for (int i = 1; i < 5; i++)
		clients[i] = raw_connect(&actual);
	torc_sleep(5 * TORC_MS);

	torc_listener_stop(listener);
	must_be(raw_try_connect(&actual), -ECONNREFUSED);

	for (int i = 1; i < 5; i++) {
		must_be(torc_accept(listener, &stream), 0);
		must_be(torc_send_all(stream, "x", 1), 1);
		torc_close(stream);
	}
	must_be(torc_accept(listener, &stream), -ESHUTDOWN);
	must_be(torc_accept(listener, &stream), -ESHUTDOWN);
	torc_listener_stop(listener);
	for (int i = 0; i < 5; i++)
		close(clients[i]);
	torc_listener_close(listener);
	return 0;
}

struct acceptor {
	struct torc_listener *listener;
	struct torc_stream *stream;
};

static int
accept_one(void *arg)
{
	struct acceptor *a = arg;

	return torc_accept(a->listener, &a->stream);
}

static int
stop_and_close_end_an_accept_that_waits(void *unused)
{
	(void)unused;
	for (int i = 0; i < 8; i++) {
		bool is_stop = i % 2 == 0, is_ahead = i / 2 % 2 == 0,
		     is_settled = i / 4 % 2 == 0;
		struct torc_address actual;
		struct acceptor acceptor = { .listener =
						     listen_on(TCP, &actual) };
		struct torc_task *task;
		int result;

		if (!is_ahead)
			torc_listener_ahead_set(acceptor.listener, 0);
		must_be(torc_spawn(&task, accept_one, &acceptor), 0);
		turn();
		if (is_settled)
			torc_sleep(TORC_MS);
		if (is_stop)
			torc_listener_stop(acceptor.listener);
		else
			torc_listener_close(acceptor.listener);

		must_be(torc_join(task, &result), 0);
		must_be(result, is_stop ? -ESHUTDOWN : -ECANCELED);
		if (is_stop)
			torc_listener_close(acceptor.listener);
	}
	return 0;
}

static int
close_resets_what_nobody_took(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	int clients[4];
	char byte;

	(void)unused;
	for (int i = 0; i < 4; i++)
		clients[i] = raw_connect(&actual);
	must_be(torc_accept(listener, &stream), 0);
	torc_sleep(TORC_MS);

	torc_listener_close(listener);

	for (int i = 1; i < 4; i++)
		must_be(raw_recv(clients[i], &byte, 1), -ECONNRESET);
	must_be(torc_send_all(stream, "x", 1), 1);
	must_be(raw_recv(clients[0], &byte, 1), 1);
	torc_close(stream);
	for (int i = 0; i < 4; i++)
		close(clients[i]);
	return 0;
}

struct closer {
	struct torc_stream *trigger;
	struct torc_listener *listener;
};

static int
close_when_triggered(void *arg)
{
	struct closer *c = arg;
	const void *data;

	must_be(torc_recv(c->trigger, &data), 1);
	torc_listener_close(c->listener);
	return 0;
}

/* The kernel has accepted it, and torc has not seen that yet. */
static int
a_connection_too_late_for_its_listener_is_closed(void *unused)
{
	const char *const texts[] = { TCP, abstract_text() };
	struct pair trigger;
	char byte;

	(void)unused;
	pair_open(&trigger, TCP);
	for (int i = 0; i < 10; i++) {
		struct torc_address actual;
		struct closer closer = { .trigger = trigger.stream,
			.listener = listen_on(texts[i % 2], &actual) };
		struct torc_future acceptor;
		struct torc_task *task;
		int client;

		torc_accept_start(closer.listener, &acceptor);
		must_be(torc_spawn(&task, close_when_triggered, &closer), 0);
		torc_sleep(TORC_MS);
		raw_send(trigger.peer, 0, 1);
		client = raw_connect(&actual);

		must_be(torc_join(task, NULL), 0);

		must_be(torc_await(&acceptor), -ECANCELED);
		must(raw_recv(client, &byte, 1) <= 0);
		close(client);
	}
	pair_close(&trigger);
	return 0;
}

/* ---- a shortage of descriptors ---- */

#define BATCH 40

/* The log lines that appear while it runs, in a file. */
static unsigned
lines_in(int file, const char *word)
{
	static char text[65536];
	ssize_t bytes = pread(file, text, sizeof(text) - 1, 0);
	unsigned count = 0;

	must(bytes >= 0);
	text[bytes] = '\0';
	for (char *at = text; (at = strstr(at, word)) != NULL; at++)
		count++;
	return count;
}

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	must_be(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * TORC_S + (uint64_t)ts.tv_nsec;
}

static void
limit_descriptors(rlim_t count, struct rlimit *old)
{
	struct rlimit limit;

	must_be(getrlimit(RLIMIT_NOFILE, old), 0);
	limit = *old;
	limit.rlim_cur = count;
	must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int
without_descriptors_clients_wait_and_none_is_dropped(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *streams[BATCH], *late;
	int clients[BATCH], spare, log, err;
	struct torc_deadline deadline;
	struct rlimit old;
	uint64_t start_ns;
	char byte;

	(void)unused;
	log = memfd_create("log", MFD_CLOEXEC);
	err = dup(STDERR_FILENO);
	must(log >= 0 && err >= 0);
	for (int i = 0; i < BATCH; i++)
		clients[i] = raw_connect(&actual);
	must(dup2(log, STDERR_FILENO) >= 0);
	/* Ten may still be opened. */
	spare = dup(log);
	close(spare);
	limit_descriptors((rlim_t)spare + 10, &old);

	for (int i = 0; i < 10; i++)
		must_be(torc_accept(listener, &streams[i]), 0);
	start_ns = cpu_ns();
	torc_deadline_begin(&deadline, 500 * TORC_MS);
	must_be(torc_accept(listener, &late), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	/* It waits, it does not try again and again. */
	must_be_at_most(cpu_ns() - start_ns, 50 * TORC_MS);
	must_be(setrlimit(RLIMIT_NOFILE, &old), 0);
	must_be(queued_in_backlog(&actual), BATCH - 10);
	limit_descriptors((rlim_t)spare + 10, &old);

	/* One goes, one comes, long before the pause of 100 ms is over. */
	for (int i = 10; i < BATCH; i++) {
		torc_close(streams[i - 10]);
		start_ns = torc_clock_ns();
		must_be(torc_accept(listener, &streams[i]), 0);
		must_be_at_most(torc_clock_ns() - start_ns, 90 * TORC_MS);
		must_be(torc_send_all(streams[i], "x", 1), 1);
		must_be(raw_recv(clients[i], &byte, 1), 1);
	}

	must_be(setrlimit(RLIMIT_NOFILE, &old), 0);
	must(dup2(err, STDERR_FILENO) >= 0);
	must_be(lines_in(log, "pauses"), 1);
	must_be(lines_in(log, "ulimit -n"), 1);
	for (int i = BATCH - 10; i < BATCH; i++)
		torc_close(streams[i]);
	for (int i = 0; i < BATCH; i++)
		close(clients[i]);
	close(log);
	close(err);
	torc_listener_close(listener);
	return 0;
}

/* Nothing is closed here, but the limit goes up. */
static int
accepting_goes_on_by_itself_after_a_shortage(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	struct torc_deadline deadline;
	int client = raw_connect(&actual);
	struct rlimit old;

	(void)unused;
	limit_descriptors(3, &old);
	torc_deadline_begin(&deadline, 20 * TORC_MS);
	must_be(torc_accept(listener, &stream), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	must_be(setrlimit(RLIMIT_NOFILE, &old), 0);

	must_be(torc_accept(listener, &stream), 0);

	torc_close(stream);
	close(client);
	torc_listener_close(listener);
	return 0;
}

static int
a_listener_may_close_during_a_shortage(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	struct torc_deadline deadline;
	int client = raw_connect(&actual);
	struct rlimit old;

	(void)unused;
	limit_descriptors(3, &old);
	torc_deadline_begin(&deadline, 20 * TORC_MS);
	must_be(torc_accept(listener, &stream), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	torc_listener_close(listener);
	must_be(setrlimit(RLIMIT_NOFILE, &old), 0);
	torc_sleep(150 * TORC_MS);

	close(client);
	return 0;
}

static int
listeners_left_open(void *unused)
{
	struct torc_address actual;
	struct torc_listener *listener = listen_on(TCP, &actual);
	struct torc_stream *stream;
	static struct torc_future future;

	(void)unused;
	for (int i = 0; i < 3; i++)
		close(raw_connect(&actual));
	must_be(torc_accept(listener, &stream), 0);
	(void)listen_on(abstract_text(), &actual);
	torc_accept_start(listen_on(unix_text(), &actual), &future);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(port_0_becomes_a_port),
		WITH_TORC(a_shard_gets_a_port_of_its_own_each_time_it_asks),
		WITH_TORC(connections_come_in_their_order),
		WITH_TORC(a_listener_can_be_opened_again_at_once),
		WITH_SHARDS(both_shards_get_connections_of_one_port, 2),
		WITH_TORC(another_process_is_refused),
		WITH_SHARDS(
			another_process_is_refused_when_shards_share_the_port,
			2),
		WITH_TORC(an_address_that_is_not_ours_is_an_error),
		WITH_TORC(
			a_stale_unix_socket_is_replaced_and_removed_at_the_end),
		WITH_TORC(
			a_live_unix_socket_is_refused_even_with_a_full_backlog),
		WITH_TORC(another_file_is_not_replaced),
		WITH_TORC(a_unix_path_lasts_as_long_as_any_of_its_listeners),
		WITH_TORC(
			with_ahead_0_nobody_is_accepted_that_nobody_waits_for),
		WITH_TORC(ahead_0_ends_the_accepting_that_goes_on),
		WITH_TORC(accepting_ahead_pauses_at_its_bound_and_goes_on),
		WITH_TORC(an_accept_that_timed_out_loses_no_connection),
		WITH_TORC(
			stop_hands_out_what_was_accepted_and_refuses_the_rest),
		WITH_TORC(stop_and_close_end_an_accept_that_waits),
		WITH_TORC(close_resets_what_nobody_took),
		WITH_TORC(a_connection_too_late_for_its_listener_is_closed),
		WITH_TORC(without_descriptors_clients_wait_and_none_is_dropped),
		WITH_TORC(accepting_goes_on_by_itself_after_a_shortage),
		WITH_TORC(a_listener_may_close_during_a_shortage),
		LEFT_OPEN(listeners_left_open),
	};

	if (argc == 3) {
		struct torc_options options = { .shards = 1 };
		struct torc_address address = address_of(argv[2]);

		return -torc_run(&options, listen_once, &address);
	}
	return cmocka_run_group_tests_name(
		"core/io/listener", tests, NULL, NULL);
}
