/* SPDX-License-Identifier: MIT */
/*
 * Goal    A name gives all addresses that the machine's resolver knows, in its
 *         order; whoever stops waiting is free at once, however slow the name
 *         server, and what was left behind is given back when it ends.
 * Method  The real getaddrinfo() with an /etc/hosts of the test's own, and a
 *         name server that is a task of the test, which stays silent where it
 *         is asked to.
 */
#include <arpa/inet.h>

#include "tests/core/io/names.h"
#include "tests/support/failing_alloc.h"

#define FOUND_MAX 8
/* One more than a look-up stores. */
#define CROWD 1025

static char hosts[64 << 10] = "127.0.0.1 localhost\n"
			      "127.0.0.9 pair\n127.0.0.1 pair\n"
			      "10.1.1.1 many\n10.1.1.2 many\nfd00::1 many\n"
			      "10.1.1.3 many\n";

static void
add_crowd(void)
{
	size_t len = strlen(hosts);

	for (unsigned i = 0; i < CROWD; i++)
		len += (size_t)snprintf(hosts + len, sizeof(hosts) - len,
			"10.9.%u.%u crowd\n", i / 250, i % 250 + 1);
	must(len < sizeof(hosts));
}

/* ---- a name server ---- */

static const uint8_t two_addresses[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4,
	10, 2, 2, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 2, 2, 2 };

/* The answer to a query, in its place; 0: none. */
static size_t
answer(uint8_t *query, size_t bytes)
{
	size_t end = 12;
	bool is_a;

	while (end < bytes && query[end] != 0)
		end += query[end] + (size_t)1;
	end += 5; /* the root, type and class */
	must(end <= bytes);
	if (memcmp(query + 13, "silent", 6) == 0)
		return 0;
	is_a = query[end - 3] == 1;
	query[2] = 0x81;
	query[3] = 0x80;
	memset(query + 6, 0, 6);
	if (memcmp(query + 13, "missing", 7) == 0) {
		query[3] |= 3;
	} else if (is_a) {
		query[7] = 2;
		memcpy(query + end, two_addresses, sizeof(two_addresses));
		end += sizeof(two_addresses);
	}
	return end;
}

static int
serve_names(void *arg)
{
	struct torc_udp *udp = arg;
	struct torc_address from;
	uint8_t message[1024];
	const void *data;
	ssize_t got;

	while ((got = torc_udp_recv(udp, &data, &from)) > 0) {
		must(got < 512);
		memcpy(message, data, (size_t)got);
		got = (ssize_t)answer(message, (size_t)got);
		if (got > 0)
			must_be(torc_udp_send(udp, message, (size_t)got, &from),
				got);
	}
	return 0;
}

static int
with_name_server(torc_task_fn *fn)
{
	struct torc_address at = address_of("udp:127.0.0.1:53");
	struct torc_task *server;
	struct torc_udp *udp;

	must_be(torc_udp_bind(&udp, &at), 0);
	must_be(torc_spawn(&server, serve_names, udp), 0);
	must_be(fn(NULL), 0);
	torc_cancel_join(server, NULL);
	torc_udp_close(udp);
	return 0;
}

/* ---- what needs no name ---- */

static int
a_number_a_path_and_a_star_are_there_at_once(void *unused)
{
	static const char *const texts[] = { "127.0.0.1:80", "[::1]:443",
		"udp:10.0.0.1:53", "unix:/run/x", "@name", "*:9" };
	struct torc_address found[2], expected;

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct torc_resolve resolve;

		expected = address_of(texts[i]);
		torc_resolve_start(&resolve, texts[i], found, 2);
		must(torc_future_is_ready(&resolve.done));
		must_be(resolve.done.value, 1);
		must_be(found[0].type, expected.type);
		must_be(memcmp(&found[0].sa, &expected.sa, expected.len), 0);
	}
	must_be(counts().jobs, 0);
	return 0;
}

static int
a_wrong_text_is_refused_at_once(void *unused)
{
	static const char *const texts[] = { "", "localhost", "localhost:x",
		"a b:80", "localhost:65536", "[::1:80", "/tmp/x" };
	char long_text[400];
	struct torc_address found[1];

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		must_be(torc_resolve(texts[i], found, 1), -EINVAL);
	must_be(torc_resolve(NULL, found, 1), -EINVAL);
	memset(long_text, 'a', sizeof(long_text));
	memcpy(long_text + 255, ":80", sizeof(":80"));
	must_be(torc_resolve(long_text, found, 1), -EINVAL);
	must_be(counts().jobs, 0);
	return 0;
}

static int
without_memory_it_says_so(void *unused)
{
	struct torc_address found[1];
	struct torc_stream *stream;
	int ret;

	(void)unused;
	alloc_fail_all(true);
	ret = torc_resolve("localhost:80", found, 1);
	must_be(torc_connect_to(&stream, "localhost:80"), -ENOMEM);
	alloc_fail_all(false);
	must_be(ret, -ENOMEM);
	must_be(counts().jobs, 0);
	return 0;
}

static int
resolve_when_cancelled(void *arg)
{
	struct torc_address found[1];
	struct torc_stream *stream;

	(void)arg;
	must_be(torc_resolve("localhost:80", found, 1), -ECANCELED);
	must_be(torc_resolve("127.0.0.1:80", found, 1), -ECANCELED);
	must_be(torc_connect_to(&stream, "127.0.0.1:1"), -ECANCELED);
	return 0;
}

static int
a_cancelled_task_asks_nobody(void *unused)
{
	struct torc_task *task;

	(void)unused;
	must_be(torc_spawn(&task, resolve_when_cancelled, NULL), 0);
	torc_cancel_join(task, NULL);
	must_be(counts().jobs, 0);
	return 0;
}

/* ---- names ---- */

/* What getaddrinfo() says, in its order. */
static void
must_agree(const char *host, const struct torc_address *found, int count,
	uint16_t port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *at;
	struct torc_address expected = { 0 };

	must_be(getaddrinfo(host, NULL, &hints, &list), 0);
	at = list;
	for (int i = 0; i < count; i++, at = at->ai_next) {
		must(at != NULL);
		memcpy(&expected.storage, at->ai_addr, at->ai_addrlen);
		if (at->ai_family == AF_INET)
			expected.in.sin_port = htons(port);
		else
			expected.in6.sin6_port = htons(port);
		must_be(found[i].len, at->ai_addrlen);
		must_be(memcmp(&found[i].sa, &expected.sa, at->ai_addrlen), 0);
	}
	must(at == NULL);
	freeaddrinfo(list);
}

static int
a_name_gives_all_its_addresses_in_order(void *unused)
{
	struct torc_address found[FOUND_MAX];

	(void)unused;
	must_be(torc_resolve("many:80", found, FOUND_MAX), 4);
	must_agree("many", found, 4, 80);
	for (int i = 0; i < 4; i++)
		must_be(found[i].type, TORC_TCP);
	must_be(torc_resolve("udp:pair:53", found, FOUND_MAX), 2);
	must_agree("pair", found, 2, 53);
	must_be(found[1].type, TORC_UDP);
	must_be(torc_resolve("localhost:1", found, FOUND_MAX), 1);
	must_agree("localhost", found, 1, 1);
	return 0;
}

static int
no_more_are_stored_than_there_is_room_for(void *unused)
{
	struct torc_address found[FOUND_MAX];

	(void)unused;
	memset(found, 0xaa, sizeof(found));
	must_be(torc_resolve("many:80", found, 3), 3);
	must_be(found[2].type, TORC_TCP);
	must_be(found[3].type, (int)0xaaaaaaaa);
	must_be(torc_resolve("many:80", found, 100000) > 0, 1);
	return 0;
}

static int
of_a_crowd_1024_are_stored(void *unused)
{
	static struct torc_address found[CROWD];

	(void)unused;
	memset(&found[CROWD - 1], 0xaa, sizeof(found[0]));
	must_be(torc_resolve("crowd:80", found, CROWD), CROWD - 1);
	must_be(found[CROWD - 2].type, TORC_TCP);
	must_be(found[CROWD - 1].type, (int)0xaaaaaaaa);
	return 0;
}

static int
ask_the_server(void *unused)
{
	struct torc_address found[FOUND_MAX];

	(void)unused;
	must_be(torc_resolve("answer.test:7", found, FOUND_MAX), 2);
	must_be(ntohs(found[1].in.sin_port), 7);
	must_be(torc_resolve("missing.test:7", found, FOUND_MAX), -ENOENT);
	return 0;
}

static int
a_name_server_of_the_same_shard_is_asked(void *unused)
{
	(void)unused;
	return with_name_server(ask_the_server);
}

/* And a thread has it. */
static void
start_silent(struct torc_resolve *resolve, struct torc_address *found)
{
	uint64_t taken = counts().jobs;

	torc_resolve_start(resolve, "silent.test:7", found, 1);
	wait_until(counts().jobs == taken + 1);
}

static int
ask_the_silent(void *unused)
{
	struct torc_address found[FOUND_MAX];
	struct torc_deadline deadline;
	struct torc_resolve resolve;

	(void)unused;
	start_silent(&resolve, found);
	torc_deadline_begin(&deadline, TORC_MS);
	must_be(torc_await(&resolve.done), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	must_be(counts().abandoned, 1);

	start_silent(&resolve, found);
	torc_future_cancel(&resolve.done);
	must(torc_future_is_ready(&resolve.done));
	must_be(resolve.done.value, -ECANCELED);
	must_be(counts().abandoned, 2);

	/* The others wait for nobody but the name server. */
	must_be(torc_resolve("answer.test:7", found, FOUND_MAX), 2);
	must_be(torc_resolve("silent.test:7", found, FOUND_MAX), -EAGAIN);
	wait_until(counts().abandoned == 0);
	return 0;
}

static int
a_silent_name_server_holds_up_nobody_who_gave_up(void *unused)
{
	(void)unused;
	return with_name_server(ask_the_silent);
}

static int
ask_with_one_thread(void *unused)
{
	struct torc_address found[FOUND_MAX];
	struct torc_deadline deadline;
	struct torc_resolve silent, queued;

	(void)unused;
	start_silent(&silent, found);
	torc_future_cancel(&silent.done);
	torc_resolve_start(&queued, "localhost:7", found, FOUND_MAX);
	torc_future_cancel(&queued.done);
	must_be(queued.done.value, -ECANCELED);
	must_be(counts().queued, 0);
	must_be(counts().abandoned, 1);

	torc_deadline_begin(&deadline, TORC_MS);
	must_be(torc_resolve("localhost:7", found, FOUND_MAX), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	must_be(torc_resolve("localhost:7", found, FOUND_MAX), 1);
	must_be(counts().abandoned, 0);
	return 0;
}

static int
without_a_free_thread_a_look_up_waits(void *unused)
{
	(void)unused;
	return with_name_server(ask_with_one_thread);
}

static int
say_seven(void *unused)
{
	(void)unused;
	return 7;
}

/* Of 8 threads 2 look up; a name server is silent for a second. */
static int
ask_the_silent_often(void *unused)
{
	struct torc_address found[8][FOUND_MAX];
	struct torc_resolve lookups[8];
	int result = 0;

	(void)unused;
	for (int i = 0; i < 8; i++)
		torc_resolve_start(&lookups[i],
			i == 6 ? "answer.test:7" : "silent.test:7", found[i],
			FOUND_MAX);
	wait_until(counts().running == 2);
	must_be(counts().held, 6);
	must_be(torc_blocking(say_seven, NULL, &result), 0);
	must_be(result, 7);
	must_be(counts().held, 6);
	for (int i = 0; i < 8; i++) {
		if (i == 6)
			continue;
		torc_future_cancel(&lookups[i].done);
		must(torc_future_is_ready(&lookups[i].done));
		must_be(lookups[i].done.value, -ECANCELED);
	}
	must_be(counts().abandoned, 2);
	must_be(counts().held, 1);
	must_be(torc_await(&lookups[6].done), 2);
	wait_until(counts().running == 0);
	/* Two that were silent, one that was answered, and say_seven(). */
	must_be(counts().jobs, 4);
	return 0;
}

static int
a_silent_name_server_holds_up_no_other_job(void *unused)
{
	(void)unused;
	return with_name_server(ask_the_silent_often);
}

static int
leave_a_look_up(void *unused)
{
	struct torc_address found[1];
	struct torc_resolve resolve;

	(void)unused;
	start_silent(&resolve, found);
	torc_future_cancel(&resolve.done);
	must_be(resolve.done.value, -ECANCELED);
	must_be(counts().abandoned, 1);
	return 0;
}

static int
the_end_comes_after_what_was_abandoned(void *unused)
{
	(void)unused;
	return with_name_server(leave_a_look_up);
}

static int
fill_all_caches(void *unused)
{
	int ret = fill_caches(unused);

	return ret < 0 ? ret : with_name_server(ask_the_silent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_number_a_path_and_a_star_are_there_at_once),
		WITH_TORC(a_wrong_text_is_refused_at_once),
		WITH_TORC(without_memory_it_says_so),
		WITH_TORC(a_cancelled_task_asks_nobody),
		NAMES(a_name_gives_all_its_addresses_in_order, 0),
		NAMES(no_more_are_stored_than_there_is_room_for, 0),
		NAMES(of_a_crowd_1024_are_stored, 0),
		NAMES(a_name_server_of_the_same_shard_is_asked, 0),
		NAMES(a_silent_name_server_holds_up_nobody_who_gave_up, 0),
		NAMES(without_a_free_thread_a_look_up_waits, 1),
		NAMES(a_silent_name_server_holds_up_no_other_job, 8),
		NAMES(the_end_comes_after_what_was_abandoned, 0),
	};

	add_crowd();
	has_world = make_world(hosts);
	if (has_world)
		must_be(torc_run(&(struct torc_options){ .shards = 1 },
				fill_all_caches, NULL),
			0);
	return cmocka_run_group_tests_name(
		"core/io/resolve", tests, NULL, NULL);
}
