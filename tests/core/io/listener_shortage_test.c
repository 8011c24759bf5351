/* SPDX-License-Identifier: MIT */
/*
 * Goal    Without descriptors, clients wait and none is dropped; it is said
 *         once, and costs no time; accepting goes on as soon as it can.
 * Method  The real kernel, with the limit of this process lowered.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/core/io/listener_fixture.h"

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
	struct torc_stream *streams[BATCH];
	int clients[BATCH], spare, log, err;
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
	must_accept_nobody(listener, 500 * TORC_MS);
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
	int client = raw_connect(&actual);
	struct rlimit old;

	(void)unused;
	limit_descriptors(3, &old);
	must_accept_nobody(listener, 20 * TORC_MS);
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
	int client = raw_connect(&actual);
	struct rlimit old;

	(void)unused;
	limit_descriptors(3, &old);
	must_accept_nobody(listener, 20 * TORC_MS);
	torc_listener_close(listener);
	must_be(setrlimit(RLIMIT_NOFILE, &old), 0);
	torc_sleep(150 * TORC_MS);

	close(client);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(without_descriptors_clients_wait_and_none_is_dropped),
		WITH_TORC(accepting_goes_on_by_itself_after_a_shortage),
		WITH_TORC(a_listener_may_close_during_a_shortage),
	};

	return cmocka_run_group_tests_name(
		"core/io/listener_shortage", tests, NULL, NULL);
}
