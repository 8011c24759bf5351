/* SPDX-License-Identifier: MIT */
/* What TCP and Unix streams have in common: ends, halves, and back pressure. */
#include <errno.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define BUF_MORE (F_BUFFER | F_MORE)

static struct pair
open_either(struct contract *c)
{
	return c->script->arg == AF_UNIX ? open_unix_pair(c) : open_pair(c);
}

/* Unix streams have small buffers as they are. */
static struct pair
open_either_narrow(struct contract *c)
{
	return c->script->arg == AF_UNIX ? open_unix_pair(c)
					 : open_narrow_pair(c);
}

static void
an_end_is_zero(struct contract *c)
{
	struct pair pair = open_either(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	drop(c, pair.far);
	expect(c, 1, RES(0));
}

static void
an_end_stays_an_end(struct contract *c)
{
	struct pair pair = open_either(c);

	drop(c, pair.far);
	for (uint64_t id = 1; id <= 3; id++) {
		start_recv(c, id, pair.near, memory(c, 8), 8);
		expect(c, id, RES(0));
	}
}

static void
bytes_come_before_the_end(struct contract *c)
{
	struct pair pair = open_either(c);

	give(c, pair.far, "last words", 10);
	drop(c, pair.far);
	settle(c);
	take_text(c, pair.near, "last words");
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	expect(c, 1, RES(0));
}

static void
take_bytes_and_an_end(struct contract *c, bool have_arrived)
{
	struct pair pair = open_either(c);
	struct group group = open_group(c, 1, 4, 64);
	struct torc_cqe cqe;

	give(c, pair.far, "bye", 3);
	drop(c, pair.far);
	if (have_arrived)
		settle(c);
	start_recvs(c, 1, pair.near, &group);
	cqe = expect(c, 1, RES_WITH(3, BUF_MORE), RES_WITH(3, F_BUFFER));
	require_text(c, &group, &cqe, "bye");
	if (!(cqe.flags & F_MORE))
		start_recvs(c, 1, pair.near, &group);
	expect(c, 1, RES(0));
}

static void
bytes_and_an_end_come_in_order(struct contract *c)
{
	take_bytes_and_an_end(c, true);
}

static void
bytes_and_an_end_on_their_way_come_in_order(struct contract *c)
{
	take_bytes_and_an_end(c, false);
}

static void
a_half_close_leaves_the_other_half(struct contract *c)
{
	struct pair pair = open_either(c);

	half_close(c, pair.near);
	start_recv(c, 1, pair.far, memory(c, 8), 8);
	expect(c, 1, RES(0));
	give(c, pair.far, "answer", 6);
	take_text(c, pair.near, "answer");
}

static void
both_halves_are_an_end_for_both(struct contract *c)
{
	struct pair pair = open_either(c);

	half_close(c, pair.near);
	half_close(c, pair.far);
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	start_recv(c, 2, pair.far, memory(c, 8), 8);
	expect(c, 1, RES(0));
	expect(c, 2, RES(0));
}

static void
a_second_half_close_does_no_harm(struct contract *c)
{
	struct pair pair = open_either(c);
	int ret;

	half_close(c, pair.near);
	ret = c->engine->shutdown(&c->ring, pair.near, SHUT_WR);
	require(c, ret == 0 || ret == -ENOTCONN);
	give(c, pair.far, "fine", 4);
	take_text(c, pair.near, "fine");
}

static void
a_send_waits_until_the_peer_reads(struct contract *c)
{
	struct pair pair = open_either_narrow(c);
	size_t before = fill(c, pair.near, 1);
	uint8_t *got = memory(c, before + 65536);
	struct torc_cqe cqe;

	take(c, pair.far, got, before);
	cqe = expect(c, 1, BETWEEN(1, 65536));
	take(c, pair.far, got + before, (size_t)cqe.res);
	for (size_t i = 0; i < before + (size_t)cqe.res; i++)
		require(c, got[i] == stream_byte(i));
}

#define ON_BOTH(fn, about)                         \
	SCRIPT(fn, about ", TCP", .arg = AF_INET), \
		SCRIPT(fn, about ", AF_UNIX", .arg = AF_UNIX)

static const struct contract_script scripts[] = {
	ON_BOTH(an_end_is_zero, "H18"),
	ON_BOTH(an_end_stays_an_end, "H18"),
	ON_BOTH(bytes_come_before_the_end, "H18"),
	ON_BOTH(bytes_and_an_end_come_in_order, "multishot recv"),
	ON_BOTH(bytes_and_an_end_on_their_way_come_in_order, "multishot recv"),
	ON_BOTH(a_half_close_leaves_the_other_half, "H18"),
	ON_BOTH(both_halves_are_an_end_for_both, "H18"),
	ON_BOTH(a_second_half_close_does_no_harm, "H18"),
	ON_BOTH(a_send_waits_until_the_peer_reads, "H31 slow reader"),
};

CONTRACT_FAMILY(stream);
