/* SPDX-License-Identifier: MIT */
/* Unix-domain streams: like TCP, but for resets and for their files. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define BUF_MORE (F_BUFFER | F_MORE)

static void
bytes_go_both_ways(struct contract *c)
{
	struct pair pair = open_unix_pair(c);

	give(c, pair.near, "there", 5);
	take_text(c, pair.far, "there");
	give(c, pair.far, "back", 4);
	take_text(c, pair.near, "back");
}

static void
a_multishot_takes_clients(struct contract *c)
{
	struct sockaddr_un sa;
	socklen_t len;
	int listener = open_unix_listener(c, &sa, &len);

	start_accepts(c, 1, listener);
	for (uint64_t id = 2; id < 5; id++) {
		start_connect(
			c, id, open_socket(c, AF_UNIX, SOCK_STREAM), &sa, len);
		expect(c, id, RES(0));
		own(c, expect(c, 1, BETWEEN_WITH(0, INT32_MAX, F_MORE)).res);
	}
	cancel_waiting(c, 1);
}

static void
a_name_that_nobody_has_refuses(struct contract *c)
{
	struct sockaddr_un sa;
	socklen_t len = name_unix(c, &sa);

	start_connect(c, 1, open_socket(c, AF_UNIX, SOCK_STREAM), &sa, len);
	expect(c, 1, RES(-ECONNREFUSED));
}

static void
a_file_that_is_not_there_is_said_so(struct contract *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX,
		.sun_path = "/nonexistent-torc-contract/socket" };

	start_connect(
		c, 1, open_socket(c, AF_UNIX, SOCK_STREAM), &sa, sizeof(sa));
	expect(c, 1, RES(-ENOENT));
}

static void
a_name_is_given_once(struct contract *c)
{
	struct sockaddr_un sa;
	socklen_t len;
	int fd = open_socket(c, AF_UNIX, SOCK_STREAM);

	open_unix_listener(c, &sa, &len);
	require(c, c->engine->bind(&c->ring, fd, (struct sockaddr *)&sa, len) ==
			   -EADDRINUSE);
}

static void
a_name_is_free_after_its_listener(struct contract *c)
{
	struct sockaddr_un sa;
	socklen_t len;
	int fd = open_socket(c, AF_UNIX, SOCK_STREAM);

	drop(c, open_unix_listener(c, &sa, &len));
	require(c, c->engine->bind(&c->ring, fd, (struct sockaddr *)&sa, len) ==
			   0);
}

static void
an_end_ends_a_multishot(struct contract *c)
{
	struct pair pair = open_unix_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	give(c, pair.far, "bye", 3);
	expect(c, 1, RES_WITH(3, BUF_MORE));
	drop(c, pair.far);
	expect(c, 1, RES(0));
}

static void
a_close_with_unread_bytes_is_no_clean_end(struct contract *c)
{
	struct pair pair = open_unix_pair(c);

	give(c, pair.far, "unread", 6);
	settle(c);
	drop(c, pair.near);
	start_recv(c, 1, pair.far, memory(c, 8), 8);
	expect(c, 1, RES(-ECONNRESET));
}

static void
sending_to_who_is_gone_fails(struct contract *c)
{
	struct pair pair = open_unix_pair(c);

	drop(c, pair.far);
	settle(c);
	start_send(c, 1, pair.near, "x", 1);
	expect(c, 1, RES(-EPIPE));
}

static struct sockaddr_un
file_name(struct contract *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/torc-contract-%d-%llu",
		(int)getpid(), (unsigned long long)c->serial++);
	return sa;
}

static void
a_file_that_was_left_behind_is_stale(struct contract *c)
{
	struct sockaddr_un sa = file_name(c);
	const struct sockaddr *any = (struct sockaddr *)&sa;
	int fd = open_socket(c, AF_UNIX, SOCK_STREAM);
	bool was_stale, is_stale;
	int ret = c->engine->bind(&c->ring, fd, any, sizeof(sa));

	require(c, ret == 0 && c->engine->listen(&c->ring, fd, 8) == 0);
	was_stale = c->engine->unix_is_stale(&c->ring, any, sizeof(sa));
	drop(c, fd);
	is_stale = c->engine->unix_is_stale(&c->ring, any, sizeof(sa));
	c->engine->unix_remove(&c->ring, any);

	require(c, !was_stale && is_stale);
	require(c, !c->engine->unix_is_stale(&c->ring, any, sizeof(sa)));
}

static void
a_file_that_was_removed_can_be_bound_again(struct contract *c)
{
	struct sockaddr_un sa = file_name(c);
	const struct sockaddr *any = (struct sockaddr *)&sa;
	int first = open_socket(c, AF_UNIX, SOCK_STREAM);
	int second = open_socket(c, AF_UNIX, SOCK_STREAM);
	int bound, taken, again;

	bound = c->engine->bind(&c->ring, first, any, sizeof(sa));
	drop(c, first);
	taken = c->engine->bind(&c->ring, second, any, sizeof(sa));
	c->engine->unix_remove(&c->ring, any);
	again = c->engine->bind(&c->ring, second, any, sizeof(sa));
	c->engine->unix_remove(&c->ring, any);

	require(c, bound == 0 && taken == -EADDRINUSE && again == 0);
}

static const struct contract_script scripts[] = {
	SCRIPT(bytes_go_both_ways, "Unix streams"),
	SCRIPT(a_multishot_takes_clients, "multishot accept"),
	SCRIPT(a_name_that_nobody_has_refuses, "CONNECT"),
	SCRIPT(a_file_that_is_not_there_is_said_so, "CONNECT"),
	SCRIPT(a_name_is_given_once, "bind"),
	SCRIPT(a_name_is_free_after_its_listener, "bind"),
	SCRIPT(an_end_ends_a_multishot, "multishot recv, AF_UNIX"),
	SCRIPT(a_close_with_unread_bytes_is_no_clean_end, "H17"),
	SCRIPT(sending_to_who_is_gone_fails, "SEND"),
	SCRIPT(a_file_that_was_left_behind_is_stale, "H6"),
	SCRIPT(a_file_that_was_removed_can_be_bound_again, "H6"),
};

CONTRACT_FAMILY(unix_stream);
